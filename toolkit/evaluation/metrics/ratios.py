"""Precision, recall and F1: of the positive class, or averaged over classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.errors import UserError
from toolkit.evaluation.metrics.base import Floats
from toolkit.evaluation.metrics.labels import LabelMetric, Outcomes


class _PerClass(LabelMetric):
    """A ratio of a class's sums, for one class or averaged; 0 where it is 0/0.

    "macro" is the plain mean and "weighted" that by the true rows, over the classes that occur in
    truth or predictions (with several labels per row: all labels); "micro" is the ratio of the
    sums over classes. sklearn.metrics.precision_recall_fscore_support(zero_division=0).
    """

    measure: str
    average: str

    def statistic(self, rows: Outcomes, weights: Floats) -> float:
        """Return the ratio, averaged as the class says."""
        sums = rows.sums(weights)
        if self.average == "micro":
            return float(ratio(self.measure, *sums.sum(axis=1, keepdims=True))[0])
        values, truth = ratio(self.measure, *sums), sums[1]
        if self.average == "macro":
            counts = (truth + sums[2] > 0) | (np.arange(rows.width) < rows.always)
            return float(values[counts].mean())
        return float(values @ truth / truth.sum()) if truth.any() else 0.0


def ratio(measure: str, hits: Floats, truth: Floats, predicted: Floats) -> Floats:
    """Return precision, recall or f1 per class; 0 where nothing is to be divided by."""
    over, under = {
        "precision": (hits, predicted),
        "recall": (hits, truth),
        "f1": (2 * hits, truth + predicted),
    }[measure]
    found: Floats = np.divide(over, under, out=np.zeros_like(under), where=under > 0)
    return found


class _Binary(_PerClass):
    """A ratio of the positive one of two classes: `pos_label`, or the last; 0 where it is 0/0."""

    average = "binary"

    def check_classes(self) -> None:
        """Refuse more than two classes, and several labels per row."""
        if self.multilabel:
            raise self._unfit("several labels per row")
        if len(self.encoding.labels or ()) > 2:
            raise self._unfit(f"{len(self.encoding.labels or ())} classes")

    def _unfit(self, found: str) -> UserError:
        name = self.measure
        return UserError(
            f"{name} is of the positive one of two classes, and there are {found}; take "
            f"{name}_macro, {name}_micro or {name}_weighted"
        )

    def rows(self, predictions: Any, references: Any) -> Outcomes:
        """Find the outcomes, and see that there are only two classes."""
        found = super().rows(predictions, references)
        if self.encoding.labels is None and found.width > 2:
            raise self._unfit(f"{found.width} classes")
        return found

    def statistic(self, rows: Outcomes, weights: Floats) -> float:
        """Return the ratio of the positive class."""
        sums = rows.sums(weights)[:, [self.encoding.positive]]
        return float(ratio(self.measure, *sums)[0])


class Precision(_Binary):
    """Share of the rows predicted to be positive that are."""

    measure = "precision"


class PrecisionMacro(_PerClass):
    """Precision: plain mean over the classes."""

    measure, average = "precision", "macro"


class PrecisionMicro(_PerClass):
    """Precision: all decisions together."""

    measure, average = "precision", "micro"


class PrecisionWeighted(_PerClass):
    """Precision: mean over the classes by their true rows."""

    measure, average = "precision", "weighted"


class Recall(_Binary):
    """Share of the positive rows that are predicted to be."""

    measure = "recall"


class Sensitivity(Recall):
    """Share of the positive rows that are predicted to be: recall, as medicine calls it."""


class Specificity(_Binary):
    """Share of the negative rows that are predicted to be.

    Yerushalmy (1947), Public Health Reports 62:1432-1449.
    """

    measure = "recall"

    def statistic(self, rows: Outcomes, weights: Floats) -> float:
        """Return the recall of the other class."""
        sums = rows.sums(weights)[:, [1 - self.encoding.positive]]
        return float(ratio(self.measure, *sums)[0])


class RecallMacro(_PerClass):
    """Recall: plain mean over the classes."""

    measure, average = "recall", "macro"


class RecallMicro(_PerClass):
    """Recall: all decisions together."""

    measure, average = "recall", "micro"


class RecallWeighted(_PerClass):
    """Recall: mean over the classes by their true rows."""

    measure, average = "recall", "weighted"


class F1(_Binary):
    """Harmonic mean of precision and recall of the positive class."""

    measure = "f1"


class F1Macro(_PerClass):
    """F1: plain mean over the classes."""

    measure, average = "f1", "macro"


class F1Micro(_PerClass):
    """F1: all decisions together."""

    measure, average = "f1", "micro"


class F1Weighted(_PerClass):
    """F1: mean over the classes by their true rows."""

    measure, average = "f1", "weighted"
