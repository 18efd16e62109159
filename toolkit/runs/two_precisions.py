"""`--dtype auto` on a GPU: the answers of float32, computed in bfloat16 where these are the same.

Some rows are predicted both ways first. By how much their decision margins differ says which
margins are safe: rows with a smaller one are predicted in float32 as well, and that counts.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolkit.plugin_types.sameness import answer, equal

if TYPE_CHECKING:
    from toolkit.plugin import Plugin
    from toolkit.plugin_types import Prediction

SAMPLE = 256  # rows that are predicted both ways
SAFETY = 4  # times the largest difference of margins in the sample is the margin that is safe
MOST_AGAIN = 0.25  # share of rows that are predicted twice, above which float32 alone is quicker
log = logging.getLogger("toolkit.runs")
#: Predicts rows, given by number, with models of one precision.
Predict = Callable[[Sequence[int]], "list[Prediction]"]


@dataclass
class TwoPrecisions:
    """What is known of how rounding changes a model's predictions.

    models: those that compute in bfloat16, one for each device.
    reason: why float32 is used for all; "" where it is not. Known after `SAMPLE` rows, or `settle`.
    """

    plugin: Plugin[Any]
    models: Sequence[Any]
    reason: str = ""
    settled: bool = False
    again: int = 0
    _margins: list[float] = field(default_factory=list)
    _shift: float = 0.0
    _changed: int = 0

    @property
    def safe(self) -> float:
        """The decision margin above which bfloat16 does not change an answer."""
        return SAFETY * self._shift

    def __str__(self) -> str:
        """Return what was chosen, in one line."""
        compared = f"{len(self._margins)} rows compared"
        if self.reason:
            return f"dtype auto: float32 ({compared}: {self.reason})"
        again = f"{self.again} rows with a smaller margin than {self.safe:.2g} in float32"
        return f"dtype auto: bfloat16, {again} ({compared}, {self._changed} answered differently)"

    def predictions(self, rows: int, exact: Predict, rounded: Predict) -> list[Prediction]:
        """Return a prediction for each of so many rows, given what predicts some of them."""
        first = range(0 if self.settled else min(rows, SAMPLE - len(self._margins)))
        found = self.compare(exact(first), rounded(first)) if first else []
        rest = range(len(found), rows)
        if self.reason or not rest:
            return found + (exact(rest) if rest else [])
        found += rounded(rest)
        near = [row for row in rest if not self._margin(found[row]) > self.safe]
        if near:
            self.again += len(near)
            for row, one in zip(near, exact(near), strict=True):
                found[row] = one
        return found

    def compare(self, exact: list[Prediction], rounded: list[Prediction]) -> list[Prediction]:
        """Learn from the predictions of the same rows, and return those in float32."""
        for one, other in zip(exact, rounded, strict=True):
            margin, shifted = self._margin(one), self._margin(other)
            same = equal(answer(one), answer(other))
            if not math.isfinite(margin):
                self.reason = "the scenario does not say how near a row is to another answer"
                break
            # An answer that has changed has crossed its decision: the margins lie on both sides.
            shift = abs(margin - shifted) if same else margin + shifted
            if not math.isfinite(shift):
                self.reason = "bfloat16 gives no finite scores"
                break
            self._shift, self._changed = max(self._shift, shift), self._changed + (not same)
            self._margins.append(margin)
        if self.reason or len(self._margins) >= SAMPLE:
            self.settle()
        return exact

    def settle(self) -> None:
        """Decide by the rows compared so far; there may be fewer than `SAMPLE` in all."""
        near = sum(margin <= self.safe for margin in self._margins)
        if not self.reason and near > MOST_AGAIN * len(self._margins):
            self.reason = f"{near} are near another answer"
        self.settled = True
        log.info("%s", self)

    def _margin(self, prediction: Prediction) -> float:
        """Return how far a prediction is from another answer; NaN and infinity where unknown."""
        found = self.plugin.decision_margin(prediction)
        return float(min(found.values())) if isinstance(found, Mapping) else float(found)
