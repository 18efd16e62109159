"""Intervals of shares: so many of so many rows that are independent of each other."""

from __future__ import annotations

from bisect import bisect_left
from math import ceil, log


def wilson(found: int, rows: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the two-sided interval of a share, from 0 to 1; (0, 1) without rows.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference (Journal of the
    American Statistical Association 22, 1927).
    """
    from scipy.stats import binomtest

    if not rows:
        return 0.0, 1.0
    interval = binomtest(found, rows).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def lower_bound(found: int, rows: int, confidence: float = 0.95) -> float:
    """Return the exact one-sided lower end of a share, from 0 to 1.

    It also holds where a threshold was moved along the same rows until just so many were found:
    then it is Wilks' tolerance bound (Annals of Mathematical Statistics 12, 1941). Clopper and
    Pearson, The Use of Confidence or Fiducial Limits (Biometrika 26, 1934).
    """
    from scipy.stats import binomtest

    if not rows:
        return 0.0
    found_more = binomtest(found, rows, alternative="greater")
    return float(found_more.proportion_ci(confidence, method="exact").low)


def fewest_found(share: float, rows: int, confidence: float = 0.95) -> int:
    """Return how many of the rows must be found for `lower_bound` to reach a share.

    One more than there are rows, if all of them are too few.
    """
    return bisect_left(range(rows + 1), share, key=lambda n: lower_bound(n, rows, confidence))


def rows_needed(share: float, confidence: float = 0.95) -> int:
    """Return of how many rows all must be found for `lower_bound` to reach a share below 1."""
    return ceil(log(1 - confidence) / log(share))
