"""Metrics of predicted numbers, with intervals: mae, rmse, r2."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import evaluate
import numpy as np
from datasets import Features, Value

from toolkit.evaluation.metrics.base import Floats, RowMetric, as_array


class RegressionMetric(RowMetric):
    """A metric of values: predictions are {"value": number} or numbers, references numbers."""

    greater_is_better = False

    def _info(self) -> evaluate.MetricInfo:
        number = Value("float64")
        info = evaluate.MetricInfo(
            description=inspect.getdoc(type(self)) or "",
            citation="",
            features=Features(predictions=number, references=number),
        )
        info.format = "arrow"
        return info

    def add_batch(self, *, predictions: Any = None, references: Any = None, **rest: Any) -> None:
        """Add rows."""
        values = [p["value"] if isinstance(p, Mapping) else p for p in predictions]
        super().add_batch(predictions=values, references=references, **rest)

    def rows(self, predictions: Any, references: Any) -> tuple[Floats, Floats]:
        """Return predicted and actual values, each of shape (rows,)."""
        return as_array(predictions).astype(np.float64), as_array(references).astype(np.float64)


class MeanAbsoluteError(RegressionMetric):
    """Mean absolute error, in the unit of the target."""

    def statistic(self, rows: tuple[Floats, Floats], weights: Floats) -> float:
        """Return the weighted mean."""
        predicted, actual = rows
        return float(np.average(np.abs(predicted - actual), weights=weights))


class RootMeanSquaredError(RegressionMetric):
    """Root of the mean squared error, in the unit of the target."""

    def statistic(self, rows: tuple[Floats, Floats], weights: Floats) -> float:
        """Return the root of the weighted mean."""
        predicted, actual = rows
        return float(np.sqrt(np.average((predicted - actual) ** 2, weights=weights)))


class R2(RegressionMetric):
    """Coefficient of determination: the share of the targets' variance that is explained.

    sklearn.metrics.r2_score; NaN where all targets are equal.
    """

    greater_is_better = True

    def statistic(self, rows: tuple[Floats, Floats], weights: Floats) -> float:
        """Return one less the squared errors over those of the weighted mean."""
        predicted, actual = rows
        spread = weights @ (actual - np.average(actual, weights=weights)) ** 2
        left = weights @ (predicted - actual) ** 2
        return float(1 - left / spread) if spread > 0 else float("nan")


METRICS: Mapping[str, type[RegressionMetric]] = {
    "mae": MeanAbsoluteError,
    "rmse": RootMeanSquaredError,
    "r2": R2,
}
