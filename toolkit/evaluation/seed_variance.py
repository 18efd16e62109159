"""The variance of a score due to the seed, and due to the test rows.

Runs that differ in their seed alone are scored on the same rows, so that seeds and rows are
crossed: score = mean + seed + rows + what some seeds get right on some rows only. The three
variances are estimated by the method of moments for two crossed random effects (Searle, Casella and
McCulloch, Variance Components, 1992, chapter 4), where resampling the rows stands for their mean
squares. On the variance of single runs: Bouthillier et al., Accounting for Variance in
Machine Learning Benchmarks (MLSys 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toolkit.evaluation.bootstrap import FEWEST, quantile
from toolkit.evaluation.differences import Difference

CONFIDENCE = 0.95
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Spread:
    """The score of several runs on the same rows, in the unit of the metric.

    mean, minimum, maximum: over runs. deviation: their standard deviation. low, high: 95% interval
    of the mean score, for other seeds and other rows. seeds, rows, both: standard deviations of one
    run's score that are due to the seed, to the rows, and to rows that only some seeds get right.
    None if the metric has no resamples. runs: how many they are.
    """

    mean: float
    deviation: float
    minimum: float
    maximum: float
    low: float | None = None
    high: float | None = None
    seeds: float | None = None
    rows: float | None = None
    both: float | None = None
    runs: int = 0

    @property
    def shares(self) -> dict[str, float] | None:
        """The shares of the variance of one run's score; None if it is zero or unknown."""
        if self.seeds is None or self.rows is None or self.both is None:
            return None
        return _shares(self.seeds**2, self.rows**2, self.both**2)

    @property
    def share_ranges(self) -> dict[str, tuple[float, float]] | None:
        """The 95% range of the shares of seeds and of rows; None where they are unknown.

        The variance of so few scores is hardly known: (runs - 1) S^2 over the quantiles of
        chi-square are its ends, if scores are normal over seeds (Burdick and Graybill, Confidence
        Intervals on Variance Components, 1992, chapter 2). What is due to rows is estimated from
        many resamples, and taken as it is.
        """
        from scipy.stats import chi2

        if self.shares is None or self.rows is None or self.both is None:
            return None
        free, tails = self.runs - 1, ((1 + CONFIDENCE) / 2, (1 - CONFIDENCE) / 2)
        squares = (free * self.deviation**2 / float(chi2.ppf(tail, free)) for tail in tails)
        boths = [(square, min(square, self.both**2)) for square in squares]
        ends = [_shares(square - both, self.rows**2, both) or self.shares
                for square, both in boths]  # fmt: skip
        return {name: (min(end[name] for end in ends), max(end[name] for end in ends))
                for name in ("seeds", "rows")}  # fmt: skip


def _shares(seeds: float, rows: float, both: float) -> dict[str, float] | None:
    """Return the shares of three variances in their sum; None if that is zero."""
    squares = {"seeds": seeds, "rows": rows, "both": both}
    whole = sum(squares.values())
    return {name: square / whole for name, square in squares.items()} if whole else None


def spread(
    values: Sequence[float], draws: Sequence[Sequence[float]] = (), units: int = 0
) -> Spread:
    """Return how runs of several seeds differ.

    The interval joins that of the mean over rows (of the bootstrap) and that over seeds
    (Student's t, as seeds are few) as Zou and Donner do: Construction of confidence limits about
    effect measures (Statistics in Medicine 27, 2008), equation 4. Rows that only some seeds get
    right count in both, so that it is rather too wide than too narrow.

    Args:
        values: the score of each run, two or more.
        draws: the scores of each run on resampled rows, the same rows for all, shape (runs, n).
        units: how many rows, or groups of rows, were drawn.
    """
    from scipy.stats import t

    found = np.asarray(values, np.float64)
    runs, mean, deviation = len(found), float(found.mean()), float(found.std(ddof=1))
    usual = Spread(mean, deviation, float(found.min()), float(found.max()), runs=runs)
    matrix = _shared(draws)
    if matrix.shape[0] != runs or matrix.shape[1] < 2 or not np.isfinite(found).all():
        return usual
    if units < FEWEST:
        return usual
    means = matrix.mean(axis=0)
    of_one, of_mean = float(matrix.var(axis=1, ddof=1).mean()), float(means.var(ddof=1))
    both = max(0.0, (of_one - of_mean) * runs / (runs - 1))
    by_rows = quantile(units) * float(means.std())
    by_seeds = float(t.ppf((1 + CONFIDENCE) / 2, runs - 1)) * deviation / runs**0.5
    return replace(
        usual,
        low=mean - (by_rows**2 + by_seeds**2) ** 0.5,
        high=mean + (by_rows**2 + by_seeds**2) ** 0.5,
        seeds=max(0.0, deviation**2 - both) ** 0.5,
        rows=max(0.0, of_one - both) ** 0.5,
        both=both**0.5,
    )


def mean_difference(
    scores: tuple[Sequence[float], Sequence[float]],
    draws: tuple[Sequence[Sequence[float]], Sequence[Sequence[float]]],
    units: int,
    greater_is_better: bool | None,
) -> Difference:
    """Return by how much the mean score of several seeds differs from that of a reference.

    The interval is for other seeds and other rows. Seeds of the two are independent and may vary
    differently: Welch's interval (The generalization of Student's problem, Biometrika 34, 1947).
    Rows are the same for all runs, and their part is the bootstrap of the difference of means. Both
    are joined as in `spread`. Without resamples there is no interval.

    Args:
        scores: of the reference's runs and of the other's, two or more each.
        draws: of both, as `spread` takes them.
    """
    from scipy.stats import t

    first, second = (np.asarray(part, np.float64) for part in scores)
    means, count = (float(first.mean()), float(second.mean())), len(first)
    matrix = _shared([*draws[0], *draws[1]])
    known = len(matrix) == count + len(second) and matrix.shape[1] > 1 and units >= FEWEST
    if not known or not np.isfinite([*first, *second]).all():
        return Difference(*means, None, None, None, greater_is_better)
    by_rows = quantile(units) * float((matrix[count:].mean(0) - matrix[:count].mean(0)).std())
    squares = [float(part.var(ddof=1)) / len(part) for part in (first, second)]
    by_seeds = 0.0
    if sum(squares):
        free = sum(squares) ** 2 / sum(
            square**2 / (len(part) - 1)
            for square, part in zip(squares, (first, second), strict=True)
        )
        by_seeds = float(t.ppf((1 + CONFIDENCE) / 2, free)) * sum(squares) ** 0.5
    difference, half = means[1] - means[0], float(np.hypot(by_rows, by_seeds))
    return Difference(*means, difference - half, difference + half, None, greater_is_better)


def _shared(draws: Sequence[Sequence[float]]) -> Floats:
    """Return the draws that all runs define, shape (runs, n)."""
    shortest = min(map(len, draws), default=0)  # fewer are the beginning of more
    matrix = np.array([list(part)[:shortest] for part in draws], np.float64)
    matrix = matrix.reshape(len(draws), shortest)
    return np.asarray(matrix[:, np.isfinite(matrix).all(axis=0)])
