"""Bootstrap: draws of rows or groups, number of resamples, percentile interval, p-value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

BUDGET = 10**9  # rows * width * resamples that one metric may visit


def weights(
    rows: int, resamples: int, seed: int, groups: npt.NDArray[np.int64] | None = None
) -> Iterator[npt.NDArray[np.intp]]:
    """Yield, per resample, how often each row was drawn, by itself or with its group.

    Equal rows and seed give equal draws, and fewer resamples are a prefix of more, so that
    intervals of different metrics and of different models are paired.

    Args:
        groups: an integer per row, equal within a group, shape (rows,): as many groups are drawn
            as there are. A single group says nothing about others: nothing is yielded.

    Yields:
        Vectors of shape (rows,) that, without groups, sum to `rows`.
    """
    places = None if groups is None else np.unique(groups, return_inverse=True)[1]
    units = rows if places is None else int(places.max(initial=-1)) + 1
    rng = np.random.default_rng(seed)
    for _ in range(0 if places is not None and units < 2 else resamples):
        drawn = rng.integers(0, max(units, 1), units)
        counts = np.bincount(drawn, minlength=units)
        yield counts if places is None else counts[places]


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


def two_sided(differences: Sequence[float]) -> float:
    """Return twice the smaller share of draws on one side of 0, and never 0 itself.

    Davison and Hinkley, Bootstrap Methods and their Application (1997), equation 4.11: one is
    added to the count and to the number of draws.
    """
    known = [value for value in differences if not math.isnan(value)]
    below = sum(value <= 0 for value in known)
    above = sum(value >= 0 for value in known)
    return min(1.0, 2 * (min(below, above) + 1) / (len(known) + 1))
