"""The folds of cross-validation: which rows are tested, as scikit-learn draws them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from toolkit.data import groups, splits
from toolkit.errors import DataError, Fault
from toolkit.plugin_types import Ints

if TYPE_CHECKING:
    import datasets

    from toolkit.recipe.schema import SplitSpec


def apart(
    given: Mapping[str, datasets.Dataset],
    spec: SplitSpec,
    target: str | None,
    seed: int,
    units: bool,
) -> tuple[dict[str, datasets.Dataset], list[str]]:
    """Return the splits with one fold of train's rows as test, and notes.

    Over all folds each row is in test once. With a group its rows stay together, and with
    `stratify` the folds have the proportions of the target's classes, as far as rows allow.

    Args:
        units: as of `make_splits`.

    Raises:
        DataError: the data brings its own test split; there are fewer rows, or groups, than folds;
            stratifying has no target.
    """
    from sklearn import model_selection as ways

    count = int(spec.folds or 0)
    if "test" in given:
        what = ("takes the test rows from all rows, and the data brings its own test split: name "
                "the other rows alone, --data train=...")  # fmt: skip
        raise DataError(Fault("data.split.folds", what))
    whole, rows = given["train"], len(given["train"])
    if spec.stratify and target is None:
        raise DataError(Fault("data.split.stratify", "this scenario names no target column"))
    classes = splits.codes(whole, str(target)) if spec.stratify else np.zeros(rows, np.int64)
    of = _groups(whole, spec.group, units) if spec.group else None
    parts = rows if of is None else len(np.unique(of))
    if parts < count + 1:  # one is left to train with
        what = f"is {count}, and there are {parts:,} {'rows' if of is None else 'groups'}"
        raise DataError(Fault("data.split.folds", what))
    drawn = {"n_splits": count, "shuffle": True, "random_state": _state(spec, seed)}
    if of is not None:
        way = (ways.StratifiedGroupKFold if spec.stratify else ways.GroupKFold)(**drawn)
    elif spec.stratify and np.bincount(classes).max() >= count:
        way = ways.StratifiedKFold(**drawn)
    else:
        way = ways.KFold(**drawn)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a class that has fewer rows than folds
        found = list(way.split(np.zeros(rows), classes, of))
    rest, test = found[spec.fold - 1]
    by = f", by group {spec.group!r}" if spec.group else ""
    by += f", stratified by {target!r}" if spec.stratify else ""
    note = f"test is fold {spec.fold} of {count}{by}; data.split.test is not used"
    chosen = {"train": np.sort(rest), "test": np.sort(test)}
    return {**given, **{name: whole.select(places) for name, places in chosen.items()}}, [note]


def _groups(whole: datasets.Dataset, column: str, units: bool) -> Ints:
    names = groups.of_rows(whole, column)
    return groups.codes(names if units else [name or "" for name in names])


def _state(spec: SplitSpec, seed: int) -> int:
    return (seed if spec.seed is None else spec.seed) % 2**32
