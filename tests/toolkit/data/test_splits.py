"""Splits that are made: disjoint, complete, of the sizes asked, and the same for the same seed."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import datasets
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.data import splits
from toolkit.errors import DataError
from toolkit.recipe.schema import SplitSpec

NAMES = ("train", "validation", "test")
quick = settings(max_examples=60, deadline=None)
counts = st.integers(6, 120)
shares = st.floats(0.05, 0.4)
seeds = st.integers(0, 2**32 - 1)


def make(columns, target=None, seed=0, given=None, **spec):
    whole = datasets.Dataset.from_dict({"row": range(len(next(iter(columns.values())))), **columns})
    return splits.make_splits({"train": whole, **(given or {})}, SplitSpec(**spec), target, seed)


def numbers(made):
    return {name: made[name]["row"][:] for name in made}


@quick
@given(counts, shares, shares, seeds, st.booleans())
def test_rows_are_dealt_once_each_in_order_and_in_the_sizes_asked(n, test, validation, seed, strat):
    classes = [str(row % 2) for row in range(n)]
    made, notes = make({"y": classes}, "y", seed, test=test, validation=validation, stratify=strat)
    rows = numbers(made)
    assert tuple(made) == NAMES
    assert sorted(row for part in rows.values() for row in part) == list(range(n))
    assert all(part == sorted(part) for part in rows.values())
    if not strat:  # stratified, train may get a row back
        assert len(rows["test"]) == max(1, round(test * n))
        assert len(rows["validation"]) == max(1, round(validation * n))
    assert len(notes) == 1


@quick
@given(seeds, st.booleans())
def test_a_seed_names_a_split(seed, stratify):
    columns = {"y": [str(row % 3) for row in range(60)]}
    first = numbers(make(columns, "y", seed, stratify=stratify)[0])
    assert first == numbers(make(columns, "y", seed, stratify=stratify)[0])
    assert first != numbers(make(columns, "y", seed + 1, stratify=stratify)[0])
    own = SplitSpec(stratify=stratify, seed=seed)
    whole = datasets.Dataset.from_dict({"row": range(60), **columns})
    assert first == numbers(splits.make_splits({"train": whole}, own, "y", seed + 1)[0])


@quick
@given(st.lists(st.integers(4, 40), min_size=2, max_size=6), shares, seeds)
def test_stratified_shares_hold_to_within_a_row(sizes, share, seed):
    classes = [f"c{place}" for place, size in enumerate(sizes) for _ in range(size)]
    made, _ = make({"y": classes}, "y", seed, test=share, validation=1, stratify=True)
    asked = max(1, round(share * len(classes)))
    found = Counter(made["test"]["y"])
    for name, size in Counter(classes).items():
        assert abs(found[name] - asked * size / len(classes)) <= 1


def test_train_keeps_a_row_of_every_class():
    classes = ["rare"] + ["often"] * 99
    for seed in range(20):
        made, _ = make({"y": classes}, "y", seed, test=0.5, stratify=True)
        assert "rare" in made["train"]["y"]


@quick
@given(st.lists(st.integers(0, 9), min_size=12, max_size=80), seeds)
def test_groups_never_stand_in_two_splits(groups, seed):
    if len(set(groups)) < 3:
        groups = [*groups, 10, 11, 12]
    made, _ = make({"who": [f"g{g}" for g in groups]}, seed=seed, group="who")
    held = [set(made[name]["who"]) for name in made]
    assert sum(len(part) for part in held) == len(set(groups))
    assert sum(len(made[name]) for name in made) == len(groups)
    assert all(held)


def test_groups_come_as_near_to_the_sizes_as_they_can():
    groups = ["huge"] * 400 + [f"g{n // 4}" for n in range(600)]
    for seed in range(10):
        made, _ = make({"who": groups}, seed=seed, group="who", test=0.2, validation=0.1)
        assert "huge" in made["train"]["who"]
        assert len(made["test"]) == 200
        assert len(made["validation"]) == 100


@pytest.mark.parametrize("nothing", [None, "", " "])
def test_rows_without_a_group_are_one_group_and_said(nothing):
    groups = [nothing if n % 5 == 0 else f"g{n}" for n in range(50)]
    made, notes = make({"who": groups}, group="who")
    assert sum(nothing in made[name]["who"] for name in made) == 1
    assert notes[1] == "10 rows have no 'who' and count as one group"


DAYS = [date(2024, 1, 1) + timedelta(days=(n * 37) % 100) for n in range(100)]


@pytest.mark.parametrize(
    "times",
    [
        DAYS,
        [day.isoformat() for day in DAYS],
        [f"{day.isoformat()} 08:{day.day:02}:00" for day in DAYS],
        [float(day.toordinal()) for day in DAYS],
        pa.array(DAYS, pa.date32()).cast(pa.timestamp("s")).to_pylist(),
    ],
)
def test_the_latest_rows_are_the_test(times):
    made, notes = make({"when": times}, time="when", test=20, validation=10)
    last = {name: made[name]["when"] for name in made}
    assert max(last["train"]) < min(last["validation"])
    assert max(last["validation"]) < min(last["test"])
    assert [len(last[name]) for name in NAMES] == [70, 10, 20]
    assert "latest rows by 'when'" in notes[0]


@quick
@given(st.lists(st.integers(0, 9), min_size=6, max_size=80).filter(lambda t: len(set(t)) > 2))
def test_rows_of_one_time_stay_on_one_side(times):
    made, _ = make({"when": times}, time="when", test=0.2, validation=0.2)
    seen = [set(made[name]["when"]) for name in NAMES]
    assert all(seen)
    assert max(seen[0]) < min(seen[1])
    assert max(seen[1]) < min(seen[2])


def test_two_times_make_no_three_splits():
    with pytest.raises(DataError, match="leaves no row for test"):
        make({"when": [1] * 10 + [2] * 10}, time="when")


@pytest.mark.parametrize(
    ("times", "what"),
    [
        (["2024-01-01", None] * 10, "10 rows have no 'when'"),
        (["2024-01-01", ""] * 10, "10 rows have no 'when'"),
        ([1.0, float("nan")] * 10, "10 rows have no 'when'"),
        (["31/12/2023", "01/01/2024"] * 10, "holds '31/12/2023': write dates as 2024-12-31"),
        (["spring", "autumn"] * 10, "holds 'spring'"),
        (["2024-1-5", "2024-12-31"] * 10, "holds '2024-1-5'"),
        ([[1]] * 20, "which has no order in time"),
    ],
)
def test_what_has_no_order_in_time_is_refused(times, what):
    with pytest.raises(DataError, match=what):
        make({"when": times}, time="when")


def test_splits_that_are_given_stay():
    rest = datasets.Dataset.from_dict({"row": [100, 101]})
    made, notes = make({"y": ["a"] * 10}, given={"test": rest})
    assert made["test"]["row"] == [100, 101]
    assert (len(made["train"]), len(made["validation"])) == (9, 1)
    assert notes == ["validation taken from train (at random)"]
    made, notes = make({"y": ["a"] * 10}, given={"test": rest, "validation": rest})
    assert notes == []


def test_three_rows_are_enough_for_three_splits():
    made, _ = make({"y": ["a", "b", "a"]})
    assert [len(made[name]) for name in made] == [1, 1, 1]


def test_a_target_with_as_many_values_as_rows_is_doubted():
    with pytest.raises(DataError, match="'y' has 20 different values in 20 rows. Is it the label"):
        make({"y": [f"{n}.5" for n in range(20)]}, stratify=True, target="y")


@pytest.mark.parametrize(
    ("rows", "spec", "what"),
    [
        (2, {}, "nothing is left for train"),
        (10, {"test": 9, "validation": 1}, "of 10 rows: nothing is left for train"),
        (10, {"test": 500}, "asks {'test': 500"),
        (10, {"stratify": True}, "names no target column"),
        (10, {"group": "y"}, r"leaves no row for .* \(by group 'y'\)"),
    ],
)
def test_splits_that_cannot_be_made(rows, spec, what):
    with pytest.raises(DataError, match=what):
        make({"y": ["a"] * rows}, **spec)


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b", "a", None],
        [1, 2, 1, None],
        [True, False, True, None],
        [["a"], ["b"], ["a"], []],
        [{"k": 1}, {"k": 2}, {"k": 1}, {"k": None}],
    ],
)
def test_codes_are_equal_where_values_are(values):
    found = splits.codes(datasets.Dataset.from_dict({"c": values * 6000}), "c")
    assert found.dtype == np.int64
    assert found.min() >= 0
    assert len(set(found[:4])) == 3
    assert (found.reshape(-1, 4) == found[:4]).all()
