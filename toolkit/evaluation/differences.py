"""What two models differ by on the same rows, and whether that is more than chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.evaluation.bootstrap import against_zero

BETTER, WORSE, UNCLEAR, NEITHER = VERDICTS = (
    "better", "worse", "no clear difference", "neither is better",
)  # fmt: skip
FEWER_ROWS = "fitted on fewer rows"  # instead of a verdict: why there is none


@dataclass(frozen=True)
class Difference:
    """A metric of a model less that of a reference, on the same rows.

    low, high: 95% interval of the paired bootstrap. p: how often a difference as large would come
    about if there were none, two-sided; None where there are no draws. greater_is_better: of the
    metric; None of one like a ratio of lengths, of which neither more nor less is better.
    """

    reference: float
    value: float
    low: float | None
    high: float | None
    p: float | None
    greater_is_better: bool | None

    @property
    def better(self) -> bool | None:
        """Whether the model is better than the reference; None where the rows do not say."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return None
        if self.greater_is_better is None:
            return None
        return (self.value > self.reference) == self.greater_is_better

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        if self.greater_is_better is None:
            return NEITHER
        return {True: BETTER, False: WORSE, None: UNCLEAR}[self.better]

    def as_record(self) -> dict[str, Any]:
        """Return it as run.json has it."""
        difference = self.value - self.reference
        return {"difference": difference, "low": self.low, "high": self.high, "p": self.p,
                "greater_is_better": self.greater_is_better, "verdict": self.verdict}  # fmt: skip


Draws = Mapping[str, Sequence[float]]


def direction(module: object) -> bool | None:
    """Return whether more of a metric is better; None if it says that neither is."""
    found = getattr(module, "greater_is_better", True)
    return None if found is None else bool(found)


def difference(
    values: tuple[float | None, float | None],
    draws: tuple[Sequence[float], Sequence[float]],
    units: int,
    greater_is_better: bool | None,
) -> Difference:
    """Return the difference of a metric, by its values and resamples.

    Args:
        values: of reference and model. draws: of both, resample for resample of the same rows.
        units: rows, or groups of rows, that were drawn.
    """
    reference, value = (math.nan if found is None else float(found) for found in values)
    first, second = draws
    low = high = p = None
    if first and len(first) == len(second):
        apart = [b - a for a, b in zip(first, second, strict=True)]
        low, high, p = against_zero(value - reference, apart, units)
    return Difference(reference, value, low, high, p, greater_is_better)


def used_fewer(used: Mapping[str, Any], train: int) -> bool:
    """Return whether a baseline was fitted, and on fewer rows than the model sees.

    Args:
        used: of a baseline, as run.json has it. train: rows of the split.
    """
    return bool(0 < used["train"] < used.get("available", train))
