"""Temperature scaling: one number, fitted on validation, that softens or sharpens probabilities.

Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks (2017), section 4.2. It
changes no label; the report says how much better calibrated probabilities would be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from toolkit.evaluation.metrics.encoding import Encoding, Floats, truth_of

CELLS = 5_000_000  # probabilities that are kept to fit it: 20 MB
SMALLEST = 1e-12  # probability whose logarithm is taken
SHARPEST, FLATTEST = 0.05, 20.0
FEWEST = 20  # rows that a fit needs
BINS = 15  # of equal width, in which confidence is compared with accuracy

Pair = tuple[list[Any], list[Any]]


def bin_of(confidence: Any) -> Any:
    """Return the number of each probability's bin; bins are open to the left."""
    return np.searchsorted(np.arange(1, BINS) / BINS, confidence, side="left")


def scaled(scores: Floats, temperature: float, several: bool) -> Floats:
    """Return probabilities (rows, classes) at a temperature.

    With one label per row they sum to one; with several each decision is independent.
    """
    from scipy.special import softmax

    log = np.log(np.clip(scores, SMALLEST, 1.0)) / temperature
    if not several:
        return np.asarray(softmax(log, axis=1))
    other = np.log(np.clip(1 - scores, SMALLEST, 1.0)) / temperature
    return np.asarray(1 / (1 + np.exp(other - log)))


def log_loss(scores: Floats, truth: Any, several: bool) -> float:
    """Return the mean loss in nats, for true ids (rows,) or 0/1 (rows, classes)."""
    if not several:
        right = scores[np.arange(len(scores)), truth]
    else:
        right = np.where(truth, scores, 1 - scores)
    return float(-np.log(np.clip(right, SMALLEST, 1.0)).mean())


def fit(scores: Floats, truth: Any, several: bool) -> float:
    """Return the temperature with the least log loss; 1 changes nothing."""
    from scipy.optimize import minimize_scalar

    # In 1/T, as the loss is convex in it.
    found = minimize_scalar(
        lambda sharpness: log_loss(scaled(scores, 1 / sharpness, several), truth, several),
        bounds=(1 / FLATTEST, 1 / SHARPEST),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(1 / found.x)


class Sample:
    """Keeps what the temperature is fitted on, while a split's predictions are scored.

    Args:
        rows: of the split; every n-th of a large one is kept, so that memory stays bounded.
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
                self.usable = self._keep(predictions, references)
            yield predictions, references

    def _keep(self, predictions: list[Any], references: list[Any]) -> bool:
        self.classes = self.classes or Encoding.of(predictions[0], references[0])
        if self.classes is None:
            return False
        step = max(1, -(-self.rows * self.classes.scored // CELLS))
        chosen = slice(-self.seen % step, None, step)
        self.seen += len(predictions)
        scores = self.classes.probabilities(predictions[chosen])
        if scores is None:
            return False
        truth = self.classes.references(list(map(truth_of, references[chosen])))
        if self.classes.multilabel:
            truth = truth[:, : self.classes.scored].astype(bool)
        else:
            known = truth < self.classes.scored
            scores, truth = scores[known], truth[known]
        self.truth.append(truth)
        self.scores.append(scores.astype(np.float32))
        return True

    def fitted(self) -> dict[str, Any] | None:
        """Return the temperature and the number of rows it was fitted on; None without one."""
        rows = sum(map(len, self.scores))
        if not self.usable or self.classes is None or rows < FEWEST:
            return None
        scores = np.concatenate(self.scores).astype(np.float64)
        temperature = fit(scores, np.concatenate(self.truth), self.classes.multilabel)
        return {"temperature": temperature, "fitted_rows": rows}
