"""Make the splits that the data does not have: random, stratified, by group, by time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.data import groups, media, time_splits
from toolkit.data.checks import absent
from toolkit.data.columns import column_values
from toolkit.data.sources import ALIASES
from toolkit.errors import DataError, Fault
from toolkit.plugin_types import Ints

if TYPE_CHECKING:
    import datasets

    from toolkit.recipe.schema import SplitSpec

# Texts that sort by time.
DATED = r"^\s*\d{4}-\d{2}(-\d{2}([T ]\d{2}:.*)?)?\s*$"


def make_splits(
    given: Mapping[str, datasets.Dataset],
    spec: SplitSpec,
    target: str | None,
    seed: int,
    units: bool = False,
) -> tuple[datasets.DatasetDict, list[str]]:
    """Return train, validation and test, and notes; missing splits are taken from train.

    Rows keep their order within a split; the same seed gives the same split.

    Args:
        units: whether `spec.group` names the data's units, so that a row without one is its own.

    Raises:
        DataError: train is too small for the splits, or stratifying has no target; a gap or
            windows without a time.
    """
    import datasets

    if (spec.gap or spec.windows) and not spec.time:
        key = "gap" if spec.gap else "windows"
        what = (
            "needs data.split.time=COLUMN, a column of times; for rows without times leave it out"
        )
        raise DataError(Fault(f"data.split.{key}", what))
    if spec.windows:
        return time_splits.windows(given, str(spec.time), spec.windows)
    whole = given["train"]
    sizes = {
        name: size if isinstance(size, int) else max(1, round(size * len(whole)))
        for name, size in (("test", spec.test), ("validation", spec.validation))
        if name not in given
    }
    if not sizes:
        return time_splits.apart(datasets.DatasetDict(given), spec)
    if sum(sizes.values()) >= len(whole):
        what = f"asks {sizes} of {len(whole)} rows: nothing is left for train"
        raise DataError(Fault("data.split", what))
    rng = np.random.default_rng(seed if spec.seed is None else spec.seed)
    taken, way, notes = _assign(whole, sizes, spec, target, rng, units)
    parts = {
        name: whole.select(np.flatnonzero(taken == place))
        for place, name in enumerate(["train", *sizes])
    }
    empty = [name for name, part in parts.items() if not len(part)]
    if empty:
        what = f"leaves no row for {', '.join(empty)} ({way})"
        if spec.stratify and not (spec.group or spec.time):
            classes = len(np.unique(codes(whole, str(target))))
            what += (f": {target!r} has {classes:,} different values in {len(whole):,} rows. Is it "
                     "the label? If it is, --set data.split.stratify=false")  # fmt: skip
        if spec.time:
            what += f": rows of one time stay together, and {spec.time!r} has too few times"
        raise DataError(Fault("data.split", what))
    note = f"{' and '.join(sizes)} taken from train ({way})"
    merged = {**given, **parts}
    ordered = datasets.DatasetDict({name: merged[name] for name in ALIASES if name in merged})
    found, more = time_splits.apart(ordered, spec)
    return found, [note, *notes, *more]


def _assign(
    whole: datasets.Dataset,
    sizes: Mapping[str, int],
    spec: SplitSpec,
    target: str | None,
    rng: np.random.Generator,
    units: bool,
) -> tuple[Ints, str, list[str]]:
    """Return for each row 0 (train) or the number of its split in `sizes`, the way, and notes."""
    rows = len(whole)
    if spec.group:
        alone = 0 if units else int(absent(column_values(whole, spec.group)).sum())
        notes = [f"{alone:,} rows have no {spec.group!r} and count as one group"] if alone else []
        notes += ["data.split.stratify is not used: groups are kept whole"] if spec.stratify else []
        names = groups.of_rows(whole, spec.group)
        found = groups.codes(names if units else [name or "" for name in names])
        return _by_group(found, sizes, rng), f"by group {spec.group!r}", notes
    taken = np.zeros(rows, np.int64)
    if spec.time:
        return _by_time(_sortable(whole, spec.time), sizes), f"latest rows by {spec.time!r}", []
    if spec.stratify and target is None:
        raise DataError(Fault("data.split.stratify", "this scenario names no target column"))
    classes = codes(whole, target) if spec.stratify and target else np.zeros(rows, np.int64)
    order = np.lexsort((rng.permutation(rows), classes))
    for place, size in enumerate(sizes.values(), start=1):
        # Every (rows/size)-th row in order of class: proportions are kept to within one row.
        steps = np.arange(len(order)) * size // len(order)
        chosen = np.diff(steps, append=size) > 0
        taken[order[chosen]], order = place, order[~chosen]
    if spec.stratify:
        _keep_one_in_train(taken, classes)
        return taken, f"stratified by {target!r}", []
    return taken, "at random", []


def _by_time(times: Ints, sizes: Mapping[str, int]) -> Ints:
    """Fill each split with the latest rows, as near to its size as possible.

    Rows of one time stay together: cut apart, train would tell of the test rows beside it.
    """
    taken = np.zeros(len(times), np.int64)
    order = np.argsort(times, kind="stable")[::-1]
    for place, size in enumerate(sizes.values(), start=1):
        ends = np.flatnonzero(np.diff(times[order])) + 1  # where a time begins
        ends = ends[: len(ends) - (len(sizes) - place)]  # some are left for the splits that follow
        end = int(ends[np.argmin(np.abs(ends - size))]) if len(ends) else 0
        taken[order[:end]], order = place, order[end:]
    return taken


def _keep_one_in_train(taken: Ints, classes: Ints) -> None:
    """Return a row of each class that train would lose: it could never be predicted."""
    in_train = np.unique(classes[taken == 0])
    for lost in np.setdiff1d(classes, in_train):
        taken[np.flatnonzero(classes == lost)[0]] = 0


def _by_group(groups: Ints, sizes: Mapping[str, int], rng: np.random.Generator) -> Ints:
    """Fill each split with whole groups in random order, as near to its size as possible.

    The largest group stays in train, and no split takes the last group left for a later one.
    """
    counts = np.bincount(groups)
    split = np.zeros(len(counts), np.int64)
    order = rng.permutation(np.flatnonzero(counts))
    order = order[order != np.argmax(counts)]
    for place, size in enumerate(sizes.values(), start=1):
        spare, filled = len(order) - (len(sizes) - place), 0
        for group in order:
            # A group that would overshoot by more than what is still missing is left out.
            if spare > 0 and counts[group] < 2 * (size - filled):
                split[group], filled, spare = place, filled + counts[group], spare - 1
        if not filled and len(order):
            split[order[np.argmin(counts[order])]] = place
        order = order[split[order] == 0]
    return np.asarray(split[groups])


def codes(split: datasets.Dataset, column: str) -> Ints:
    """Return an integer per row, equal where the column's values are equal."""
    values = column_values(split, column)
    if isinstance(values.type, pa.JsonType):
        values = values.cast(pa.string())
    if pa.types.is_nested(values.type):
        texts = (_text(item) for chunk in values.chunks for item in chunk.to_pylist())
        values = pa.chunked_array([pa.array(texts, pa.string())])
    encoded = values.dictionary_encode().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    found: Ints = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return found - min(int(found.min()), 0)


def _text(value: Any) -> str:
    """Return what tells a nested value from others: of a file its contents, not where it is."""
    if isinstance(value, Mapping) and {"bytes", "path"} <= value.keys() and any(value.values()):
        return media.digest(value)
    return str(value)


def _sortable(split: datasets.Dataset, column: str) -> Ints:
    """Return the rank of each row in time, if its dates sort by time (not 31/12/2024)."""
    values = time_splits.time_values(split, column)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        odd = values.filter(pc.invert(pc.match_substring_regex(values, DATED)))
        if len(odd):
            what = f"{column!r} holds {odd[0].as_py()[:40]!r}: write dates as 2024-12-31 (T23:59)"
            raise DataError(Fault("data.split.time", f"{what}, or give numbers"))
    try:
        ranks = pc.rank(values, tiebreaker="dense")
    except pa.ArrowNotImplementedError:
        what = f"{column!r} holds {values.type}, which has no order in time"
        raise DataError(Fault("data.split.time", what)) from None
    return np.asarray(ranks.to_numpy(), np.int64)
