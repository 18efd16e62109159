"""Making the splits that the data does not bring: random, stratified, by group, by time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from toolkit.data.checks import tables
from toolkit.errors import DataError, Fault

if TYPE_CHECKING:
    import datasets

    from toolkit.recipe import SplitSpec

Ints = np.ndarray[Any, np.dtype[np.int64]]


def make(
    given: Mapping[str, datasets.Dataset], spec: SplitSpec, target: str | None, seed: int
) -> tuple[datasets.DatasetDict, list[str]]:
    """Return train, validation and test, making what is missing out of train, and notes on it.

    Rows keep their order within a split; the same seed gives the same split.

    Raises:
        DataError: train is too small for the splits, or stratifying has no target.
    """
    import datasets

    whole = given["train"]
    sizes = {
        name: size if isinstance(size, int) else max(1, round(size * len(whole)))
        for name, size in (("test", spec.test), ("validation", spec.validation))
        if name not in given
    }
    if not sizes:
        return datasets.DatasetDict(given), []
    if sum(sizes.values()) >= len(whole):
        raise DataError(
            Fault("data.split", f"asks {sizes} of {len(whole)} rows: nothing is left for train")
        )
    rng = np.random.default_rng(seed if spec.seed is None else spec.seed)
    taken, way = _assign(whole, sizes, spec, target, rng)
    parts = {"train": whole.select(np.flatnonzero(taken == 0))}
    for place, name in enumerate(sizes, start=1):
        parts[name] = whole.select(np.flatnonzero(taken == place))
    empty = [name for name, part in parts.items() if not len(part)]
    if empty:
        raise DataError(Fault("data.split", f"leaves no row for {', '.join(empty)} ({way})"))
    note = f"{' and '.join(sizes)} made out of train ({way})"
    merged = {**given, **parts}
    order = [name for name in ("train", "validation", "test") if name in merged]
    return datasets.DatasetDict({name: merged[name] for name in order}), [note]


def _assign(
    whole: datasets.Dataset,
    sizes: Mapping[str, int],
    spec: SplitSpec,
    target: str | None,
    rng: np.random.Generator,
) -> tuple[Ints, str]:
    """Return for each row 0 (train) or the place of its split in `sizes`, and the way in words."""
    rows = len(whole)
    if spec.group:
        return _by_group(codes(whole, spec.group), sizes, rng), f"by group {spec.group!r}"
    taken = np.zeros(rows, np.int64)
    if spec.time:
        order = np.argsort(_sortable(whole, spec.time), kind="stable")[::-1]
        for place, size in enumerate(sizes.values(), start=1):
            taken[order[:size]], order = place, order[size:]
        return taken, f"latest rows by {spec.time!r}"
    if spec.stratify and target is None:
        raise DataError(Fault("data.split.stratify", "this scenario names no target column"))
    classes = codes(whole, target) if spec.stratify and target else np.zeros(rows, np.int64)
    order = np.lexsort((rng.permutation(rows), classes))
    for place, size in enumerate(sizes.values(), start=1):
        # Every (rows/size)-th row of the ordered classes: shares are kept to within one row.
        steps = np.arange(len(order)) * size // len(order)
        chosen = np.diff(steps, append=size) > 0
        taken[order[chosen]], order = place, order[~chosen]
    if spec.stratify:
        _keep_one_in_train(taken, classes)
        return taken, f"stratified by {target!r}"
    return taken, "at random"


def _keep_one_in_train(taken: Ints, classes: Ints) -> None:
    """Give back a row of each class that train would lose: it could never be predicted."""
    in_train = np.unique(classes[taken == 0])
    for lost in np.setdiff1d(classes, in_train):
        taken[np.flatnonzero(classes == lost)[0]] = 0


def _by_group(groups: Ints, sizes: Mapping[str, int], rng: np.random.Generator) -> Ints:
    taken = np.zeros(len(groups), np.int64)
    counts = np.bincount(groups)
    order = rng.permutation(len(counts))
    for place, size in enumerate(sizes.values(), start=1):
        filled = np.cumsum(counts[order])
        last = int(np.searchsorted(filled, size)) + 1
        taken[np.isin(groups, order[:last])], order = place, order[last:]
    return taken


def codes(split: datasets.Dataset, column: str) -> Ints:
    """Return an integer per row, equal where the column's values are equal."""
    parts = [table[column].combine_chunks() for table in tables(split, [column])]
    values = pa.chunked_array(parts)
    if pa.types.is_nested(values.type):
        values = pa.chunked_array([pa.array([str(item) for item in values.to_pylist()])])
    encoded = values.dictionary_encode().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    found: Ints = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return found - min(int(found.min()), 0)


def _sortable(split: datasets.Dataset, column: str) -> Ints:
    values = pa.chunked_array([t[column].combine_chunks() for t in tables(split, [column])])
    if values.null_count:
        raise DataError(Fault("data.split.time", f"{values.null_count} rows have no {column!r}"))
    ranks = pa.compute.rank(values, tiebreaker="dense")
    found: Ints = ranks.to_numpy().astype(np.int64)
    return found
