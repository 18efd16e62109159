"""Which two slices differ: their gap, with an interval that allows for all pairs looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from toolkit.evaluation.shares import wilson
from toolkit.reporting.formatting import cut, score, words
from toolkit.reporting.shares import FEW
from toolkit.reporting.terminal import units

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Slice:
    """A value of a column: its score, and the ends between which it lies for all pairs."""

    column: str
    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Gap:
    """Two slices of a column, and how far their scores are apart: at least, and at most.

    The ends are wide enough for the gaps of all `pairs` that were looked at to lie within theirs.
    """

    lower: Slice
    higher: Slice
    least: float
    most: float
    pairs: int

    def describe(self, metric: str) -> str:
        """Return which slices differ in a metric and by how much, or that none does for sure."""
        gap = {"value": self.higher.value - self.lower.value, "low": self.least, "high": self.most}
        pair = f"“{cut(self.lower.name)}” and “{cut(self.higher.name)}”"
        if self.least <= 0:
            several = f"of {self.pairs:,} pairs of slices none surely differs"
            what = several if self.pairs > 1 else f"{pair} do not surely differ"
            return f"{what} in {words(metric)}: that may be chance"
        looked = f" for all gaps of {self.pairs:,} pairs of slices" if self.pairs > 1 else ""
        return (f"by {cut(self.lower.column)} the {words(metric)} of {pair} differs by "
                f"{score(gap)} ({CONFIDENCE:.0%} interval{looked})")  # fmt: skip


def clearest(record: Mapping[str, Any], metric: str) -> Gap | None:
    """Return the pair of slices whose gap is surely largest; None if no two can be compared.

    Slices of fewer than ten rows, or without an interval, are left out. Ends are at the level of
    Bonferroni, and joined as Zou and Donner do: Construction of confidence limits about effect
    measures (Statistics in Medicine 27, 2008), equation 4.
    """
    known = {column: {name: found for name, found in values.items()
                      if _comparable(found["rows"], found[metric], units(record) == "rows")}
             for column, values in record["slices"].items()}  # fmt: skip
    pairs = sum(len(found) * (len(found) - 1) // 2 for found in known.values())
    if not pairs:
        return None
    gaps = []
    for column, values in known.items():
        slices = [Slice(column, name, float(found[metric]["value"]),
                        *_ends(record, found["rows"], found[metric], 1 - (1 - CONFIDENCE) / pairs))
                  for name, found in values.items()]  # fmt: skip
        for one, other in combinations(sorted(slices, key=lambda found: found.value), 2):
            gap = other.value - one.value
            least = gap - ((other.value - other.low) ** 2 + (one.high - one.value) ** 2) ** 0.5
            most = gap + ((other.high - other.value) ** 2 + (one.value - one.low) ** 2) ** 0.5
            gaps.append(Gap(one, other, least, most, pairs))
    return max(gaps, key=lambda gap: gap.least)


def _comparable(rows: int, found: Mapping[str, Any], independent: bool) -> bool:
    """Return whether the ends of a slice's score are known."""
    low, high = found.get("low"), found.get("high")
    if rows < FEW or low is None or high is None:
        return False
    return bool(low < high or (independent and _is_share(rows, found)))


def _is_share(rows: int, found: Mapping[str, Any]) -> bool:
    """Return whether a score counts rows, as accuracy does."""
    count = found["value"] * rows
    return bool(0 <= count <= rows and abs(count - round(count)) < 1e-6)


def _ends(
    record: Mapping[str, Any], rows: int, found: Mapping[str, Any], confidence: float
) -> tuple[float, float]:
    """Return the ends of a slice's score at some confidence.

    Those of a share of independent rows are Wilson's. Another 95% interval is widened by Student's
    t, as so many rows or groups estimate the variance.
    """
    from scipy.stats import norm, t

    if units(record) == "rows" and _is_share(rows, found):
        return wilson(round(found["value"] * rows), rows, confidence)
    value, low, high = (float(found[key]) for key in ("value", "low", "high"))
    group, test = record["data"].get("group"), record["data"]["rows"]["test"]
    units_of_slice = rows * (group["groups"].get("test", 0) / test if group else 1.0)
    wider = t.ppf((1 + confidence) / 2, max(1.0, units_of_slice - 1))
    factor = float(wider / norm.ppf((1 + CONFIDENCE) / 2))
    return value - factor * (value - low), value + factor * (high - value)
