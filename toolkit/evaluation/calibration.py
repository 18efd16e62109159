"""Temperature scaling: one number, fitted on validation, by which probabilities are less sure.

Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks (2017), section 4.2. It
changes no label; the report says how much nearer to the truth probabilities would be with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from toolkit.evaluation.metrics.encoding import Encoding, Floats, truth_of

CELLS = 5_000_000  # probabilities that are kept to fit it: 20 MB
FLOOR = 1e-12  # of a probability: its logarithm is taken
SHARPEST, FLATTEST = 0.05, 20.0
FEWEST = 20  # rows; fewer say nothing of how sure a model may be
BINS = 15  # of equal width, in which confidence is set beside the share that is right

Pair = tuple[list[Any], list[Any]]


def bin_of(confidence: Any) -> Any:
    """Return the number of each probability's bin; bins are open to the left."""
    return np.searchsorted(np.arange(1, BINS) / BINS, confidence, side="left")


def scaled(scores: Floats, temperature: float, several: bool) -> Floats:
    """Return probabilities (rows, classes) at a temperature.

    With one label a row they are made to sum to one; with several each decision stands alone.
    """
    from scipy.special import softmax

    log = np.log(np.clip(scores, FLOOR, 1.0)) / temperature
    if not several:
        return np.asarray(softmax(log, axis=1))
    other = np.log(np.clip(1 - scores, FLOOR, 1.0)) / temperature
    return np.asarray(1 / (1 + np.exp(other - log)))


def log_loss(scores: Floats, truth: Any, several: bool) -> float:
    """Return the mean loss in nats of true ids (rows,), or of a table of what is true."""
    if not several:
        right = scores[np.arange(len(scores)), truth]
    else:
        right = np.where(truth, scores, 1 - scores)
    return float(-np.log(np.clip(right, FLOOR, 1.0)).mean())


def fit(scores: Floats, truth: Any, several: bool) -> float:
    """Return the temperature of the least log loss; 1 changes nothing."""
    from scipy.optimize import minimize_scalar

    # Of 1/T, as the loss is convex in it.
    found = minimize_scalar(
        lambda sharpness: log_loss(scaled(scores, 1 / sharpness, several), truth, several),
        bounds=(1 / FLATTEST, 1 / SHARPEST),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(1 / found.x)


class Sample:
    """Keeps of a split's predictions what the temperature is fitted on, while others score them.

    Args:
        rows: of the split; of a large one every n-th is kept, so that memory stays bounded.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.classes: Encoding | None = None
        self.scores: list[Floats] = []
        self.truth: list[Any] = []
        self.seen = 0
        self.usable = True

    def passing(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Yield the same batches of (predictions, references)."""
        for predictions, references in pairs:
            if self.usable and predictions:
                self._keep(predictions, references)
            yield predictions, references

    def _keep(self, predictions: list[Any], references: list[Any]) -> None:
        self.classes = self.classes or Encoding.of(predictions[0], references[0])
        if self.classes is None:
            self.usable = False
            return
        step = max(1, -(-self.rows * self.classes.scored // CELLS))
        chosen = slice(-self.seen % step, None, step)
        self.seen += len(predictions)
        scores = self.classes.probabilities(predictions[chosen])
        if scores is None:
            self.usable = False
            return
        truth = self.classes.references(list(map(truth_of, references[chosen])))
        if self.classes.multilabel:
            truth = truth[:, : self.classes.scored].astype(bool)
        else:
            known = truth < self.classes.scored
            scores, truth = scores[known], truth[known]
        self.truth.append(truth)
        self.scores.append(scores.astype(np.float32))

    def fitted(self) -> dict[str, Any] | None:
        """Return the temperature and the rows that it was fitted on; None where there is none."""
        rows = sum(map(len, self.scores))
        if not self.usable or self.classes is None or rows < FEWEST:
            return None
        scores = np.concatenate(self.scores).astype(np.float64)
        temperature = fit(scores, np.concatenate(self.truth), self.classes.multilabel)
        return {"temperature": temperature, "fitted_rows": rows}
