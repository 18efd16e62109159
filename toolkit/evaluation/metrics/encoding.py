"""Decoded predictions and labels as numbers: ids, rows of 0 and 1, or probabilities.

A prediction of classes has `label` (or `labels`, where a row may have several) and, with
probabilities, `scores` of all classes. A reference is a label (or a list of them), or has the key
`label`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import chain
from numbers import Integral
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.errors import UserError
from toolkit.utils.text import listing, nearest

Ints = npt.NDArray[np.signedinteger[Any]]
Floats = npt.NDArray[np.float64]
UNLABELLED = "a metric that is loaded without labels takes numbers, not texts"
SLACK = 1e-4  # rounding of probabilities in float32 or bfloat16


def truth_of(reference: Any) -> Any:
    """Return the label(s) of a reference, or all of it where it names none."""
    return reference.get("label", reference) if isinstance(reference, Mapping) else reference


class Encoding:
    """The classes of a metric or of predictions, and the encoding of rows as numbers.

    With `labels`, the id `len(labels)` (or a last column, if `multilabel`) stands for every unknown
    label of references; if `grows`, each gets an id of its own after them.

    Args:
        labels: those that have probabilities, in the order of their ids; None for plain numbers.
        multilabel: whether a row may have several.
        pos_label: the positive one of two; by default the last.

    Raises:
        UserError: labels that occur twice, or a `pos_label` that is not among them.
    """

    def __init__(
        self,
        labels: Sequence[str] | None,
        multilabel: bool = False,
        pos_label: str | None = None,
        grows: bool = False,
    ) -> None:
        self.labels = None if labels is None else list(labels)
        self.multilabel, self.pos_label, self.grows = multilabel, pos_label, grows
        self.scored = len(self.labels or ())
        known = self.labels or []
        if len(set(known)) < len(known):
            raise UserError(f"labels occur more than once: {listing(known)}")
        if pos_label is not None and pos_label not in known:
            raise UserError(
                f"pos_label {pos_label!r} is not one of the labels {listing(known)}."
                f"{nearest(pos_label, known)}"
            )

    @classmethod
    def of(cls, prediction: Any, reference: Any) -> Encoding | None:
        """Infer it from the first row; None if predictions are not of classes."""
        if not isinstance(prediction, Mapping):
            return None
        truth = truth_of(reference)
        one = isinstance(prediction.get("label"), str | int) and isinstance(truth, str | int)
        if not one and not (isinstance(prediction.get("labels"), list) and isinstance(truth, list)):
            return None
        scores = prediction.get("scores")
        names = list(map(str, scores)) if isinstance(scores, Mapping) else []
        return cls(names, multilabel=not one, grows=True)

    @property
    def positive(self) -> int:
        """The id of the positive one of two classes."""
        if self.labels is None:
            return 1
        return len(self.labels) - 1 if self.pos_label is None else self._ids[self.pos_label]

    def references(self, values: Any) -> Ints:
        """Return ids of shape (rows,), or 0/1 of shape (rows, labels).

        Raises:
            UserError: values that are no labels, ids or rows of 0 and 1.
        """
        values = _indexable(values)
        return self._rows_of_labels(values) if self.multilabel else self._row_labels(values)

    def predictions(self, values: Any) -> Ints:
        """Return the predicted labels, encoded as the references are.

        Raises:
            UserError: also a predicted label that is not among the labels.
        """
        values = _indexable(values)
        if len(values) and isinstance(values[0], Mapping):
            values = _pick(values, "labels" if self.multilabel else "label")
        found = self.references(values)
        if self.labels is None or self.grows:
            return found
        unknown = found[:, -1] == 1 if self.multilabel else found == len(self.labels)
        if unknown.any():
            example = values[int(np.flatnonzero(unknown)[0])]
            raise UserError(
                f"the prediction {example!r} is not among the labels {listing(self.labels)}"
            )
        return found

    def scores(self, values: Any) -> Floats:
        """Return probabilities of shape (rows, classes).

        Raises:
            UserError: a label without a score, or another number of scores than of labels.
        """
        values = _indexable(values)
        if len(values) and isinstance(values[0], Mapping):
            if self.labels is None:
                raise UserError(UNLABELLED)
            pick = itemgetter(*self.labels[: self.scored])
            try:
                picked = [pick(row) for row in _pick(values, "scores")]
                return np.array(picked, np.float64).reshape(len(values), self.scored)
            except KeyError as missing:
                raise UserError(f"a prediction has no score for the label {missing}") from None
            except (TypeError, ValueError):
                raise UserError("the scores of a prediction are a number for each label") from None
        matrix = _matrix(values, np.float64)
        if matrix.shape[1] == 1 and not self.multilabel and len(self.labels or "ab") == 2:
            # Of the positive one of two classes.
            return np.hstack([1 - matrix, matrix] if self.positive == 1 else [matrix, 1 - matrix])
        if self.labels is not None and len(matrix) and matrix.shape[1] != len(self.labels):
            raise UserError(
                f"predictions have {matrix.shape[1]} scores for {len(self.labels)} labels"
            )
        return matrix

    def probabilities(self, predictions: Sequence[Any]) -> Floats | None:
        """Return `scores` clipped to [0, 1]; None if there are none, or no probabilities."""
        try:
            found = self.scores(predictions) if self.scored else np.array([np.nan])
        except UserError:
            return None
        sound = np.isfinite(found).all() and ((found >= -SLACK) & (found <= 1 + SLACK)).all()
        return found.clip(0.0, 1.0) if sound else None

    def _row_labels(self, values: Any) -> Ints:
        if len(values) and _is_number(values[0]) and not self.grows:
            ids = np.asarray(values)
            if ids.ndim != 1 or ids.dtype.kind not in "iub" or ids.min() < 0:
                raise UserError("class ids must be whole numbers from 0, one per row")
            ids = ids.astype(np.int32)
            return ids if self.labels is None else np.minimum(ids, len(self.labels))
        return self._lookup(values, len(values)).astype(np.int32)

    def _rows_of_labels(self, values: Any) -> Ints:
        first = next((row[0] for row in values if not isinstance(row, str) and len(row)), "")
        if self.labels is None or (_is_number(first) and not self.grows):
            return self._indicators(_matrix(values, None))
        if any(isinstance(row, str) for row in values):
            raise UserError("a metric of several labels per row takes a list of labels for each")
        lengths = np.fromiter(map(len, values), np.intp, len(values))
        columns = self._lookup(chain.from_iterable(values), int(lengths.sum()))
        found = np.zeros((len(values), len(self.labels) + (not self.grows)), np.int8)
        found[np.repeat(np.arange(len(values)), lengths), columns] = 1
        return found

    def _indicators(self, matrix: npt.NDArray[Any]) -> Ints:
        if not np.isin(matrix, (0, 1)).all():
            raise UserError("rows of several labels must hold 0 or 1 for every label")
        if self.labels is not None and matrix.shape[1] == len(self.labels):
            matrix = np.pad(matrix, ((0, 0), (0, 1)))
        if self.labels is not None and matrix.shape[1] != len(self.labels) + 1:
            raise UserError(f"rows have {matrix.shape[1]} columns for {len(self.labels)} labels")
        return matrix.astype(np.int8)

    def _lookup(self, texts: Iterable[Any], count: int) -> Ints:
        if self.labels is None and count:
            raise UserError(UNLABELLED)
        ids, unknown = self._ids, self.scored
        if self.grows and self.labels is not None:
            found = [ids.setdefault(str(text), len(ids)) for text in texts]
            self.labels += list(ids)[len(self.labels) :]
            return np.array(found, np.intp)
        try:
            return np.fromiter((ids.get(text, unknown) for text in texts), np.intp, count)
        except TypeError:
            raise UserError("a label must be a text; are there several labels per row?") from None

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {label: place for place, label in enumerate(self.labels or ())}


def _indexable(values: Any) -> Any:
    # Tensors and arrays as numpy arrays; anything else is indexed as it is.
    return np.asarray(values) if hasattr(values, "__array__") else values


def _is_number(value: Any) -> bool:
    return isinstance(value, Integral | np.generic | float) and not isinstance(value, str)


def _pick(predictions: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    try:
        return [prediction[key] for prediction in predictions]
    except KeyError:
        raise UserError(f"a prediction has no {key!r}; it has {listing(predictions[0])}") from None


def _matrix(values: Any, dtype: Any) -> npt.NDArray[Any]:
    try:
        found = np.asarray(values, dtype=dtype)
    except (TypeError, ValueError):
        raise UserError("rows of predictions or references must be numbers, as many each") from None
    if found.ndim > 2 or found.dtype.kind not in "iubf":
        raise UserError("rows of predictions or references must be numbers, as many each")
    return found.reshape(len(found), -1) if len(found) else found.reshape(0, 1)
