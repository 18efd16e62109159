"""Limitations that a run's numbers show: few rows, uneven slices, baselines not beaten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.evaluation.calibration import UNLIKELY
from toolkit.reporting.formatting import number
from toolkit.reporting.slice_gaps import clearest
from toolkit.reporting.terminal import warnings
from toolkit.utils.text import listing

FEW_OF_CLASS = 10  # of train


def limits(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a reader must know before using the model, a line each."""
    classes = (record.get("card") or {}).get("classes", {})
    few = [f"{name} ({count})" for name, count in classes.items() if count < FEW_OF_CLASS]
    if few:
        yield f"classes with fewer than {FEW_OF_CLASS} training rows: {listing(few)}"
    yield from _miscalibrated(record)
    yield from _slices(record)
    yield from warnings(record)


def _miscalibrated(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield how far probabilities are off, where it is more than chance."""
    found = (record.get("calibration") or {}).get("test", {})
    if found.get("p_calibrated", 1.0) <= UNLIKELY:
        error, high = (number(found[name])
                       for name in ("expected_calibration_error", "calibrated_high"))  # fmt: skip
        yield (f"its probabilities are not calibrated: their expected calibration error is {error} "
               f"on the test rows, that of a calibrated model at most {high} (95%)")  # fmt: skip


def _slices(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield between which slices the headline score surely differs."""
    if record["headline"] is None:
        return
    gap = clearest(record, record["headline"]["metric"])
    if gap is not None and gap.least > 0:
        yield gap.describe(record["headline"]["metric"])
