"""Metrics of predicted labels: what they share, accuracy, and Matthews correlation.

They follow from three sums per class: the weight of the rows where it is true, where it is
predicted, and where it is both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.errors import UserError
from toolkit.evaluation.metrics.base import Array, ClassificationMetric, Floats, as_array, sums_by

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Cells:
    """Pairs of row and class, for example (row, true class)."""

    row: Places
    column: Places

    @classmethod
    def of(cls, labels: Array) -> Cells:
        """Take ids (rows,), or 0/1 (rows, classes)."""
        if labels.ndim == 2:
            return cls(*np.nonzero(labels))
        return cls(np.arange(len(labels)), labels.astype(np.intp))

    def sums(self, weights: Floats, width: int) -> Floats:
        """Return the weight of the rows per class."""
        return sums_by(self.column, weights[self.row], width)


@dataclass(frozen=True)
class Outcomes:
    """What is true, what is predicted, what is both, and the rows (0/1) that are wholly right.

    always: how many classes, from the first, count in a mean even where they never occur.
    """

    truth: Cells
    predicted: Cells
    hits: Cells
    exact: Floats
    width: int
    always: int

    def sums(self, weights: Floats) -> Floats:
        """Return hits, truth and predictions per class, shape (3, width)."""
        cells = (self.hits, self.truth, self.predicted)
        return np.array([part.sums(weights, self.width) for part in cells])


class LabelMetric(ClassificationMetric):
    """A metric of predicted labels.

    A true label that the model does not know counts as a class of its own, never predicted.
    """

    def rows(self, predictions: Any, references: Any) -> Outcomes:
        """Find the true, predicted and right classes of every row."""
        predicted, truth = as_array(predictions), as_array(references)
        known = self.encoding.labels
        if self.multilabel:
            if predicted.shape != truth.shape:
                raise UserError(f"predictions have {predicted.shape[1]} labels per row, "
                                f"references {truth.shape[1]}")  # fmt: skip
            hits, exact = Cells.of(truth & predicted), (truth == predicted).all(axis=1)
            width = truth.shape[1]
            always = width if known is None else len(known)
        else:
            exact = truth == predicted
            place = np.flatnonzero(exact)
            hits = Cells(place, truth[place].astype(np.intp))
            width, always = max(2, int(truth.max()) + 1, int(predicted.max()) + 1), 0
        return Outcomes(
            Cells.of(truth), Cells.of(predicted), hits, exact.astype(np.float64), width, always
        )


class Accuracy(LabelMetric):
    """Share of the rows that are right; of several labels per row, all must be.

    sklearn.metrics.accuracy_score.
    """

    def statistic(self, rows: Outcomes, weights: Floats) -> float:
        """Return the weighted share."""
        return float(weights @ rows.exact / weights.sum())


class MatthewsCorrelation(LabelMetric):
    """Correlation of true and predicted classes, -1 to 1; 0 where either never varies.

    Gorodkin (2004), Computational Biology and Chemistry 28: the R_K statistic, which for two
    classes is that of Matthews (1975). sklearn.metrics.matthews_corrcoef.
    """

    source = "Gorodkin (2004), Computational Biology and Chemistry 28:367-374"

    def check_classes(self) -> None:
        """Refuse several labels per row."""
        if self.multilabel:
            raise UserError(
                "matthews_correlation is for one label per row; with several take f1_macro or "
                "f1_micro"
            )

    def statistic(self, rows: Outcomes, weights: Floats) -> float:
        """Return the correlation."""
        hits, truth, predicted = rows.sums(weights)
        total = truth.sum()
        varies = (total**2 - truth @ truth) * (total**2 - predicted @ predicted)
        if varies <= 0:
            return 0.0
        return float((hits.sum() * total - truth @ predicted) / np.sqrt(varies))
