"""When to give no answer: the threshold chosen on validation, and its curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit_plugins.text.question_answering.metrics import best, f1, normalised

if TYPE_CHECKING:
    from toolkit.plugin_types import Prediction

Floats = np.ndarray[Any, np.dtype[np.float64]]
POINTS = 200  # of a curve
NEVER = 1.0  # no score is above it
EVEN = 0.5  # no answer is as likely as the best span


class Sweep:
    """F1 for every threshold that makes a difference.

    thresholds: rising; a question whose no_answer_score is above is given no answer. every,
    answerable, unanswerable: the sum of F1 over those questions at each, the last two NaN-free.
    """

    def __init__(self, predictions: Sequence[Prediction], golds: Sequence[Sequence[str]]) -> None:
        scores = np.array([p["no_answer_score"] for p in predictions])
        has = np.array([any(normalised(gold) for gold in gold) for gold in golds], bool)
        spans = [p["n_best"][0]["text"] if p["n_best"] else "" for p in predictions]
        given = np.array([best(f1, span, gold) for span, gold in zip(spans, golds, strict=True)])
        order = np.argsort(scores, kind="stable")
        ranked, has, given = scores[order], has[order], given[order]
        middle = (ranked[1:] + ranked[:-1]) / 2
        # Equal scores fall on the same side.
        apart = np.concatenate([[True], ranked[1:] > ranked[:-1], [True]])
        whole = np.concatenate([ranked[:1] / 2, middle, [NEVER]])
        self.thresholds: Floats = whole[apart]
        answered = np.concatenate([[0.0], np.cumsum(np.where(has, given, 0.0))])
        silent = np.concatenate([[0.0], np.cumsum(np.where(has, 0.0, 1.0 - given))])
        # `given` of a question without an answer is 1 where the span is empty.
        self.questions = len(ranked), int(has.sum()), int((~has).sum())
        self.answerable: Floats = answered[apart]
        self.unanswerable: Floats = self.questions[2] - silent[apart]
        self.every: Floats = self.answerable + self.unanswerable

    def choose(self) -> float:
        """Return the threshold of the best F1; of several the one nearest to even odds."""
        most = np.flatnonzero(self.every >= self.every.max() - 1e-9)
        near = np.abs(self.thresholds[most] - EVEN)
        return float(self.thresholds[most[int(near.argmin())]])

    def lines(self) -> dict[str, list[tuple[float, float]]]:
        """Return means by threshold as points of a curve."""
        size = len(self.thresholds)
        places = np.unique(np.linspace(0, size - 1, min(size, POINTS)).astype(int))
        groups = {
            "all": (self.every, self.questions[0]),
            "with an answer": (self.answerable, self.questions[1]),
            "without one": (self.unanswerable, self.questions[2]),
        }
        return {
            name: [(float(self.thresholds[p]), float(sums[p] / count)) for p in places]
            for name, (sums, count) in groups.items()
            if count
        }

    def at(self, threshold: float) -> float:
        """Return the mean F1 over all questions at a threshold."""
        place = int(np.searchsorted(self.thresholds, threshold, side="right")) - 1
        return float(self.every[max(place, 0)] / self.questions[0])
