"""Splits that lie apart in time."""

import json

import pytest

from toolkit.errors import DataError
from toolkit.recipe.schema import SplitSpec

DAYS = [f"2024-01-{day:02d}" for day in range(1, 31)]


@pytest.fixture
def dated(write):
    return lambda values: write(
        "rows.jsonl",
        "\n".join(json.dumps({"text": f"t{n}", "label": "ab"[n % 2], "day": v})
                  for n, v in enumerate(values)),
    )  # fmt: skip


@pytest.mark.parametrize("values", [DAYS, [d + "T00:00:00Z" for d in DAYS],
                                    [n * 86_400 for n in range(30)]])  # fmt: skip
def test_a_gap_leaves_rows_out_before_every_later_split(dated, door, values):
    split = {"test": 5, "validation": 4, "time": "day", "gap": "3d"}
    found = door(str(dated(values)), split=split)
    # Test is days 26..30; labels of validation (22..25) must be 3 days old by then.
    places = {name: [int(text[1:]) for text in rows["text"]] for name, rows in found.splits.items()}
    assert places == {"train": [*range(19)], "validation": [21, 22], "test": [*range(25, 30)]}
    assert sum("dropped" in note for note in found.notes) == 2


def test_windows_choose_the_rows(dated, door):
    windows = {"train": ["2024-01-02", "2024-01-10"], "validation": ["2024-01-10", "2024-01-12"],
               "test": ["2024-01-20", "2024-02-01"]}  # fmt: skip
    found = door(str(dated(DAYS)), split={"time": "day", "windows": windows})
    assert {name: len(rows) for name, rows in found.splits.items()} == {
        "train": 8, "validation": 2, "test": 11,
    }  # fmt: skip
    assert "9 rows outside" in " ".join(found.notes)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"time": "day", "gap": "60d"}, "a gap of 60d leaves no row of"),
        ({"time": "day", "windows": {"train": ["2025-01-01", "2025-02-01"],
                                     "test": ["2024-01-02", "2024-01-03"]}},
         "windows.train: has no row: 'day' goes from 2024-01-01T00:00:00 to 2024-01-30"),
        ({"time": "day", "windows": {"train": ["soon", "2025-02-01"],
                                     "test": ["2024-01-02", "2024-01-03"]}},
         "windows.train: 'day' cannot be read as times"),
        ({"time": "day", "windows": {"train": ["2024-01-02", "2024-01-03"]}},
         "lacks one for validation and test"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(dated, door, split, message):
    with pytest.raises(DataError, match=message):
        door(str(dated(DAYS)), split=split)


@pytest.mark.parametrize("split", [{"gap": "3d"}, {"windows": {"train": [1, 2], "test": [2, 3]}}])
def test_they_need_a_time(dated, door, split):
    with pytest.raises(DataError, match="needs data.split.time=COLUMN"):
        door(str(dated(DAYS)), split=split)


def test_a_gap_is_a_length_of_time():
    with pytest.raises(ValueError, match="pattern"):
        SplitSpec(time="day", gap="a week")
