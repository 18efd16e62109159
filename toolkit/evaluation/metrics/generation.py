"""Figures of generated texts that need no reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolkit.evaluation.metrics.sums import SumMetric


class CutOffShare(SumMetric):
    """Share of generated texts without an end: they stop where the longest allowed text does."""

    greater_is_better = False
    bounds = (0.0, 1.0)

    def counts(self, prediction: Any, reference: Any) -> Sequence[float]:
        """Return whether a prediction was cut off, and 1."""
        return [float(prediction["cut_off"]), 1.0]
