"""Bootstrap: draws of rows or of the units they belong to, and how sure a score is by them.

An interval needs the standard deviation of a score over draws. Its ends are Student's t with as
many degrees of freedom as there are units, less one, on a scale on which scores are nearly normal:
the logit between two bounds, the logarithm above one, as they are where there is none. Percentiles
of the draws are too narrow for few rows and near a bound (tests/README.md has the coverage of
both). Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 12 and 13.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

BUDGET = 10**9  # rows * width * resamples that one metric may visit
KEPT = 2 * 10**6  # rows * resamples that are drawn at once, and remembered
CONFIDENCE = 0.95
FEWEST = 10  # rows, or groups of them, that an interval needs; and of each class
#: Rows that an interval by draws needs: of fewer, hardly any may be wrong, and draws show nothing.
#: And groups, where no bound keeps one from weighing more than all others.
FEWEST_DRAWN = 50
FEWEST_DECIDING = 40  # rows, or groups, by `deciding`; 64 of a hundred normal ones
SAME = 1e-12  # standard deviation of draws that are equal but for rounding

Groups = npt.NDArray[np.int64]
Bounds = tuple[float, float]


class Interval(NamedTuple):
    """A 95% interval, or NaN and the reason why there is none.

    faultless: of a share whose rows are all hits, how many rows (or groups of them) these are.
    """

    low: float
    high: float
    reason: str = ""
    faultless: int = 0

    @classmethod
    def none(cls, reason: str) -> Interval:
        """Return what stands for an interval that would say more than the rows do."""
        return cls(math.nan, math.nan, reason)


def weights(
    rows: int, resamples: int, seed: int, groups: Groups | None = None
) -> Iterator[npt.NDArray[np.intp]]:
    """Yield, per resample, how often each row was drawn, by itself or with its group.

    Equal rows and seed give equal draws, and fewer resamples are a prefix of more, so that
    intervals of different metrics and of different models are paired.

    Args:
        groups: an integer per row, equal within a group, shape (rows,): as many groups are drawn
            as there are. A single group says nothing about others: nothing is yielded. Or several
            such columns, shape (rows, columns): the groups of each are drawn apart, and a row
            counts as often as the product of its groups' draws says (Owen, The Pigeonhole
            Bootstrap, Annals of Applied Statistics 1, 2007).

    Yields:
        Vectors of shape (rows,) that, without groups, sum to `rows`.
    """
    if groups is None and 0 < rows * resamples <= KEPT:
        yield from _drawn(rows, resamples, seed)
        return
    rng = np.random.default_rng(seed)
    columns = [np.arange(rows)] if groups is None else list(groups.reshape(rows, -1).T)
    places = [np.unique(column, return_inverse=True)[1] for column in columns]
    sizes = [int(place.max(initial=-1)) + 1 for place in places]
    for _ in range(0 if groups is not None and min(sizes) < 2 else resamples):
        drawn = np.ones(rows, np.intp)
        for place, size in zip(places, sizes, strict=True):
            drawn *= np.bincount(rng.integers(0, max(size, 1), size), minlength=size)[place]
        yield drawn


@lru_cache(maxsize=2)
def _drawn(rows: int, resamples: int, seed: int) -> npt.NDArray[np.intp]:
    """Return all resamples, shape (resamples, rows): each metric, model and baseline takes them."""
    drawn = np.random.default_rng(seed).integers(0, rows, (resamples, rows))
    drawn += np.arange(resamples)[:, None] * rows
    found = np.bincount(drawn.ravel(), minlength=resamples * rows).reshape(resamples, rows)
    found.flags.writeable = False
    return found


def unit_count(rows: int, groups: Groups | None = None) -> int:
    """Return how many rows, or groups, are drawn; of several columns of groups the fewest."""
    if groups is None or not rows:
        return rows
    return min(len(np.unique(column)) for column in groups.reshape(rows, -1).T)


def deciding(values: npt.NDArray[Any], groups: Groups | None = None) -> float:
    """Return how many rows, or groups, a mean of values rests on.

    It is (sum |d|)^2 / sum d^2 of their deviations d from the mean: as many as there are where all
    deviate alike, 1 where one does alone.
    """
    apart = values - values.mean()
    columns: Any = [] if groups is None else groups.reshape(len(values), -1).T
    sums = [np.bincount(np.unique(of, return_inverse=True)[1], apart) for of in columns] or [apart]
    return min(float(np.abs(d).sum() ** 2 / max((d * d).sum(), SAME**2)) for d in sums)


def too_few(parts: Any, groups: Groups | None) -> str:
    """Return how many classes have too few rows, or groups of rows, or ""."""
    from scipy import sparse

    matrix = sparse.csr_array(parts)
    places = np.split(matrix.indices, matrix.indptr[1:-1])
    counts = [unit_count(len(of), None if groups is None else groups[of]) for of in places]
    few = sum(count < FEWEST for count in counts)
    verb, units = "has" if few == 1 else "have", "rows" if groups is None else "groups of rows"
    what = f"under {FEWEST} test {units} (the fewest: {min(counts, default=0)})"
    return f"{few} of {len(counts)} classes {verb} {what}" if few else ""


def quantile(units: int) -> float:
    """Return Student's t for a 95% interval of so many units, in standard deviations of draws.

    Draws vary less than what they are drawn from by (units - 1) / units.
    """
    return student(units) * math.sqrt(units / (units - 1))


def student(units: int) -> float:
    """Return the quantile of Student's t for a 95% interval, with units - 1 degrees of freedom."""
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, units - 1))


