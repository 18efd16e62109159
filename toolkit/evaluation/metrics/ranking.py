"""Metrics of the ranking of rows by score: area under the ROC curve, average precision.

Both need, for each positive row, the weight of the rows that rank above it. So each class is
sorted once; a resample then costs one gather and one cumulative sum over (classes, rows).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.evaluation.metrics.base import Array, Floats, sums_by
from toolkit.evaluation.metrics.probabilities import PreparedScores, ScoreMetric

Places = npt.NDArray[np.intp]
ROUNDING = 1e-12  # shares of the weight below it are what subtracting sums leaves of zero


@dataclass(frozen=True)
class Ranks:
    """Rows in falling order of score per class, and the place of each positive row in it.

    order: (classes, rows). The others have one entry per positive row of a class, by class and
    rank: its row, its class, where its group of equal scores starts and ends in the cumulative
    sums (flat, of rows + 1 per class), and how many positives lie before its class and up to the
    end of its group.
    """

    order: Places
    row: Places
    column: Places
    start: Places
    end: Places
    before: Places
    upto: Places

    def cumulative(self, weights: Floats) -> Floats:
        """Return the weight of the first 0, 1, .. rows per class, flat."""
        found = np.zeros((self.order.shape[0], self.order.shape[1] + 1))
        np.cumsum(weights[self.order], axis=1, out=found[:, 1:])
        return found.ravel()

    def by_class(self, values: Floats) -> Floats:
        """Return sums per class of one value per positive row."""
        return sums_by(self.column, values, len(self.order))


def rank(scores: Floats, truth: Array) -> Ranks:
    """Sort the rows per class.

    Args:
        scores: (classes, rows).
        truth: (classes, rows), whether a row is of the class.
    """
    classes, rows = scores.shape
    order = np.empty((classes, rows), np.intp)
    parts: list[tuple[Places, ...]] = []
    seen = 0
    for column, (values, true) in enumerate(zip(scores, truth, strict=True)):
        order[column] = np.argsort(-values, kind="stable")
        place = np.flatnonzero(true[order[column]])
        rising = -values[order[column]]
        ends = [np.searchsorted(rising, rising[place], side) for side in ("left", "right")]
        start, end = (found + column * (rows + 1) for found in ends)
        upto = seen + np.searchsorted(place, ends[1])
        own, before = np.full_like(place, column), np.full_like(place, seen)
        parts.append((order[column][place], own, start, end, before, upto))
        seen += len(place)
    return Ranks(order, *(np.concatenate(part) for part in zip(*parts, strict=True)))


class _RankingMetric(ScoreMetric):
    """Two classes: that of the positive one. More, or several labels: the mean over them."""

    bounds = (0.0, 1.0)

    def prepare(self, scores: Floats, truth: Array) -> Ranks:
        classes = scores.shape[1]
        if self.multilabel:
            return rank(scores.T, truth.T.astype(bool))
        wanted = [self.encoding.positive] if classes == 2 else list(range(classes))
        return rank(scores.T[wanted], truth == np.array(wanted)[:, None])

    def classes(self, rows: PreparedScores) -> Any:
        """Return the positive rows of each class that is in the mean, and the other rows of it."""
        found: Ranks | None = rows.prepared
        if found is None:
            return None
        positive = np.zeros(found.order.shape, bool)
        positive[found.column, found.row] = True
        both = positive.any(axis=1) & ~positive.all(axis=1)
        own = np.zeros((2 * int(both.sum()), len(rows.places) + rows.left_out), bool)
        own[:, rows.places] = np.concatenate([positive[both], ~positive[both]])
        return own

    def width(self, rows: PreparedScores) -> int:
        return 1 if rows.prepared is None else len(rows.prepared.order)


class RocAuc(_RankingMetric):
    """Area under the ROC curve: the chance that a positive row outranks a negative one.

    Two classes: of the positive one. More: each against the rest, unweighted mean. Several labels
    per row: unweighted mean over labels. Classes without both outcomes are left out of the mean;
    NaN where none has both. Ties count half.

    Hanley and McNeil (1982), Radiology 143; sklearn.metrics.roc_auc_score(multi_class="ovr").
    """

    source = "Hanley and McNeil (1982), Radiology 143:29-36"

    def value(self, prepared: Ranks, weights: Floats) -> float:
        total = float(weights.sum())
        above = prepared.cumulative(weights)
        own = weights[prepared.row]
        beaten = total - (above[prepared.start] + above[prepared.end]) / 2
        positive = prepared.by_class(own)
        negative = total - positive
        # Positive rows among themselves beat each other in half of all pairs, however they rank.
        pairs = prepared.by_class(own * beaten) - positive**2 / 2
        both = (positive > 0) & (negative > ROUNDING * total)
        return _mean(pairs[both] / (positive[both] * negative[both]))


class AveragePrecision(_RankingMetric):
    """Area under the precision-recall curve as a step function, without interpolation.

    Two classes: of the positive one. More: each against the rest, unweighted mean. Several labels
    per row: unweighted mean over labels. Classes without a positive row are left out of the mean
    (scikit-learn warns and counts them as 0); NaN where none has one.

    sklearn.metrics.average_precision_score.
    """

    source = "https://scikit-learn.org/stable/modules/model_evaluation.html#average-precision"

    def value(self, prepared: Ranks, weights: Floats) -> float:
        own = weights[prepared.row]
        found = np.concatenate([[0.0], np.cumsum(own)])
        hits = found[prepared.upto] - found[prepared.before]
        everything = prepared.cumulative(weights)[prepared.end]
        precision = np.divide(hits, everything, out=np.zeros_like(own), where=everything > 0)
        positive = prepared.by_class(own)
        some = positive > 0
        return _mean(prepared.by_class(own * precision)[some] / positive[some])


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")
