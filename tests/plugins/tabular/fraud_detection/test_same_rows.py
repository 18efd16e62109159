"""Transactions that stand in more than one split, as they are and at another time."""

import csv
import random

import pytest

from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import load_rows
from toolkit.runner.resolve import resolve_recipe

pytest.importorskip("polars")


def written(file, rows):
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def loaded(folder, **settings):
    changes = {"data.source": str(folder), "options.label": "fraud", **settings}
    draft = find_recipe("fraud-detection", [(tuple(k.split(".")), v) for k, v in changes.items()])
    return load_rows(*resolve_recipe(draft))


def payments(day, rows=40, seed=0):
    rng = random.Random(seed)
    return [{"time": f"2024-{day}T{n // 60:02d}:{n % 60:02d}:00", "card": n % 7,
             "amount": round(rng.uniform(1, 500), 2), "kind": "abc"[n % 3],
             "fraud": int(n % 5 == 0)} for n in range(rows)]  # fmt: skip


def test_a_table_in_which_every_row_stands_four_times_is_not_without_overlap(tmp_path):
    rng = random.Random(0)
    rows = [{"age": rng.randint(18, 90), "price": rng.uniform(1, 9), "make": rng.choice("abc"),
             "fraud": int(n % 8 == 0)} for n in range(200)]  # fmt: skip
    written(tmp_path / "rows.csv", rows * 4)
    found = loaded(tmp_path)
    counts = found.overlap["train-test"]
    assert counts["exact"] > 0.9 * len(found.splits["test"])
    assert counts["near"] is None
    assert found.overlapping.sum() >= counts["exact"]
    assert found.duplicates["train"]["exact"] > 0
    assert not [name for name in found.splits["train"].column_names if name.startswith("__")]


def test_a_payment_that_is_repeated_another_day_is_alike_and_no_duplicate(tmp_path):
    again = [{**row, "fraud": 1 - row["fraud"]} for row in payments("03-01")[:10]]
    written(tmp_path / "train.csv", payments("01-01") + payments("01-02"))
    written(tmp_path / "validation.csv", payments("02-01", seed=1))
    written(tmp_path / "test.csv", again + payments("03-02", seed=2) + payments("01-01")[:5])
    found = loaded(tmp_path, **{"options.label_delay": "0d"})
    assert found.overlap["train-test"] == {"exact": 5, "normalised": 15, "near": None}
    assert found.duplicates["train"] == {"exact": 0, "normalised": 0}
    assert found.overlapping.sum() == 15


def test_a_row_is_hashed_alike_whatever_the_file_looks_like(tmp_path):
    rows = payments("01-01", rows=120)
    written(tmp_path / "one.csv", rows)
    new = {**rows[0], "card": "", "time": "2024-05-01T00:00:00"}
    written(tmp_path / "grown.csv", [dict(reversed(row.items())) for row in [*rows, new]])
    one, grown = (
        {value for rows in found.hashes.values() for value in rows.exact.tolist()}
        for found in (
            loaded(tmp_path / name, **{"options.label_delay": "0d"})
            for name in ("one.csv", "grown.csv")
        )
    )
    assert len(one) == 120
    assert one < grown
