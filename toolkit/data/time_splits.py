"""Splits by time: a gap between them, or a window for each."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.data.checks import absent
from toolkit.data.columns import NUMBER, column_values
from toolkit.data.sources import ALIASES
from toolkit.errors import DataError, Fault
from toolkit.plugin_types import Ints
from toolkit.recipe.schema import UNITS

if TYPE_CHECKING:
    import datasets

    from toolkit.recipe.schema import SplitSpec

ZONE = r":\d.*([Zz]|[+-]\d{2}(:?\d{2})?)$"
LAST = 253_402_300_800  # seconds from 1970 to the end of the year 9999


def apart(splits: datasets.DatasetDict, spec: SplitSpec) -> tuple[datasets.DatasetDict, list[str]]:
    """Drop the rows that lie within `gap` before the first row of a later split.

    Raises:
        DataError: no row of a split is left; times that cannot be read.
    """
    if not spec.gap or not spec.time:
        return splits, []
    gap = int(spec.gap[:-1]) * UNITS[spec.gap[-1]] * 1000
    times = {name: milliseconds(rows, spec.time) for name, rows in splits.items()}
    notes, first = [], None
    for name in reversed([name for name in ALIASES if name in splits]):
        if first is not None:
            kept = times[name] + gap <= first
            if not kept.any():
                what = f"a gap of {spec.gap} leaves no row of {name}"
                raise DataError(Fault("data.split.gap", what))
            if not kept.all():
                after = f"inside the {spec.gap} gap before the next split"
                notes.append(f"{int((~kept).sum()):,} {name} rows were dropped: they fall {after}")
                splits[name] = splits[name].select(np.flatnonzero(kept))
                times[name] = times[name][kept]
        first = int(times[name].min())
    return splits, notes


def windows(
    given: Mapping[str, datasets.Dataset], column: str, spans: Mapping[Any, tuple[Any, Any]]
) -> tuple[datasets.DatasetDict, list[str]]:
    """Return the rows of train in each time window as a split, with the splits that are given.

    Raises:
        DataError: a window without rows, or whose start or end is no time.
    """
    import datasets

    whole = given["train"]
    times = milliseconds(whole, column)
    bounds: dict[str, tuple[int, int]] = {}
    faults, found, left = [], {n: rows for n, rows in given.items() if n != "train"}, len(whole)
    for name, (start, end) in spans.items():
        try:
            low, high = (int(_as_times(pa.chunked_array([[x]]), column)[0]) for x in (start, end))
        except DataError as error:
            faults += [Fault(f"data.split.windows.{name}", fault.what) for fault in error.faults]
            continue
        bounds[str(name)] = low, high
        inside = np.flatnonzero((times >= low) & (times < high))
        if not len(inside):
            first, last = (str(np.datetime64(int(t), "ms").astype("datetime64[s]"))
                           for t in (times.min(), times.max()))  # fmt: skip
            what = f"has no row: {column!r} goes from {first} to {last}"
            faults.append(Fault(f"data.split.windows.{name}", what))
        left -= len(inside)
        found[name] = whole.select(inside)
    faults += [
        Fault(f"data.split.windows.{name}", f"overlaps that of {other}: rows would be in both")
        for other, name in combinations(bounds, 2)
        if bounds[name][0] < bounds[other][1] and bounds[other][0] < bounds[name][1]
    ]
    lacking = [name for name in ALIASES if name not in found]
    if lacking and not faults:
        faults.append(Fault("data.split.windows", f"lacks one for {' and '.join(lacking)}"))
    if faults:
        raise DataError(faults)
    notes = [f"splits are windows of {column!r}"]
    notes += [f"{left:,} rows outside of them were dropped"] if left > 0 else []
    return datasets.DatasetDict({name: found[name] for name in ALIASES if name in found}), notes


def milliseconds(rows: datasets.Dataset, column: str) -> Ints:
    """Return the times of rows as whole milliseconds since 1970; numbers are seconds.

    Raises:
        DataError: rows without a time, or values that are none.
    """
    return _as_times(time_values(rows, column), column) if len(rows) else np.zeros(0, np.int64)


def time_values(rows: datasets.Dataset, column: str) -> pa.ChunkedArray:
    """Return a column of times as it is.

    Raises:
        DataError: rows without a time.
    """
    values = column_values(rows, column)
    lacking = int(absent(values).sum())
    if lacking:
        raise DataError(Fault("data.split.time", f"{lacking:,} rows have no {column!r}"))
    return values


def _parsed(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts as times; those that name no zone are UTC."""
    zoned = pc.match_substring_regex(texts, ZONE)
    parts = [pc.cast(pc.if_else(chosen, texts, None), pa.timestamp("ms", zone))
             for chosen, zone in ((zoned, "UTC"), (pc.invert(zoned), None))]  # fmt: skip
    return pc.coalesce(parts[0], pc.assume_timezone(parts[1], "UTC"))


def _as_times(values: pa.ChunkedArray, column: str) -> Ints:
    kind = values.type
    if pa.types.is_string(kind) and pc.all(pc.match_substring_regex(values, NUMBER)).as_py():
        values = pc.cast(pc.utf8_trim_whitespace(values), pa.float64())
        kind = values.type
    try:
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            seconds = np.asarray(pc.cast(values, pa.float64()), np.float64)
            odd = seconds[~(np.abs(seconds) < LAST)]
            if len(odd):
                what = f"{column!r} holds {odd[0]:g}: numbers are seconds since 1970"
                raise DataError(Fault("data.split.time", what))
            return np.rint(seconds * 1000).astype(np.int64)
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            values = _parsed(pc.utf8_trim_whitespace(values))
        found = pc.cast(pc.cast(values, pa.timestamp("ms", getattr(values.type, "tz", None)),
                                safe=False), pa.int64())  # fmt: skip
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        what = f"{column!r} cannot be read as times: {error}; write 2024-12-31T23:59:59"
        raise DataError(Fault("data.split.time", what)) from None
    return np.asarray(found, np.int64)
