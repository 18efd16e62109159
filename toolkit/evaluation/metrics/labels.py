"""Metrics of predicted labels: what they share, accuracy, and Matthews correlation.

They follow from three sums per class: the weight of the rows where it is true, where it is
predicted, and where it is both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from toolkit.errors import UserError
from toolkit.evaluation.metrics.base import Array, ClassificationMetric, Floats, as_array


@dataclass(frozen=True)
class Outcomes:
    """Which classes are hits (true and predicted), true, and predicted, for each row.

    cells: sparse 0/1, shape (3 * width, rows). exact: 1 for rows that are entirely right. always:
    how many classes, from the first, count in a mean even where they never occur.
    """

    cells: Any
    exact: Floats
    width: int
    always: int

    def sums(self, weights: Floats) -> Floats:
        """Return the weight of hits, truth and predictions per class, shape (3, width)."""
        found: Floats = (self.cells @ weights).reshape(3, self.width)
        return found


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
            exact, width = (truth == predicted).all(axis=1), truth.shape[1]
            always = width if known is None else len(known)
        else:
            exact, always = truth == predicted, 0
            width = max(2, int(truth.max()) + 1, int(predicted.max()) + 1)
        true, given = _by_class(truth, width), _by_class(predicted, width)
        cells = sparse.vstack([true.multiply(given), true, given], format="csr")
        return Outcomes(cells, exact.astype(np.float64), width, always)


def _by_class(labels: Array, width: int) -> Any:
    """Return ids (rows,) or 0/1 (rows, classes) as sparse 0/1 (classes, rows)."""
    rows, classes = np.nonzero(labels) if labels.ndim == 2 else (np.arange(len(labels)), labels)
    return sparse.csr_array((np.ones(len(rows)), (classes, rows)), shape=(width, len(labels)))


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
