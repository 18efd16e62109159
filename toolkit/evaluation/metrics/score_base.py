"""Base class of metrics of probabilities: which rows count, and when the value is undefined."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.errors import UserError
from toolkit.evaluation.metrics.base import Array, ClassificationMetric, Floats, as_array


@dataclass(frozen=True)
class PreparedScores:
    """The rows whose true class has a score: places, result of `prepare`, and excluded rows."""

    places: Array
    prepared: Any
    classes: int
    left_out: int


class ScoreMetric(ClassificationMetric):
    """A metric of probabilities.

    Rows of a class without a score are excluded, and counted as "left_out" in the result; with
    `multilabel`, so are labels without a score (uncounted). The value is NaN if no row is left, or
    a score is not finite.
    """

    scored = True

    @abstractmethod
    def prepare(self, scores: Floats, truth: Array) -> Any:
        """Prepare scores (rows, classes) and true ids (rows,), or 0/1 (rows, classes)."""

    def value(self, prepared: Any, weights: Floats) -> float:
        """Return the value for rows of these weights, as `statistic` does."""
        return super().statistic(prepared, weights)

    def rows(self, predictions: Any, references: Any) -> PreparedScores:
        """Select the rows that count, and prepare them."""
        scores, truth = as_array(predictions), as_array(references)
        classes = scores.shape[1]
        if self.multilabel:
            if truth.shape[1] < classes:
                raise UserError(f"{classes} scores, but only {truth.shape[1]} labels per row")
            places, truth = np.arange(len(truth)), truth[:, :classes]
        else:
            places = np.flatnonzero(truth < classes)
            scores, truth = scores[places], truth[places]
        usable = len(places) > 0 and bool(np.isfinite(scores).all())
        prepared = self.prepare(scores, truth) if usable else None
        return PreparedScores(places, prepared, classes, len(references) - len(places))

    def statistic(self, rows: PreparedScores, weights: Floats) -> float:
        """Return the value over the rows that count, or NaN."""
        weights = weights[rows.places]
        if rows.prepared is None or not weights.any():
            return float("nan")
        return self.value(rows.prepared, weights)

    def notes(self, rows: PreparedScores) -> dict[str, Any]:
        """Return the number of excluded rows, if any."""
        return {"left_out": rows.left_out} if rows.left_out else {}


def is_true(truth: Array, classes: int) -> Array:
    """Return which classes are true, shape (rows, classes), for ids or for rows of 0 and 1."""
    return truth.astype(bool) if truth.ndim == 2 else truth[:, None] == np.arange(classes)
