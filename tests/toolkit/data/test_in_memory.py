"""Rows given as Python objects instead of files."""

from __future__ import annotations

from pathlib import Path

import datasets
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from toolkit.data.in_memory import source_of
from toolkit.data.typed_files import read_typed
from toolkit.errors import DataError

ROWS = [{"text": "a pear", "label": "fruit"}, {"text": "a saw", "label": "tool"}]
CODED = datasets.Dataset.from_list(
    [{"text": row["text"], "label": place} for place, row in enumerate(ROWS)],
    features=datasets.Features(
        text=datasets.Value("string"), label=datasets.ClassLabel(names=["fruit", "tool"])
    ),
)


def read(source):
    return read_typed(Path(source))


@pytest.mark.parametrize(
    "given",
    [
        ROWS,
        pd.DataFrame(ROWS, index=[7, 9]),
        pd.DataFrame(ROWS).astype({"label": "category"}),
        pl.DataFrame(ROWS),
        pa.Table.from_pylist(ROWS),
        datasets.Dataset.from_list(ROWS),
        datasets.Dataset.from_list([{"text": "no", "label": "no"}, *ROWS]).select([1, 2]),
    ],
    ids=["dicts", "pandas", "categories", "polars", "arrow", "dataset", "selected"],
)
def test_rows_of_every_kind_are_read_back(given):
    assert read(source_of(given)).to_list() == ROWS


def test_equal_rows_are_one_file_and_others_another():
    assert source_of(ROWS) == source_of([dict(row) for row in ROWS])
    assert source_of(ROWS) != source_of(ROWS[::-1])


def test_features_of_a_dataset_are_kept():
    found = source_of(datasets.DatasetDict(train=CODED, test=CODED.select([1])))
    assert set(found) == {"train", "test"}
    assert read(found["train"]).features["label"].names == ["fruit", "tool"]
    assert read(found["test"])["label"] == [1]


def test_images_are_kept_as_images():
    rows = read(source_of([{"image": Image.new("RGB", (4, 5)), "label": "a"}]))
    assert rows[0]["image"].size == (4, 5)


def test_an_image_of_a_dataset_travels_with_its_bytes(tmp_path):
    Image.new("RGB", (4, 5)).save(tmp_path / "a.png")
    rows = datasets.Dataset.from_dict({"image": [str(tmp_path / "a.png")]}).cast_column(
        "image", datasets.Image()
    )
    source = source_of(rows)
    (tmp_path / "a.png").unlink()
    assert read(source)[0]["image"].size == (4, 5)


def test_a_key_that_some_rows_lack_is_empty_there():
    assert read(source_of([{"text": "a"}, {"label": 3}])).to_list() == [
        {"text": "a", "label": None}, {"text": None, "label": 3},
    ]  # fmt: skip


def test_paths_stay_paths(tmp_path):
    assert source_of(tmp_path) == str(tmp_path)
    assert source_of([tmp_path / "a.csv", "b.csv"]) == [str(tmp_path / "a.csv"), "b.csv"]
    found = source_of({"train": "a.csv", "test": ROWS})
    assert found["train"] == "a.csv"
    assert read(found["test"]).to_list() == ROWS


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            [{"label": 1}, {"label": "a"}],
            "data label: holds values of several types: int (row 1)",
        ),
        (pd.DataFrame({"label": [1, "a"]}), "data label: holds values of several types"),
        (pd.DataFrame([[1]]), "columns that are not named by texts: 0"),
        (3, "not int"),
        ([], "has no rows"),
        (CODED.select([]), "has no rows"),
        (CODED.to_iterable_dataset(), "IterableDataset: take its rows into a Dataset first"),
        (pl.LazyFrame({"a": [1]}), "LazyFrame: call .collect() first"),
        ({"train": ROWS, "test": 7}, "data['test']: takes a path"),
    ],
)
def test_what_is_no_rows_is_told(given, message):
    with pytest.raises(DataError) as error:
        source_of(given)
    assert message in str(error.value)
