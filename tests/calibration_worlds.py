"""How often sentences of the report are false: worlds are drawn in which the truth is known.

`python tests/calibration_worlds.py` prints the rates; tests ask for some of them with few worlds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from report_folders import record

from toolkit.evaluation import calibration, metrics
from toolkit.evaluation.bootstrap import interval, weights
from toolkit.evaluation.shares import wilson
from toolkit.reporting.html import trust
from toolkit.reporting.prediction_arrays import Reliability
from toolkit.reporting.slice_gaps import clearest


def calibrated(rng, rows, classes=3):
    """Return probabilities and labels that are as probable as they say."""
    odds = np.exp(2 * rng.normal(size=(rows, classes)))
    scores = odds / odds.sum(axis=1, keepdims=True)
    return scores, (scores.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1).clip(max=classes - 1)


def _worlds(count: int, seed: int = 0) -> Iterator[np.random.Generator]:
    for world in range(count):
        yield np.random.default_rng([seed, world])


def called_miscalibrated(worlds: int, rows: int, sharper: float = 1.0) -> float:
    """Return how often a model is called so; of `sharper` 1 it is perfectly calibrated."""
    false = 0
    for rng in _worlds(worlds):
        scores, truth = calibrated(rng, rows)
        scores = scores**sharper
        scores /= scores.sum(axis=1, keepdims=True)
        metric = metrics.load("expected_calibration_error")
        found = metric.compute(predictions=scores, references=truth)
        false += found["p_calibrated"] <= calibration.UNLIKELY
    return false / worlds


def called_sure(worlds: int, rows: int, sharper: float = 1.0) -> float:
    """Return how often a model is called over- or underconfident; as above."""
    false = 0
    for rng in _worlds(worlds, 1):
        scores, truth = calibrated(rng, rows)
        scores = scores**sharper
        scores /= scores.sum(axis=1, keepdims=True)
        before = Reliability()
        before.add(scores.max(axis=1), scores.argmax(axis=1) == truth)
        false += "model is over" in (said := trust.confidence(before, True))
        false += "model is under" in said
    return false / worlds


def surest_covered(worlds: int, validation: int, test: int) -> tuple[float, float]:
    """Return how often accuracy beyond the confidence of validation lies in its interval on test,
    and how often it is what validation has promised."""
    covered, kept, made = 0, 0, 0
    for rng in _worlds(worlds, 2):
        many, truth = calibrated(rng, validation + test + 20_000)
        confidence, right = many.max(axis=1), many.argmax(axis=1) == truth
        parts = np.split(np.arange(len(truth)), [validation, validation + test])
        chosen = calibration.surest(confidence[parts[0]], right[parts[0]])
        if chosen is None:
            continue
        reached = [part[confidence[part] >= chosen["confidence"]] for part in parts]
        if not len(reached[1]):
            continue
        made += 1
        accuracy = confidence[reached[2]].mean()
        low, high = wilson(int(right[reached[1]].sum()), len(reached[1]))
        covered += low <= accuracy <= high
        kept += accuracy >= chosen["accuracy"]
    return covered / made, kept / made


def slices_called_apart(
    worlds: int, slices: int, rows: int, shift: float = 0.0, loss: bool = False
) -> float:
    """Return how often slices are said to differ; without a `shift` of the last none does.

    loss: whether of a mean of exponential values, which has no share's interval.
    """
    said = 0
    for rng in _worlds(worlds, 3):
        mean = 0.9 - shift * (np.arange(slices) == slices - 1)[:, None]
        size = (slices, rows)
        values = mean * rng.exponential(size=size) if loss else 1.0 * (rng.random(size) < mean)
        found = {}
        for place, part in enumerate(values):
            draws = np.array(list(weights(rows, 200, place))) @ part / rows
            low, high, *_ = interval(float(part.mean()), draws, rows)
            score = {"value": float(part.mean()), "low": low, "high": high}
            found[str(place)] = {"rows": rows, "accuracy": score}
        gap = clearest(record(slices * rows, slices={"x": found}), "accuracy")
        said += gap is not None and gap.least > 0
    return said / worlds


def rates(worlds: int) -> Iterator[str]:
    """Yield all rates, a line each."""
    for rows in (60, 120, 1000):
        yield (f"{rows} rows, a calibrated model is called miscalibrated in "
               f"{called_miscalibrated(worlds, rows):.1%}, over- or underconfident in "
               f"{called_sure(worlds, rows):.1%}; one of twice its odds' exponent in "
               f"{called_miscalibrated(worlds, rows, 2):.1%}, "
               f"{called_sure(worlds, rows, 2):.1%}")  # fmt: skip
    for rows in (60, 300, 1000):
        covered, kept = surest_covered(worlds, rows, rows)
        yield (f"{rows} rows, accuracy of the surest lies within its interval in {covered:.1%}; "
               f"validation alone keeps its promise in {kept:.1%}")  # fmt: skip
    for slices, rows in ((2, 30), (5, 30), (20, 10), (20, 30), (20, 100)):
        for loss in (False, True):
            same, other = (slices_called_apart(worlds, slices, rows, by, loss) for by in (0, 0.4))
            what = f"{slices} slices of {rows} rows, {'loss' if loss else 'accuracy'}"
            yield (f"{what}: said to differ in {same:.1%} where none does, in {other:.1%} where "
                   "one is 0.4 lower")  # fmt: skip


def main(worlds: int = 400) -> None:
    """Print all rates; 400 worlds take some minutes."""
    for line in rates(worlds):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
