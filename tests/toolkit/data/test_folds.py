"""Folds: each row is tested once, groups stay together, classes keep their shares."""

from collections import Counter

import datasets
import pytest

from toolkit.data import folds
from toolkit.errors import DataError
from toolkit.recipe.schema import SplitSpec


def dealt(columns, target=None, units=False, given=None, count=4, **spec):
    whole = datasets.Dataset.from_dict({"row": range(len(next(iter(columns.values())))), **columns})
    found = []
    for fold in range(1, count + 1):
        asked = SplitSpec(folds=count, fold=fold, **spec)
        made, _ = folds.apart({"train": whole, **(given or {})}, asked, target, 3, units)
        parts = {name: made[name]["row"][:] for name in ("train", "test")}
        assert sorted(parts["train"] + parts["test"]) == list(range(len(whole)))
        assert all(part == sorted(part) for part in parts.values())
        found.append(parts["test"])
    return found


def test_each_row_is_in_one_fold():
    found = dealt({"x": ["a"] * 21})
    assert sorted(row for fold in found for row in fold) == list(range(21))
    assert {len(fold) for fold in found} == {5, 6}
    assert found == dealt({"x": ["a"] * 21})
    assert found != dealt({"x": ["a"] * 21}, seed=4)


def test_a_group_is_tested_together():
    names = [f"c{row % 7}" if row % 5 else None for row in range(35)]
    for units, alone in ((False, 1), (True, 7)):
        found = dealt({"c": names}, units=units, group="c")
        of = [{names[row] for row in fold} - {None} for fold in found]
        assert sum(map(len, of)) == 7
        without = [fold for fold in found if any(names[row] is None for row in fold)]
        assert len(without) >= min(alone, 2)  # rows without a group: one group, or each its own


def test_classes_keep_their_shares():
    labels = ["a"] * 30 + ["b"] * 10 + ["rare"]
    found = dealt({"y": labels}, "y", count=5, stratify=True)
    for fold in found:
        counts = Counter(labels[row] for row in fold)
        assert (counts["a"], counts["b"]) == (6, 2)


@pytest.mark.parametrize(("columns", "spec", "said"), [
    ({"x": ["a"] * 4}, {}, "is 4, and there are 4 rows"),
    ({"x": ["a", "b"] * 9}, {"group": "x"}, "there are 2 groups"),
    ({"x": ["a"] * 20}, {"stratify": True}, "names no target column"),
])  # fmt: skip
def test_what_has_no_folds_is_refused(columns, spec, said):
    with pytest.raises(DataError, match=said):
        dealt(columns, **spec)


def test_a_test_split_of_the_data_is_not_left_unused():
    test = datasets.Dataset.from_dict({"row": [0], "x": ["a"]})
    with pytest.raises(DataError, match="brings its own test split"):
        dealt({"x": ["a"] * 20}, given={"test": test})
