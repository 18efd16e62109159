"""What a run's own numbers say against its model: few rows, uneven slices, baselines not beaten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.reporting.terminal import number, warnings, with_interval
from toolkit.utils.text import listing

FEW_ROWS = 100  # of test, below which an interval says little
FEW_OF_CLASS = 10  # of train
SLICE_ROWS = 10  # at least, for a slice to be compared


def limits(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a reader must know before using the model, a line each."""
    rows = record["data"]["rows"]["test"]
    if rows < FEW_ROWS:
        yield f"only {rows:,} test rows: the intervals are wide, and may be wider still"
    few = {name: count for name, count in _classes(record).items() if count < FEW_OF_CLASS}
    if few:
        named = listing(f"{name} ({count})" for name, count in few.items())
        yield f"classes with fewer than {FEW_OF_CLASS} training rows: {named}"
    yield from _gaps(record)
    yield from warnings(record)


def _classes(record: Mapping[str, Any]) -> dict[str, int]:
    return dict((record.get("card") or {}).get("classes", {}))


def _gaps(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield, for each column of slices, where the headline score is lowest and highest."""
    best = record["headline"]
    if best is None:
        return
    name, more = best["metric"], best["greater_is_better"]
    for column, values in record["slices"].items():
        known = {
            value: scores[name] for value, scores in values.items()
            if scores["rows"] >= SLICE_ROWS and scores[name]["value"] is not None
        }  # fmt: skip
        if len(known) < 2:
            continue
        order = sorted(known, key=lambda value: known[value]["value"], reverse=more)
        worst, gap = order[-1], abs(known[order[0]]["value"] - known[order[-1]]["value"])
        yield (
            f"by {column} {name} is worst for {worst}: {with_interval(known[worst])}, "
            f"{values[worst]['rows']:,} rows; {number(gap)} from the best, {order[0]}"
        )
