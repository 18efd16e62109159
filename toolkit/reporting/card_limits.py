"""Limitations that a run's numbers show: few rows, uneven slices, baselines not beaten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.reporting.formatting import number, score
from toolkit.reporting.terminal import warnings
from toolkit.utils.text import listing

FEW_OF_CLASS = 10  # of train
SLICE_ROWS = 10  # at least, for a slice to be compared


def limits(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a reader must know before using the model, a line each."""
    classes = (record.get("card") or {}).get("classes", {})
    few = [f"{name} ({count})" for name, count in classes.items() if count < FEW_OF_CLASS]
    if few:
        yield f"classes with fewer than {FEW_OF_CLASS} training rows: {listing(few)}"
    yield from _worst_slices(record)
    yield from warnings(record)


def extremes(slices: Mapping[str, Any], metric: str) -> Iterator[tuple[float, str, str, str]]:
    """Yield (gap, column, value with the lowest score, value with the highest) by slice column."""
    for column, values in slices.items():
        known = {
            value: scores[metric]["value"] for value, scores in values.items()
            if scores["rows"] >= SLICE_ROWS and scores[metric].get("value") is not None
        }  # fmt: skip
        if len(known) > 1:
            order = sorted(known, key=lambda value: float(known[value]))
            yield known[order[-1]] - known[order[0]], column, order[0], order[-1]


def _worst_slices(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield, for each column of slices, where the headline score is worst."""
    if record["headline"] is None:
        return
    name, more = record["headline"]["metric"], record["headline"]["greater_is_better"]
    for gap, column, low, high in extremes(record["slices"], name):
        worst, best = (low, high) if more else (high, low)
        values = record["slices"][column]
        yield (
            f"by {column} {name} is worst for {worst}: {score(values[worst][name])}, "
            f"{values[worst]['rows']:,} rows; {number(gap)} from the best, {best}"
        )
