"""The predictions of a run, read once into arrays of a few numbers per row.

This needs neither the plugin nor torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.evaluation import calibration as scaling
from toolkit.evaluation.calibration import BINS, bin_of
from toolkit.evaluation.metrics.encoding import Encoding, Floats, Ints, truth_of
from toolkit.runs.folder import read_predictions


class Reliability:
    """Confidence and accuracy, as sums over bins of equal width."""

    def __init__(self) -> None:
        self.count, self.confidence, self.right = np.zeros((3, BINS))

    def add(self, confidence: Any, right: Any) -> None:
        """Add decisions: the confidence of each, and whether it was right."""
        place = bin_of(confidence)
        self.count += np.bincount(place, minlength=BINS)
        self.confidence += np.bincount(place, confidence, BINS)
        self.right += np.bincount(place, right, BINS)

    @property
    def error(self) -> float:
        """The expected calibration error, Guo et al. (2017), equation 3."""
        gaps = np.abs(self.right - self.confidence).sum()
        return float(gaps / max(self.count.sum(), 1.0))

    @property
    def calibrated(self) -> scaling.Calibrated:
        """What a calibrated model would show, if these decisions are independent."""
        return scaling.calibrated(self.count, self.confidence, self.error)


@dataclass
class OneLabel:
    """Rows with one label each, an entry per row.

    truth, predicted: class ids. best, second: the two largest probabilities. given, of_truth: the
    probability of the predicted and of the actual class (0 if it has none). positive: that of the
    positive one of two classes. Without probabilities these are empty.
    """

    truth: Ints
    predicted: Ints
    best: Floats
    second: Floats
    given: Floats
    of_truth: Floats
    positive: Floats

    @property
    def right(self) -> Any:
        """Whether each row is right."""
        return self.truth == self.predicted


@dataclass
class SeveralLabels:
    """Rows with several labels.

    counts: (classes, 3) of actual, predicted, both. wrong: wrong decisions per row. worst,
    worst_class: error of the worst decision of a row, and its class. nearest, nearest_class: how
    far the least confident decision of a row is from one half, and its class.
    """

    counts: Ints
    wrong: Ints
    worst: Floats
    worst_class: Ints
    nearest: Floats
    nearest_class: Ints


@dataclass
class PredictionArrays:
    """rows: of the test split. classes and the rest: None if predictions are not of classes.

    before, after: reliability as predicted and at the temperature; None without probabilities.
    """

    rows: int
    classes: Encoding | None = None
    one: OneLabel | None = None
    several: SeveralLabels | None = None
    before: Reliability | None = None
    after: Reliability | None = None
    positive: int | None = None

    @property
    def names(self) -> list[str]:
        """The classes."""
        return (self.classes.labels or []) if self.classes else []

    @property
    def has_scores(self) -> bool:
        """Whether there are probabilities."""
        return self.before is not None


class _Reader:
    """Collects batches; its memory per row does not grow with the number of classes."""

    def __init__(self, temperature: float | None, positive: str | None) -> None:
        self.temperature, self.wanted = temperature, positive
        self.classes: Encoding | None = None
        self.positive: int | None = None
        self.before, self.after = Reliability(), Reliability()
        self.parts: list[tuple[Any, ...]] = []
        self.counts: list[Ints] = []
        self.scored = True
        self.rows = 0

    def add(self, predictions: list[Any], references: list[Any]) -> None:
        if not self.rows and predictions:
            self.classes = Encoding.of(predictions[0], references[0])
            if self.classes is not None and self.classes.scored == 2:
                names = self.classes.labels or []
                self.positive = names.index(self.wanted) if self.wanted in names else 1
        self.rows += len(predictions)
        if self.classes is None:
            return
        scores = self.classes.probabilities(predictions) if self.scored else None
        self.scored = scores is not None
        add = self._several if self.classes.multilabel else self._one
        add(self.classes, predictions, list(map(truth_of, references)), scores)

    def _one(
        self, classes: Encoding, predictions: list[Any], truths: list[Any], scores: Floats | None
    ) -> None:
        truth, predicted = classes.references(truths), classes.predictions(predictions)
        if scores is None:
            self.parts.append((truth, predicted))
            return
        places, width = np.arange(len(scores)), scores.shape[1]
        order = np.partition(scores, -2, axis=1) if width > 1 else np.pad(scores, ((0, 0), (1, 0)))
        positive = places[:0] if self.positive is None else scores[:, self.positive]
        given, of_truth = (scaling.probability_of(scores, ids) for ids in (predicted, truth))
        numbers = (order[:, -1], order[:, -2], given, of_truth, positive)
        self.parts.append((truth, predicted, *(part.astype(np.float32) for part in numbers)))
        first = scores.argmax(axis=1)  # a class that training lacks is never right
        self._calibrate(scores, lambda s: s[places, first], first == truth)

    def _several(
        self, classes: Encoding, predictions: list[Any], truths: list[Any], scores: Floats | None
    ) -> None:
        given, true = classes.predictions(predictions) > 0, classes.references(truths) > 0
        given = np.pad(given, ((0, 0), (0, true.shape[1] - given.shape[1])))  # truth may have more
        wrong = (given != true).sum(axis=1)
        self.counts.append(np.stack([true.sum(0), given.sum(0), (true & given).sum(0)], axis=1))
        if scores is None:
            self.parts.append((wrong,))
            return
        truth = true[:, : scores.shape[1]]
        off, near = np.abs(truth - scores), np.abs(scores - 0.5)
        off = np.where(truth != given[:, : scores.shape[1]], off, 0.0)
        self.parts.append((wrong, off.max(1).astype(np.float32), off.argmax(1),
                           near.min(1).astype(np.float32), near.argmin(1)))  # fmt: skip
        self._calibrate(scores, np.ravel, truth.ravel())

    def _calibrate(self, scores: Floats, decisions: Callable[[Floats], Any], right: Any) -> None:
        """Add the confidence of decisions, as predicted and at the temperature."""
        self.before.add(decisions(scores), right)
        if self.temperature is not None and self.classes is not None:
            other = scaling.scaled(scores, self.temperature, self.classes.multilabel)
            self.after.add(decisions(other), right)

    def reading(self) -> PredictionArrays:
        found = PredictionArrays(self.rows, self.classes, positive=self.positive)
        if self.classes is None:
            return found
        least = min(map(len, self.parts))  # without probabilities, or with them in every batch
        columns = [np.concatenate(c) for c in zip(*(p[:least] for p in self.parts), strict=True)]
        empty = np.empty(0, np.float32)
        if not self.classes.multilabel:
            found.one = OneLabel(*columns, *[empty] * (7 - len(columns)))
        else:
            total = np.zeros((len(found.names), 3), np.int64)
            for counted in self.counts:
                total[: len(counted)] += counted
            found.several = SeveralLabels(total, *columns, *[empty] * (5 - len(columns)))
        if self.scored:
            found.before, found.after = self.before, self.after if self.temperature else None
        return found


def read(
    file: Path, temperature: float | None = None, positive: str | None = None
) -> PredictionArrays:
    """Read predictions.jsonl.

    Args:
        temperature: see `toolkit.evaluation.calibration`; None if none was fitted.
        positive: the positive one of two classes; the last by default.
    """
    reader = _Reader(temperature, positive)
    for predictions, references in read_predictions(file):
        reader.add(predictions, references)
    return reader.reading()
