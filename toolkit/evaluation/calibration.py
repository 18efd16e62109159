"""Temperature scaling: one number, fitted on validation, by which probabilities are less sure.

Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks (2017), section 4.2. It
changes no label; the report says how much nearer to the truth probabilities would be with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from toolkit.evaluation.classes import Classes, Floats, Form, indicators, truth_of

CELLS = 5_000_000  # probabilities that are kept to fit it: 20 MB
FLOOR = 1e-12  # of a probability: its logarithm is taken
SHARPEST, FLATTEST = 0.05, 20.0
FEWEST = 20  # rows; fewer say nothing of how sure a model may be

Pair = tuple[list[Any], list[Any]]


def scaled(scores: Floats, temperature: float, kind: Form) -> Floats:
    """Return probabilities (rows, classes) at a temperature.

    With one label a row they are made to sum to one; with several each decision stands alone.
    """
    log = np.log(np.clip(scores, FLOOR, 1.0)) / temperature
    if kind == "one":
        log -= log.max(axis=1, keepdims=True)
        found = np.exp(log)
        return np.asarray(found / found.sum(axis=1, keepdims=True))
    other = np.log(np.clip(1 - scores, FLOOR, 1.0)) / temperature
    return np.asarray(1 / (1 + np.exp(other - log)))


def log_loss(scores: Floats, truth: Any, kind: Form) -> float:
    """Return the mean loss in nats of true ids (rows,), or of a table of what is true."""
    if kind == "one":
        right = scores[np.arange(len(scores)), truth]
    else:
        right = np.where(truth, scores, 1 - scores)
    return float(-np.log(np.clip(right, FLOOR, 1.0)).mean())


def fit(scores: Floats, truth: Any, kind: Form) -> float:
    """Return the temperature of the least log loss; 1 changes nothing."""
    from scipy.optimize import minimize_scalar

    # Of 1/T, as the loss is convex in it.
    found = minimize_scalar(
        lambda sharpness: log_loss(scaled(scores, 1 / sharpness, kind), truth, kind),
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
        self.classes: Classes | None = None
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
        self.classes = self.classes or Classes.of(predictions[0], references[0])
        if self.classes is None or not self.classes.scored:
            self.usable = False
            return
        step = max(1, -(-self.rows * self.classes.scored // CELLS))
        chosen = slice(-self.seen % step, None, step)
        self.seen += len(predictions)
        predictions, references = predictions[chosen], references[chosen]
        scores = self.classes.scores(predictions)
        if scores is None:
            self.usable = False
            return
        truths = [truth_of(reference) for reference in references]
        if self.classes.kind == "several":
            row, column = self.classes.rows_of(truths)
            wide = indicators(row, column, len(truths), len(self.classes.names))
            self.truth.append(wide[:, : self.classes.scored])
        else:
            ids = self.classes.ids(truths)
            known = ids < self.classes.scored
            scores, ids = scores[known], ids[known]
            self.truth.append(ids)
        self.scores.append(scores.astype(np.float32))

    def fitted(self) -> dict[str, Any] | None:
        """Return the temperature and the rows that it was fitted on; None where there is none."""
        rows = sum(map(len, self.scores))
        if not self.usable or self.classes is None or rows < FEWEST:
            return None
        scores = np.concatenate(self.scores).astype(np.float64)
        truth = np.concatenate(self.truth)
        return {"temperature": fit(scores, truth, self.classes.kind), "fitted_rows": rows}
