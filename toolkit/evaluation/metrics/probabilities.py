"""Metrics of probabilities: log loss, calibration, top-k accuracy."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from toolkit.errors import UserError
from toolkit.evaluation.bootstrap import Interval
from toolkit.evaluation.calibration import BINS, bin_of, calibrated
from toolkit.evaluation.metrics.base import Array, Floats, as_array, sums_by
from toolkit.evaluation.metrics.labels import ClassificationMetric

SLACK = 1e-5  # rounding of probabilities in float32 or bfloat16
ABOVE_ZERO = "above 0 for a calibrated model, too; the report says how far"
BAND = ("calibrated_high", "p_calibrated")


@dataclass(frozen=True)
class PreparedScores:
    """The rows whose true class has a score: places, result of `prepare`, and excluded rows.

    positive: which of those rows are of the second of two classes; None where there are not two.
    """

    places: Array
    prepared: Any
    left_out: int
    positive: Array | None = None

    def whole(self, parts: Array) -> Array:
        """Return values of the rows, shape (parts, those rows), as those of all rows; else 0."""
        found = np.zeros((len(parts), len(self.places) + self.left_out), parts.dtype)
        found[:, self.places] = parts
        return found


class ScoreMetric(ClassificationMetric):
    """A metric of probabilities.

    Rows of a class without a score are excluded, and counted as "left_out" in the result, but where
    they are plainly wrong (`unseen_is_wrong`); with `multilabel`, labels without a score are
    excluded (uncounted). The value is NaN if no row is left, or a score is not finite.
    """

    scored = True
    unseen_is_wrong = False

    @abstractmethod
    def prepare(self, scores: Floats, truth: Array) -> Any:
        """Prepare scores (rows, classes) and true ids (rows,), or 0/1 (rows, classes)."""

    def value(self, prepared: Any, weights: Floats) -> float:
        """Return the value for rows of these weights, as `statistic` does."""
        return super().statistic(prepared, weights)

    def rows(self, predictions: Any, references: Any) -> PreparedScores:
        scores, truth = as_array(predictions), as_array(references)
        classes = scores.shape[1]
        if self.multilabel:
            if truth.shape[1] < classes:
                raise UserError(f"{classes} scores, but only {truth.shape[1]} labels per row")
            places, truth = np.arange(len(truth)), truth[:, :classes]
        else:
            places = np.flatnonzero((truth < classes) | self.unseen_is_wrong)
            scores, truth = scores[places], truth[places]
        usable = len(places) > 0 and bool(np.isfinite(scores).all())
        prepared = self.prepare(scores, truth) if usable else None
        positive = truth == 1 if classes == 2 and not self.multilabel else None
        return PreparedScores(places, prepared, len(references) - len(places), positive)

    def statistic(self, rows: PreparedScores, weights: Floats) -> float:
        weights = weights[rows.places]
        if rows.prepared is None or not weights.any():
            return float("nan")
        return self.value(rows.prepared, weights)

    def notes(self, rows: PreparedScores) -> dict[str, Any]:
        return {"left_out": rows.left_out} if rows.left_out else {}


class LogLoss(ScoreMetric):
    """Mean negative natural logarithm of the probability of what is true; in nats.

    Rows are scaled to sum to one, and probabilities clipped to [eps, 1 - eps] of float64, as
    scikit-learn does. Several labels per row: mean binary cross-entropy over all decisions.

    sklearn.metrics.log_loss; Bishop (2006), Pattern Recognition and Machine Learning, p. 209.
    """

    greater_is_better = False
    bounds = (0.0, math.inf)
    source = "Bishop (2006), Pattern Recognition and Machine Learning, p. 209"

    def prepare(self, scores: Floats, truth: Array) -> Floats:
        _check_probabilities(scores)
        if self.multilabel:
            right = np.where(truth.astype(bool), scores, 1 - scores)
        else:
            total = scores.sum(axis=1)
            right = scores[np.arange(len(truth)), truth] / np.where(total > 0, total, 1.0)
            right = right[:, None]
        eps = np.finfo(np.float64).eps
        return np.asarray(-np.log(np.clip(right, eps, 1 - eps)).mean(axis=1))

    def values(self, rows: PreparedScores) -> Array | None:
        if rows.prepared is None or rows.left_out:
            return None
        return np.asarray(rows.prepared)

    def classes(self, rows: PreparedScores) -> Array | None:
        """Return the rows of each of two classes: few rows of a rare one decide the mean."""
        if rows.positive is None:
            return None
        return rows.whole(np.stack([rows.positive, ~rows.positive]))


class Top5Accuracy(ScoreMetric):
    """Share of the rows whose true class is among the five with the largest probabilities.

    Of equal probabilities that of the later class counts as larger.
    sklearn.metrics.top_k_accuracy_score(k=5).
    """

    k = 5
    unseen_is_wrong = True

    def check_classes(self) -> None:
        if self.multilabel:
            raise UserError(f"top{self.k}_accuracy is for one label per row")

    def prepare(self, scores: Floats, truth: Array) -> Floats:
        """Return 1 for each row that is right, else 0."""
        best = np.argsort(scores, axis=1, kind="stable")[:, -self.k :]
        return np.asarray((best == truth[:, None]).any(axis=1), np.float64)

    def share(self, rows: PreparedScores) -> tuple[Array, Array] | None:
        if rows.prepared is None:
            return None
        hits, among = rows.whole(np.stack([rows.prepared, np.ones(len(rows.places))]))
        return hits, among


class Gaps(NamedTuple):
    """sums: outcome minus confidence, (rows, bins). decisions: per row. Of each bin its decisions
    and the sum of their confidence."""

    sums: Floats
    decisions: int
    of_bins: Floats
    confidence: Floats


class ExpectedCalibrationError(ScoreMetric):
    """Mean difference of confidence and accuracy over 15 bins of equal width, 0 to 1.

    One label per row: confidence is the largest probability, and right is whether its class is
    true. Several labels per row: every decision (row, label) counts once; confidence is the
    label's own probability, and right is whether the label is true. Bins are open to the left.

    It is above 0 for a perfectly calibrated model, too, and resampling adds to that: there is no
    interval, but (of independent rows with one label) "calibrated_high", below which 95% of a
    calibrated model's errors would lie, and "p_calibrated": see `calibration.calibrated`.

    Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks (2017), equation 3.
    """

    greater_is_better = False
    unseen_is_wrong = True
    source = "Guo et al. (2017), On Calibration of Modern Neural Networks, arXiv:1706.04599"

    def prepare(self, scores: Floats, truth: Array) -> Gaps:
        """Return the gaps of each row."""
        _check_probabilities(scores)
        right = truth.astype(bool)
        if not self.multilabel:
            best = scores.argmax(axis=1)
            scores, right = scores.max(axis=1)[:, None], (truth == best)[:, None]
        (rows, decisions), bins = scores.shape, bin_of(scores)
        cells = np.arange(rows)[:, None] * BINS + bins
        sums = sums_by(cells.ravel(), (right - scores).ravel(), rows * BINS)
        of_bins = sums_by(bins.ravel(), np.ones(bins.size), BINS)
        confidence = sums_by(bins.ravel(), scores.ravel(), BINS)
        return Gaps(sums.reshape(rows, BINS), decisions, of_bins, confidence)

    def value(self, prepared: Gaps, weights: Floats) -> float:
        """Return the mean of the bins' gaps, weighted by their decisions."""
        return float(np.abs(weights @ prepared.sums).sum() / (weights.sum() * prepared.decisions))

    def _compute(self, *rows: Any, **asked: Any) -> dict[str, Any]:
        # Rows of a group depend on each other: nothing is known of a calibrated model's errors.
        unknown = BAND if asked.get("groups") is not None else ()
        found = super()._compute(*rows, **asked)
        return {name: value for name, value in found.items() if name not in unknown}

    def interval(self, *rows: Any) -> Interval:
        return Interval.none(ABOVE_ZERO)

    def notes(self, rows: PreparedScores) -> dict[str, Any]:
        if rows.prepared is None or self.multilabel:
            return super().notes(rows)
        error = self.value(rows.prepared, np.ones(len(rows.places)))
        of_calibrated = calibrated(rows.prepared.of_bins, rows.prepared.confidence, error)
        band = (of_calibrated.error, of_calibrated.p)
        return super().notes(rows) | dict(zip(BAND, band, strict=True))


def _check_probabilities(scores: Any) -> None:
    if scores.min() < -SLACK or scores.max() > 1 + SLACK:
        raise UserError(
            f"scores must be probabilities from 0 to 1; found {scores.min():g} to {scores.max():g}"
        )
