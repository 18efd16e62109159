"""Metrics of classes, and of predicted labels: accuracy, precision, recall, F1, correlation.

Those of labels follow from three sums per class: the weight of the rows where it is true, where it
is predicted, and where it is both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Features, List, Value
from scipy import sparse

from toolkit.errors import UserError
from toolkit.evaluation.metrics.base import Array, Floats, RowMetric, as_array
from toolkit.evaluation.metrics.encoding import Encoding


class ClassificationMetric(RowMetric):
    """A metric of classes, fed with the toolkit's decoded predictions or with plain numbers.

    `add_batch` and `compute` take, per row:
        predictions: {"label": .., "scores": {label: p}}, or {"labels": [..], "scores": {..}} where
            `multilabel`; or what scikit-learn takes: class ids or rows of 0/1 for metrics of
            labels, rows of probabilities (or one score, of the positive of two classes) for
            metrics of scores.
        references: label texts, or lists of them where `multilabel`; or class ids, or rows of 0/1.

    Args:
        labels: the classes that the model knows, in the order of their ids; None for plain numbers.
        pos_label: the positive one of two classes; by default the last.
        name: of the result; by default the class's.

    Raises:
        UserError: values of another form, or a `pos_label` that is not a label.
    """

    scored = False  # whether it takes probabilities rather than labels

    def __init__(
        self,
        labels: Sequence[str] | None = None,
        multilabel: bool = False,
        pos_label: str | None = None,
        name: str | None = None,
        **evaluate_kwargs: Any,
    ) -> None:
        self._name = name
        self.encoding = Encoding(labels, multilabel, pos_label)
        self.multilabel = multilabel
        self.check_classes()
        super().__init__(**evaluate_kwargs)

    @property
    def name(self) -> str:
        """The name of the result."""
        return self._name or str(super().name)

    def check_classes(self) -> None:
        """Raise a UserError if the metric does not fit the classes."""

    def stored(self) -> Features:
        """Return ids, or rows of 0 and 1; of predictions also probabilities."""
        truth = List(Value("int8")) if self.multilabel else Value("int32")
        return Features(
            predictions=List(Value("float64")) if self.scored else truth, references=truth
        )

    def encode(self, predictions: Any, references: Any) -> tuple[Any, Any]:
        encode = self.encoding.scores if self.scored else self.encoding.predictions
        return encode(predictions), self.encoding.references(references)


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
        return np.asarray(self.cells @ weights).reshape(3, self.width)

    def rows_of(self, kind: int, classes: Any) -> Any:
        """Return which rows are hits (0), true (1) or predicted (2), sparse (classes, rows)."""
        return self.cells[kind * self.width : (kind + 1) * self.width][classes]


class LabelMetric(ClassificationMetric):
    """A metric of predicted labels.

    A true label that the model does not know counts as a class of its own, never predicted.
    """

    bounds = (0.0, 1.0)

    def rows(self, predictions: Any, references: Any) -> Outcomes:
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
        return float(weights @ rows.exact / weights.sum())

    def share(self, rows: Outcomes) -> tuple[Array, Array]:
        return rows.exact, np.ones(len(rows.exact))


class MatthewsCorrelation(LabelMetric):
    """Correlation of true and predicted classes, -1 to 1; 0 where either never varies.

    Gorodkin (2004), Computational Biology and Chemistry 28: the R_K statistic, which for two
    classes is that of Matthews (1975). sklearn.metrics.matthews_corrcoef.
    """

    source = "Gorodkin (2004), Computational Biology and Chemistry 28:367-374"
    bounds = (-1.0, 1.0)

    def check_classes(self) -> None:
        if self.multilabel:
            what = "matthews_correlation is for one label per row"
            raise UserError(f"{what}; with several take f1_macro or f1_micro")

    def statistic(self, rows: Outcomes, weights: Floats) -> float:
        hits, truth, predicted = rows.sums(weights)
        total = truth.sum()
        varies = (total**2 - truth @ truth) * (total**2 - predicted @ predicted)
        if varies <= 0:
            return 0.0
        return float((hits.sum() * total - truth @ predicted) / np.sqrt(varies))

    def classes(self, rows: Outcomes) -> Any:
        """Return the rows of the two most frequent classes: with one alone nothing correlates."""
        return rows.rows_of(1, np.argsort(rows.sums(np.ones(len(rows.exact)))[1])[-2:])


class Averaged(LabelMetric):
    """Precision, recall or F1 averaged over classes, as its name says; 0 where it is 0/0.

    "macro" is the plain mean and "weighted" that by the true rows, over the classes that occur in
    truth or predictions (with several labels per row: all labels); "micro" is the ratio of the
    sums over classes. sklearn.metrics.precision_recall_fscore_support(zero_division=0).
    """

    def statistic(self, rows: Outcomes, weights: Floats) -> float:
        measure, _, average = self.name.partition("_")
        sums = rows.sums(weights)
        if average == "micro":
            return float(ratio(measure, *sums.sum(axis=1, keepdims=True))[0])
        values, truth = ratio(measure, *sums), sums[1]
        if average == "macro":
            return float(values[self._counted(rows, sums)].mean())
        return float(values @ truth / truth.sum()) if truth.any() else 0.0

    def share(self, rows: Outcomes) -> tuple[Array, Array] | None:
        """Return which rows are right, for an average that is accuracy: micro, one label a row."""
        one = self.name.endswith("_micro") and not self.multilabel
        return (rows.exact, np.ones(len(rows.exact))) if one else None

    def classes(self, rows: Outcomes) -> Any:
        if not self.name.endswith("_macro"):
            return None
        counted = self._counted(rows, rows.sums(np.ones(len(rows.exact))))
        return rows.rows_of(1, np.flatnonzero(counted))

    def _counted(self, rows: Outcomes, sums: Floats) -> Array:
        """Return which classes are in the macro average, shape (classes,)."""
        return np.asarray((sums[1] + sums[2] > 0) | (np.arange(rows.width) < rows.always))


def ratio(measure: str, hits: Floats, truth: Floats, predicted: Floats) -> Floats:
    """Return precision, recall or f1 per class; 0 where nothing is to be divided by."""
    over, under = {
        "precision": (hits, predicted),
        "recall": (hits, truth),
        "f1": (2 * hits, truth + predicted),
    }[measure]
    return np.asarray(np.divide(over, under, out=np.zeros_like(under), where=under > 0))


class Binary(LabelMetric):
    """Precision, recall or F1 of the positive one of two classes: `pos_label`, or the last.

    0 where it is 0/0. "sensitivity" is recall as medicine calls it, "specificity" the recall of the
    negative class: Yerushalmy (1947), Public Health Reports 62:1432-1449.
    """

    def check_classes(self) -> None:
        if self.multilabel:
            raise self._unfit("several labels per row")
        if (classes := len(self.encoding.labels or ())) > 2:
            raise self._unfit(f"{classes} classes")

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
        found = super().rows(predictions, references)
        if self.encoding.labels is None and found.width > 2:
            raise self._unfit(f"{found.width} classes")
        return found

    def statistic(self, rows: Outcomes, weights: Floats) -> float:
        """Return the ratio of the positive class, for specificity of the other one."""
        return float(ratio(self.measure, *rows.sums(weights)[:, [self._of]])[0])

    def share(self, rows: Outcomes) -> tuple[Array, Array] | None:
        """Return hits, and the rows of the class or those predicted as it; None for F1."""
        if self.measure == "f1":
            return None
        hits, among = (rows.rows_of(kind, [self._of]).toarray().ravel()
                       for kind in (0, 1 if self.measure == "recall" else 2))  # fmt: skip
        return hits, among

    def classes(self, rows: Outcomes) -> Any:
        return rows.rows_of(1, [self._of])

    @property
    def _of(self) -> int:
        positive = self.encoding.positive
        return 1 - positive if self.name == "specificity" else positive
