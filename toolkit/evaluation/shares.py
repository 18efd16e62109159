"""Intervals of shares: so many of so many rows, independent of each other or in groups."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.evaluation.bootstrap import CONFIDENCE, FEWEST, Groups, Interval, unit_count


def wilson(
    found: float, rows: float, confidence: float = CONFIDENCE, units: int | None = None
) -> tuple[float, float]:
    """Return the two-sided interval of a share, from 0 to 1; (0, 1) without rows.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference (Journal of the
    American Statistical Association 22, 1927). Where nearly all of independent rows are found, or
    hardly any, its end there is too near; it is then that of a Poisson distribution (Brown, Cai and
    DasGupta, Interval Estimation for a Binomial Proportion, Statistical Science 16, 2001, 4.1.1).

    Args:
        found, rows: whole, or of an effective number of rows.
        units: groups that the rows are of: Student's t takes the place of the normal distribution.
    """
    from scipy.stats import norm, t

    if not rows:
        return 0.0, 1.0
    tail = (1 + confidence) / 2
    times = float(norm.ppf(tail) if units is None else t.ppf(tail, units - 1))
    share, square = found / rows, times**2 / rows
    centre = (share + square / 2) / (1 + square)
    half = times * math.sqrt(share * (1 - share) / rows + square / (4 * rows)) / (1 + square)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    if units is None:
        low = min(low, _rare(found, rows, confidence))
        high = max(high, 1 - _rare(rows - found, rows, confidence))
    return min(low, share), max(high, share)  # of all rows, the end may round to just below 1


def _rare(found: float, rows: float, confidence: float) -> float:
    """Return the lower end of a share of which at most three were found; 1 of more."""
    from scipy.stats import chi2

    few = 1 <= found <= (2 if rows <= 50 else 3)
    return float(chi2.ppf(1 - confidence, 2 * found)) / (2 * rows) if few else 1.0


def share_interval(
    hits: Any, trials: Any, draws: Sequence[float], groups: Groups | None
) -> Interval:
    """Return the interval of a share, by Wilson.

    Where rows have groups, trials count as those of independent rows that would vary as much as
    the draws do (the effective sample size: Kish, Survey Sampling, 1965, section 8.2; Korn and
    Graubard, Survey Methodology 24, 1998), and as the groups alone if all are right, or none.

    Args:
        hits, trials: 0 or 1 for each row, shape (rows,).
    """
    found, count = float(np.sum(hits)), float(np.sum(trials))
    if not count:
        return Interval.none("no row counts")
    units = unit_count(int(count), None if groups is None else groups[np.asarray(trials) > 0])
    faultless = units if found == count else 0
    if groups is None:
        return Interval(*wilson(found, count), faultless=faultless)
    if units < FEWEST:
        return Interval.none(f"under {FEWEST} groups of rows")
    share, known = found / count, np.asarray(draws, np.float64)
    varies = float(np.nanvar(known)) * units / (units - 1) if len(known) else 0.0
    size = share * (1 - share) / varies if varies > 1e-24 else float(units)
    size = min(count, size)
    return Interval(*wilson(share * size, size, units=units), faultless=faultless)


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
    return math.ceil(math.log(1 - confidence) / math.log(share))
