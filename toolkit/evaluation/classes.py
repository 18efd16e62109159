"""Predictions of classes, of whatever scenario: known by their form, and read as arrays.

The form is the one that the toolkit's metrics of classes take: `label` (or `labels`, where a row
may have several) and, where there are probabilities, `scores` of all classes. What is true stands
as a label's text (or a list of them), or under the key `label` of what the metrics take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Literal

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Form = Literal["one", "several"]
SLACK = 1e-4  # how far sums in float32 or bfloat16 may carry a probability


def truth_of(reference: Any) -> Any:
    """Return the label(s) of a reference."""
    return reference.get("label") if isinstance(reference, Mapping) else reference


def form(prediction: Any, reference: Any) -> Form | None:
    """Return whether a row has one label or several; None where it is no matter of labels."""
    if not isinstance(prediction, Mapping):
        return None
    truth = truth_of(reference)
    if isinstance(prediction.get("label"), str | int) and isinstance(truth, str | int):
        return "one"
    several = isinstance(prediction.get("labels"), list) and isinstance(truth, list)
    return "several" if several else None


@dataclass
class Classes:
    """The classes that predictions name, in the order of their probabilities; others come after.

    scored: how many of them have probabilities. Names grow as rows are read: what is true may be
    a class that the model does not know.
    """

    kind: Form
    names: list[str] = field(default_factory=list)
    scored: int = 0

    @classmethod
    def of(cls, prediction: Any, reference: Any) -> Classes | None:
        """Return the classes by the first row; None where predictions are not of classes."""
        kind = form(prediction, reference)
        if kind is None:
            return None
        scores = prediction.get("scores")
        names = [str(name) for name in scores] if isinstance(scores, Mapping) else []
        return cls(kind, names, len(names))

    def ids(self, labels: Sequence[Any]) -> Ints:
        """Return the numbers of labels; those that are new get the next ones."""
        known = self._known
        for label in labels:
            if str(label) not in known:
                known[str(label)] = len(self.names)
                self.names.append(str(label))
        return np.fromiter((known[str(label)] for label in labels), np.int64, len(labels))

    def rows_of(self, lists: Sequence[Sequence[Any]]) -> tuple[Ints, Ints]:
        """Return (row, class) pairs of rows with several labels."""
        row = np.repeat(np.arange(len(lists)), [len(labels) for labels in lists])
        return row, self.ids([label for labels in lists for label in labels])

    def scores(self, predictions: Sequence[Any]) -> Floats | None:
        """Return probabilities of shape (rows, scored); None where they are no such thing."""
        if not self.scored:
            return None
        pick = itemgetter(*self.names[: self.scored])
        try:
            picked = [pick(prediction["scores"]) for prediction in predictions]
            found = np.array(picked, np.float64).reshape(len(predictions), self.scored)
        except (KeyError, TypeError, ValueError):
            return None
        sound = np.isfinite(found).all() and ((found >= -SLACK) & (found <= 1 + SLACK)).all()
        return found.clip(0.0, 1.0) if sound else None

    @property
    def _known(self) -> dict[str, int]:
        if len(self._places) < len(self.names):
            self._places.update({name: place for place, name in enumerate(self.names)})
        return self._places

    _places: dict[str, int] = field(default_factory=dict)


def indicators(row: Ints, column: Ints, rows: int, classes: int) -> np.ndarray[Any, Any]:
    """Return (row, class) pairs as a table of False and True."""
    found = np.zeros((rows, classes), bool)
    found[row, column] = True
    return found
