"""What validation says of confidence, and what a perfectly calibrated model would show.

Temperature scaling is one number, fitted on validation, that softens or sharpens probabilities
(Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017, section 4.2). It
changes no label; the report says how much better calibrated probabilities would be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.evaluation.metrics.encoding import Encoding, Floats, Ints, truth_of

CELLS = 5_000_000  # probabilities that are kept to fit it: 20 MB
SMALLEST = 1e-12  # probability whose logarithm is taken
SHARPEST, FLATTEST = 0.05, 20.0
FEWEST = 20  # rows that a fit needs
BINS = 15  # of equal width, in which confidence is compared with accuracy
UNLIKELY = 0.05  # p of a calibrated model's error, up to which this one is not calibrated
DRAWS = 999  # of labels that are as probable as the model says
SURE = (0.99, 0.95, 0.9)  # accuracies; a confidence is looked for from which on one is reached

Pair = tuple[list[Any], list[Any]]


def bin_of(confidence: Any) -> Any:
    """Return the number of each probability's bin; bins are open to the left."""
    return np.searchsorted(np.arange(1, BINS) / BINS, confidence, side="left")


def probability_of(scores: Floats, ids: Ints) -> Floats:
    """Return each row's probability of a class, shape (rows,); 0 of one that has no score."""
    known = ids < scores.shape[1]
    return np.where(known, scores[np.arange(len(scores)), np.where(known, ids, 0)], 0.0)


@dataclass(frozen=True)
class Calibrated:
    """What a perfectly calibrated model would show, with these confidences on so many rows.

    low, high: 95% range of the accuracy in each bin, shape (bins,). error: 95% of its expected
    calibration errors are at most that. p: the share of them that are at least the one found.
    """

    low: Floats
    high: Floats
    error: float
    p: float


def calibrated(count: Floats, confidence: Floats, error: float) -> Calibrated:
    """Return that for independent rows, whose error is above 0 even then.

    Labels are drawn with the mean confidence of each bin. Broecker and Smith, Increasing the
    Reliability of Reliability Diagrams (Weather and Forecasting 22, 2007), with one added to both
    counts of p (Davison and Hinkley 1997, equation 4.11).

    Args:
        count, confidence: rows and sum of their confidence in each bin, shape (bins,).
        error: the expected calibration error that was found.
    """
    rows = np.maximum(count, 1.0)
    mean = np.clip(confidence / rows, 0.0, 1.0)
    right = np.random.default_rng(0).binomial(count.astype(int), mean, (DRAWS, len(count)))
    errors = np.abs(right - confidence).sum(axis=1) / max(count.sum(), 1.0)
    low, high = np.percentile(right / rows, [2.5, 97.5], axis=0)
    p = (1 + int((errors >= error - 1e-12).sum())) / (1 + DRAWS)
    return Calibrated(low, high, float(np.percentile(errors, 95)), p)


def ends_of_ties(confidence: Floats, fewest: int) -> Ints:
    """Return where rows, the most confident first, may be cut: after `fewest` or more of them.

    Rows of equal confidence are kept or left out together.
    """
    ends = np.append(np.flatnonzero(np.diff(confidence)), len(confidence) - 1)
    return ends[ends + 1 >= fewest]


def surest(confidence: Floats, right: Any) -> dict[str, float] | None:
    """Return from which confidence on rows are as accurate as one of `SURE`, and all rows are not.

    None if no such confidence keeps `FEWEST` rows. It is flattering on these rows, as they chose
    it: what it is worth is seen on others.
    """
    order = np.argsort(-confidence, kind="stable")
    falling = confidence[order]
    accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    ends = ends_of_ties(falling, FEWEST)
    for wanted in SURE:
        reached = ends[accuracy[ends] >= wanted]
        if len(reached) and accuracy[-1] < wanted:
            return {"accuracy": wanted, "confidence": float(falling[reached[-1]])}
    return None


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
    """Keeps what is chosen on validation from, while its predictions are scored.

    Args:
        rows: of the split; every n-th of a large one is kept, so that memory stays bounded.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.classes: Encoding | None = None
        self.scores: list[Floats] = []
        self.truth: list[Any] = []
        self.given: list[Floats] = []  # of one label per row: the prediction's own probability,
        self.right: list[Any] = []  # and whether it is right
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
            predicted = self.classes.predictions(predictions[chosen])
            self.given.append(probability_of(scores, predicted).astype(np.float32))
            self.right.append(predicted == truth)
            known = truth < self.classes.scored
            scores, truth = scores[known], truth[known]
        self.truth.append(truth)
        self.scores.append(scores.astype(np.float32))
        return True

    def fitted(self) -> dict[str, Any] | None:
        """Return the temperature, how many rows it was fitted on, and `surest`; None of too few."""
        rows = sum(map(len, self.scores))
        if not self.usable or self.classes is None or rows < FEWEST:
            return None
        scores = np.concatenate(self.scores).astype(np.float64)
        temperature = fit(scores, np.concatenate(self.truth), self.classes.multilabel)
        found: dict[str, Any] = {"temperature": temperature, "fitted_rows": rows}
        if self.given:
            given, right = np.concatenate(self.given), np.concatenate(self.right)
            found["surest"] = surest(given, right)
        return found
