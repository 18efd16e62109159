"""Precision, recall and F1: of the positive class, or averaged over classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.errors import UserError
from toolkit.evaluation.metrics.base import Floats
from toolkit.evaluation.metrics.labels import LabelMetric, Outcomes


class Averaged(LabelMetric):
    """Precision, recall or F1 averaged over classes, as its name says; 0 where it is 0/0.

    "macro" is the plain mean and "weighted" that by the true rows, over the classes that occur in
    truth or predictions (with several labels per row: all labels); "micro" is the ratio of the
    sums over classes. sklearn.metrics.precision_recall_fscore_support(zero_division=0).
    """

    def statistic(self, rows: Outcomes, weights: Floats) -> float:
        """Return the ratio, averaged as the name says."""
        measure, _, average = self.name.partition("_")
        sums = rows.sums(weights)
        if average == "micro":
            return float(ratio(measure, *sums.sum(axis=1, keepdims=True))[0])
        values, truth = ratio(measure, *sums), sums[1]
        if average == "macro":
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


class Binary(LabelMetric):
    """Precision, recall or F1 of the positive one of two classes: `pos_label`, or the last.

    0 where it is 0/0. "sensitivity" is recall as medicine calls it, "specificity" the recall of the
    negative class: Yerushalmy (1947), Public Health Reports 62:1432-1449.
    """

    def check_classes(self) -> None:
        """Refuse more than two classes, and several labels per row."""
        if self.multilabel:
            raise self._unfit("several labels per row")
        if len(self.encoding.labels or ()) > 2:
            raise self._unfit(f"{len(self.encoding.labels or ())} classes")

    @property
    def measure(self) -> str:
        """What is computed: precision, recall or f1."""
        return "recall" if self.name.endswith("ity") else self.name

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
        """Return the ratio of the positive class, for specificity of the other one."""
        positive = self.encoding.positive
        of = 1 - positive if self.name == "specificity" else positive
        return float(ratio(self.measure, *rows.sums(weights)[:, [of]])[0])
