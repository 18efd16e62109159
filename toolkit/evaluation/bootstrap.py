"""Bootstrap: draws of rows, number of resamples, percentile interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

BUDGET = 10**9  # rows * width * resamples that one metric may visit


def weights(rows: int, resamples: int, seed: int) -> Iterator[npt.NDArray[np.intp]]:
    """Yield, per resample, how often each row was drawn.

    Equal rows and seed give equal draws, and fewer resamples are a prefix of more, so that
    intervals of different metrics and of different models are paired.

    Yields:
        Vectors of shape (rows,) that sum to `rows`.
    """
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        drawn = rng.integers(0, max(rows, 1), rows)
        yield np.bincount(drawn, minlength=rows)


def interval(
    values: Sequence[float] | npt.NDArray[Any], confidence: float = 0.95
) -> tuple[float, float]:
    """Return the percentile interval of resampled values, in the unit of the values.

    Undefined values (NaN) are excluded; (NaN, NaN) where none remains.
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    found = np.asarray(values, dtype=np.float64)
    found = found[~np.isnan(found)]
    if not len(found):
        return float("nan"), float("nan")
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(found, [tail, 100.0 - tail])
    return float(low), float(high)


def resamples_for(rows: int, width: int = 1, most: int = 1000, least: int = 200) -> int:
    """Return how many resamples to draw: `most`, or fewer for large data, never below `least`.

    The count depends on the sizes alone, so that a run can be repeated.

    Args:
        width: values that the statistic visits per row (classes, for a ranking metric).
    """
    return max(least, min(most, BUDGET // max(rows * width, 1)))
