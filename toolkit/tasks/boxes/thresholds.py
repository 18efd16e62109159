"""The score from which on a box is reported: by F1 on validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolkit.evaluation.metrics.base import Floats
from toolkit.evaluation.metrics.box_scene import HIT, IGNORED, Scene

FEWEST = 5  # actual objects, and boxes that are right, without which no threshold is chosen
POINTS = 200  # of a curve that is drawn


@dataclass(frozen=True, eq=False)
class Sweep:
    """Precision, recall and F1 over all classes, at each score that boxes have, falling.

    hits: boxes that are right there. actual: objects.
    """

    scores: Floats
    hits: Floats
    predicted: Floats
    actual: int

    @classmethod
    def of(cls, scene: Scene) -> Sweep:
        """Return that of a split at an IoU of 0.5.

        Matches do not depend on the threshold: a box is matched before those of lower scores.
        """
        verdicts = scene.verdicts[0, 0]
        counted = verdicts != IGNORED
        order = np.argsort(-scene.score[counted], kind="stable")
        scores = scene.score[counted][order]
        hits = np.cumsum(verdicts[counted][order] == HIT)
        # Of boxes of one score all are in, or none.
        last = np.flatnonzero(np.append(np.diff(scores), -1.0)[: len(scores)])
        actual = int((~scene.crowd).sum())
        return cls(scores[last], hits[last].astype(float), np.asarray(last + 1, np.float64), actual)

    @property
    def f1(self) -> Floats:
        """F1 at each score, shape (scores,)."""
        found: Floats = 2 * self.hits / np.maximum(self.predicted + self.actual, 1)
        return found

    def best(self) -> float | None:
        """Return the threshold of the best F1; None with fewer than `FEWEST` objects or hits.

        Of equal ones the highest, for fewer boxes; halfway to the next score, so that rounding
        decides nothing.
        """
        if self.actual < FEWEST or self.hits.max(initial=0) < FEWEST:
            return None
        place = int(self.f1.argmax())
        below = self.scores[place + 1] if place + 1 < len(self.scores) else 0.0
        return float((self.scores[place] + below) / 2)

    def at(self, threshold: float) -> float:
        """Return F1 at a threshold."""
        place = int((self.scores >= threshold).sum()) - 1
        return float(self.f1[place]) if place >= 0 else 0.0

    def points(self) -> list[tuple[float, float]]:
        """Return some points (score, F1) of the whole curve, by rising score."""
        few = np.unique(np.linspace(0, len(self.scores) - 1, min(POINTS, len(self.scores))).round())
        places = few.astype(int)[::-1]
        return list(zip(self.scores[places].tolist(), self.f1[places].tolist(), strict=True))