def interval(
    value: float,
    draws: Sequence[float],
    units: int,
    bounds: Bounds | None = None,
    rows: int | None = None,
) -> Interval:
    """Return the 95% interval of a score, in its unit.

    Args:
        draws: its values in resamples; undefined ones (NaN) are left out.
        units: rows, or groups of rows, that were drawn.
        bounds: between which it lies, -inf or inf where there is none. Unknown (None): the
            percentiles that such a t has in a normal distribution (Hesterberg, What Teachers
            Should Know About the Bootstrap, 2015, section 5.3), which keep to any bounds.
        rows: as many as units, if not given.
    """
    found = np.asarray(draws, np.float64)
    found = found[~np.isnan(found)]
    open_ended = bounds is not None and math.isinf(bounds[0]) != math.isinf(bounds[1])
    least = FEWEST_DRAWN if open_ended else FEWEST
    if math.isnan(value) or not len(found):
        return Interval.none("the score is undefined")
    if (units if rows is None else rows) < FEWEST_DRAWN:
        return Interval.none(f"under {FEWEST_DRAWN} rows")
    if units < least:
        return Interval.none(f"under {least} groups of rows")
    deviation = float(found.std())
    if deviation < SAME:
        return Interval.none("all draws of the rows give the same score")
    times = quantile(units)
    if bounds is not None:
        return _on_scale(value, times * deviation, bounds)
    from scipy.stats import norm

    tail = 100 * float(norm.sf(times))
    low, high = np.percentile(found, [tail, 100 - tail])
    return Interval(float(low), float(high))


def _on_scale(value: float, half: float, bounds: Bounds) -> Interval:
    """Return the value plus and less a half width, which is carried over to a scale and back.

    The scale is the logit, the logarithm or the value; the width there is that of the delta method.
    """
    low, high = bounds
    under, over = value - low, high - value
    if under <= 0 or over <= 0:
        return Interval.none("the score is at its bound")
    if math.isinf(low) and math.isinf(high):
        return Interval(value - half, value + half)
    if math.isinf(high):
        return Interval(low + under * math.exp(-half / under), low + under * math.exp(half / under))
    if math.isinf(low):
        return Interval(high - over * math.exp(half / over), high - over * math.exp(-half / over))
    width = high - low
    odds, wide = math.log(under / over), half * width / (under * over)
    least, most = (low + width / (1 + math.exp(-max(-700.0, min(700.0, end))))
            for end in (odds - wide, odds + wide))  # fmt: skip
    return Interval(least, most)


def resamples_for(rows: int, width: int = 1, most: int = 1000, least: int = 200) -> int:
    """Return how many resamples to draw: `most`, or fewer for large data, never below `least`.

    The count depends on the sizes alone, so that a run can be repeated.

    Args:
        width: values that the statistic visits per row (classes, for a ranking metric).
    """
    return max(least, min(most, BUDGET // max(rows * width, 1)))


def against_zero(
    value: float, draws: Sequence[float], units: int
) -> tuple[float | None, float | None, float | None]:
    """Return the 95% interval of a difference, and p of its being 0, by Student's t.

    None where draws do not say: too few units, no draws, or draws that are all equal; p is 1 where
    they are all 0.
    """
    from scipy.stats import t

    known = np.asarray(draws, np.float64)
    known = known[~np.isnan(known)]
    if units < FEWEST or not len(known) or math.isnan(value):
        return None, None, None
    deviation = float(known.std()) * math.sqrt(units / (units - 1))
    if deviation < SAME:
        return None, None, 1.0 if abs(value) < SAME else None
    half = student(units) * deviation
    return value - half, value + half, float(2 * t.sf(abs(value) / deviation, units - 1))
