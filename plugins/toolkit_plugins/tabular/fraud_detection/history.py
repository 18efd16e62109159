"""History features of an entity: what is known when a transaction comes, from the past alone.

Times are whole milliseconds. The past of a row at time t is [t - window, t): rows at the very same
time are not in it, as nothing says which of them came first. A label is known `delay` after its
row, so that the fraud risk of an entity is that of (t - delay - window, t - delay].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.errors import DataError, Fault

Array = np.ndarray[Any, Any]

DAY = 86_400_000  # milliseconds
SCALE = 10_000  # amounts are summed as whole numbers of 1/10,000: exact in any order
CENTS = 100  # squares are summed of whole cents
NEVER = 1_000.0  # days since what has not happened
THREADS = 2
LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Windows:
    """Which windows, and how late labels come; all in milliseconds."""

    lengths: tuple[int, ...]
    delay: int

    def names(self) -> list[str]:
        """Return the windows as they stand in the names of features: 1d, 7d, 30d, 12h."""
        return [in_words(length) for length in self.lengths]


def in_words(length: int) -> str:
    """Return a length of time in the largest unit that it is whole in."""
    for unit, size in (("d", DAY), ("h", DAY // 24), ("m", 60_000), ("s", 1000)):
        if length % size == 0:
            return f"{length // size}{unit}"
    return f"{length}ms"


def feature_names(entity: str, windows: Windows, with_labels: bool) -> list[str]:
    """Return the names of an entity's features, in the order in which `features` yields them."""
    found = [f"{entity}_since_last"]
    for name in windows.names():
        names = ("count", "mean", "ratio", "deviation")
        found += [f"{entity}_{feature}_{name}" for feature in names]
    if with_labels:
        found += [f"{entity}_{name}" for name in ("since_fraud", "streak", "since_streak")]
        for name in windows.names():
            found += [f"{entity}_frauds_{name}", f"{entity}_risk_{name}"]
    return found


def features(
    times: Array,
    amounts: Array,
    frauds: Array | None,
    entities: Mapping[str, Array],
    windows: Windows,
) -> Iterator[tuple[str, Array]]:
    """Yield (name, float32 of shape (rows,)) for every entity, in row order.

    Args:
        times: int64 milliseconds. amounts: finite float64. frauds: 0 or 1, or None.
        entities: name -> codes of shape (rows,); below 0 where a row has none.
    """
    from concurrent.futures import ThreadPoolExecutor

    def of(entity: str) -> list[tuple[str, Array]]:
        past, known = Past(times, entities[entity], windows), entities[entity] >= 0
        return [
            (f"{entity}_{name}", past.in_rows(values, known))
            for name, values in past.features(amounts, frauds)
        ]

    # numpy lets go of the interpreter's lock; each thread holds the keys of one entity.
    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(of, entities):
            yield from found


