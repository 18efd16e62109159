"""The base of metrics of probabilities: which rows count, and when there is no value."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.errors import UserError
from toolkit.evaluation.metrics.base import Array, ClassificationMetric, Floats, as_array


@dataclass(frozen=True)
class Scored:
    """The rows whose truth has a score: their places, what they were prepared to, and the rest."""

    places: Array
    prepared: Any
    classes: int
    left_out: int


class ScoreMetric(ClassificationMetric):
    """A metric of probabilities.

    Rows of a class that has no score are left out, and counted as "left_out" in the result; so is,
    where `multilabel`, a label that has none (uncounted). The value is NaN where no row is left,
    or where a score is no finite number.
    """

    scored = True

    @abstractmethod
    def prepare(self, scores: Floats, truth: Array) -> Any:
        """Prepare scores (rows, classes) and true ids (rows,), or 0/1 (rows, classes)."""

    def value(self, prepared: Any, weights: Floats) -> float:
        """Return the value for rows of these weights, as `statistic` does."""
        return super().statistic(prepared, weights)

    def rows(self, predictions: Any, references: Any) -> Scored:
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
        return Scored(places, prepared, classes, len(references) - len(places))

    def statistic(self, rows: Scored, weights: Floats) -> float:
        """Return the value over the rows that count, or NaN."""
        weights = weights[rows.places]
        if rows.prepared is None or not weights.any():
            return float("nan")
        return self.value(rows.prepared, weights)

    def notes(self, rows: Scored) -> dict[str, Any]:
        """Say how many rows were left out, if any."""
        return {"left_out": rows.left_out} if rows.left_out else {}


def is_true(truth: Array, classes: int) -> Array:
    """Return which classes are true, shape (rows, classes), for ids or for rows of 0 and 1."""
    return truth.astype(bool) if truth.ndim == 2 else truth[:, None] == np.arange(classes)