class Past:
    """The rows sorted by entity and time, and where the past of each begins and ends."""

    def __init__(self, times: Array, codes: Array, windows: Windows) -> None:
        self.windows = windows
        reach = windows.delay + max(*windows.lengths, DAY) + DAY
        start = times.min()
        span = int(times.max() - start) + 1 + reach
        if (int(codes.max()) + 1) * span > LARGEST:
            what = f"lie {span // (365 * DAY):,} years apart: too far for as many entities"
            raise DataError(Fault("times", what))
        # Entities lie further apart on this axis than any window reaches.
        key = codes.astype(np.int64)
        key *= span
        key += times - start
        # Of rows at the same moment any order will do: windows take all of them, or none.
        self.order = np.argsort(key)
        self.key = key[self.order]
        rows = len(self.key)
        new = np.ones(rows, bool)
        np.not_equal(self.key[1:], self.key[:-1], out=new[1:])
        self.end = np.maximum.accumulate(np.where(new, np.arange(rows), 0))
        self.reach = reach
        self.group = codes[self.order]

    def in_rows(self, values: Array, known: Array) -> Array:
        """Return sorted values in the order of rows; rows without the entity have NaN."""
        found = np.empty(len(values), np.float32)
        found[self.order] = values.astype(np.float32, copy=False)
        if not known.all():
            found[~known] = np.nan
        return found

    def features(self, amounts: Array, frauds: Array | None) -> Iterator[tuple[str, Array]]:
        amount = amounts[self.order]
        whole = np.rint(amount * SCALE).astype(np.int64)
        # Sums may wrap around; their differences are right all the same.
        sums = _cumulative(whole)
        squares = _cumulative(_whole_squares(amount))
        yield "since_last", self._since(self.end)
        for name, length in zip(self.windows.names(), self.windows.lengths, strict=True):
            first = np.searchsorted(self.key, self.key - length, side="left")
            count = self.end - first
            yield f"count_{name}", count
            mean = sums[self.end]
            mean -= sums[first]
            mean = mean / (SCALE * np.maximum(count, 1))
            yield f"mean_{name}", mean
            # Without a past to compare with, an amount counts as usual.
            unusual = np.abs(mean) > 1e-9
            yield f"ratio_{name}", np.where(unusual, amount, 1) / np.where(unusual, mean, 1)
            variance = squares[self.end]
            variance -= squares[first]
            spread = variance / (CENTS**2 * np.maximum(count, 1)) - mean * mean
            # Amounts that are always the same would make any other one infinitely unusual.
            spread = np.maximum(np.sqrt(np.maximum(spread, 0)), np.abs(mean) / 100 + 0.01)
            yield f"deviation_{name}", np.where(count > 1, (amount - mean) / spread, 0)
        if frauds is not None:
            yield from self._of_labels(frauds[self.order])

    def _of_labels(self, fraud: Array) -> Iterator[tuple[str, Array]]:
        late = self.key - self.windows.delay
        end = np.minimum(np.searchsorted(self.key, late, side="right"), self.end)
        rows = np.arange(len(fraud))
        latest = np.maximum.accumulate(np.where(fraud > 0, rows, -1))
        # The last row whose label is known, and the last fraud up to it.
        place = np.where(end > 0, latest[np.maximum(end, 1) - 1], -1)
        yield "since_fraud", self._since(place + 1)
        yield from self._streak(fraud, end)
        sums = _cumulative(fraud.astype(np.int64))
        for name, length in zip(self.windows.names(), self.windows.lengths, strict=True):
            first = np.minimum(np.searchsorted(self.key, late - length, side="right"), end)
            found = sums[end]
            found -= sums[first]
            yield f"frauds_{name}", found
            yield f"risk_{name}", found / np.maximum(end - first, 1)

    def _streak(self, fraud: Array, end: Array) -> Iterator[tuple[str, Array]]:
        """Yield how many of the last known rows in a row were frauds, and since when.

        An entity that was defrauded row after row may well be so still; one legitimate row ends
        the streak. It is counted within the longest window.
        """
        # Rows of a moment have no order: one legitimate row ends the streak.
        moments = np.flatnonzero(self.end == np.arange(len(fraud)))
        after = np.repeat(np.append(moments[1:], len(fraud)), np.diff(moments, append=len(fraud)))
        legitimate = np.maximum.accumulate(np.where(fraud > 0, 0, after))
        longest = self.key - self.windows.delay - max(self.windows.lengths)
        first = np.minimum(np.searchsorted(self.key, longest, side="right"), end)
        begin = np.maximum(np.where(end > 0, legitimate[np.maximum(end, 1) - 1], 0), first)
        streak = end - begin
        yield "streak", streak
        yield "since_streak", np.where(streak > 0, self._since(begin + 1), NEVER)

    def last_fraud(self, times: Array, frauds: Array) -> Array:
        """Return the time of the last fraud known when a row's day began, or -1; sorted rows."""
        time, fraud = times[self.order], frauds[self.order]
        wanted = self.key - time % DAY - self.windows.delay
        end = np.searchsorted(self.key, wanted, side="left")
        latest = np.maximum.accumulate(np.where(fraud > 0, np.arange(len(time)), -1))
        place = np.where(end > 0, latest[np.maximum(end, 1) - 1], -1)
        same = (place >= 0) & (self.group[place] == self.group)
        found: Array = np.where(same, time[place], -1)
        return found

    def _since(self, end: Array) -> Array:
        """Return days since the row before `end`, where it is the same entity's."""
        gap = self.key - self.key[np.maximum(end, 1) - 1]
        # Rows of another entity are at least `reach` away; a longer pause of the same one counts
        # as never, too, so that features do not depend on how the table is cut.
        return np.where((end > 0) & (gap < self.reach), gap / DAY, NEVER)


def _whole_squares(amount: Array) -> Array:
    """Return squares of amounts in cents: whole numbers, unless their sum would be too large."""
    squares: Array = np.square(np.rint(amount * CENTS))
    return squares.astype(np.int64) if squares.sum() < LARGEST else squares


def _cumulative(values: Array) -> Array:
    found = np.zeros(len(values) + 1, values.dtype)
    np.cumsum(values, out=found[1:])
    return found


def codes_of(values: Any) -> Array:
    """Return a code from 0 for each value of a polars Series, -1 for null."""
    import polars as pl

    ranks = values.rank("dense") if values.dtype.is_integer() else (
        values.cast(pl.String).cast(pl.Categorical).to_physical() + 1
    )  # fmt: skip
    found: Array = ranks.cast(pl.Int64).fill_null(0).to_numpy() - 1
    return found


def all_names(entities: Sequence[str], windows: Windows, with_labels: bool) -> list[str]:
    """Return the names of all features."""
    return [n for entity in entities for n in feature_names(entity, windows, with_labels)]
