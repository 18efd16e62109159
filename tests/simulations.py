"""How often intervals contain the truth, and how often verdicts are false, over simulated worlds.

A world is a sample of test rows whose true scores are known, from one large sample of the same
kind. `python tests/simulations.py [WORLDS] [SEED]` prints a JSON line for each kind of world, size
and score: how often an interval was printed, and how often it contained the truth; then how often
two equal models were told apart, what the sentences of the report claim, and how many near
duplicates are found. With 300 worlds it takes half an hour on two cores.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import calibration_worlds
import fraud_worlds
import near_duplicates
import numpy as np
from toolkit_plugins.text.question_answering.metrics import F1, ExactMatch

from toolkit.evaluation import metrics
from toolkit.evaluation.bootstrap import unit_count
from toolkit.evaluation.differences import BETTER, WORSE, difference
from toolkit.evaluation.scoring import score_and_draws
from toolkit.tasks.regression import METRICS as OF_NUMBERS

LARGE = 200_000  # rows of the sample whose scores are taken for the truth
RESAMPLES = 300
SIZES = (30, 120, 1000)


@dataclass(frozen=True)
class Rows:
    """A sample: predictions by form ("labels", "scores", "values"), references, and groups."""

    predictions: Mapping[str, Any]
    references: Any
    groups: Any = None


@dataclass(frozen=True)
class World:
    """A kind of sample, and the scores that are computed of it, with the form that each takes."""

    sample: Callable[[np.random.Generator, int], Rows]
    scores: Mapping[str, tuple[Callable[[], Any], str]]
    sizes: tuple[int, ...] = SIZES


def two_classes(share: float, apart: float) -> Callable[[np.random.Generator, int], Rows]:
    """Rows of two normal distributions, and their exact probabilities."""

    def sample(rng: np.random.Generator, rows: int) -> Rows:
        truth = (rng.random(rows) < share).astype(int)
        signal = rng.normal(size=rows) + apart * truth
        odds = apart * signal - apart**2 / 2 + np.log(share / (1 - share))
        positive = 1 / (1 + np.exp(-odds))
        scores = np.stack([1 - positive, positive], 1)
        return Rows({"labels": scores.argmax(1), "scores": scores}, truth)

    return sample


def several_classes(classes: int, accuracy: float) -> Callable[[np.random.Generator, int], Rows]:
    """Rows whose predicted class is right so often, and else any."""

    def sample(rng: np.random.Generator, rows: int) -> Rows:
        truth = rng.integers(0, classes, rows)
        wrong = (truth + rng.integers(1, classes, rows)) % classes
        label = np.where(rng.random(rows) < accuracy, truth, wrong)
        scores = rng.dirichlet(np.ones(classes), rows) * (1 - accuracy)
        scores[np.arange(rows), label] += accuracy
        return Rows({"labels": label, "scores": scores}, truth)

    return sample


def passages(rng: np.random.Generator, rows: int) -> Rows:
    """Questions, six on a passage, which is easy or hard; some answers are right in part."""
    groups = np.arange(rows) // 6
    skill = rng.normal(0.6, 1.2, groups.max() + 1)[groups] + 0.8 * rng.normal(size=rows)
    said = np.where(skill > 0.7, "red", np.where(skill > 0, "red bricks", "none"))
    return Rows({"values": said.tolist()}, [["red"]] * rows, groups)


def grouped_labels(rng: np.random.Generator, rows: int) -> Rows:
    """Two classes; the rows of a customer, eight, are mostly all right or all wrong."""
    groups = np.arange(rows) // 8
    truth = rng.integers(0, 2, rows)
    easy = rng.normal(1.0, 1.0, groups.max() + 1)[groups] + 0.5 * rng.normal(size=rows)
    odds = np.where(truth == 1, easy, -easy)
    positive = 1 / (1 + np.exp(-odds))
    scores = np.stack([1 - positive, positive], 1)
    return Rows({"labels": scores.argmax(1), "scores": scores}, truth, groups)


def numbers(rng: np.random.Generator, rows: int) -> Rows:
    """Values that are predicted with normal errors."""
    truth = rng.normal(size=rows)
    return Rows({"values": 0.7 * truth + 0.6 * rng.normal(size=rows)}, truth)


def _named(names: str, form: str) -> dict[str, tuple[Callable[[], Any], str]]:
    return {name: (lambda name=name: metrics.load(name), form) for name in names.split()}


BINARY = {
    **_named("accuracy precision recall specificity f1 matthews_correlation", "labels"),
    **_named("roc_auc average_precision log_loss", "scores"),
}
MANY = {
    **_named("accuracy f1_macro f1_weighted f1_micro recall_macro", "labels"),
    **_named("roc_auc log_loss", "scores"),
}
WORLDS: dict[str, World] = {
    "two classes": World(two_classes(0.3, 1.5), BINARY),
    "two classes, nearly all right": World(two_classes(0.5, 4.6), BINARY),
    "two classes, one rare": World(two_classes(0.03, 2.0), BINARY),
    "five classes": World(several_classes(5, 0.8), MANY),
    "five classes, nearly all right": World(several_classes(5, 0.98), MANY),
    "77 classes": World(several_classes(77, 0.7), MANY, (100, 1000)),
    "questions in passages": World(
        passages,
        {"f1": (F1, "values"), "exact_match": (ExactMatch, "values")},
        (120, 300, 1200),
    ),
    "rows of customers": World(grouped_labels, BINARY, (240, 1000)),
    "numbers": World(numbers, {name: (kind, "values") for name, kind in OF_NUMBERS.items()}),
}


def coverage(
    name: str, worlds: int, seed: int = 0, sizes: tuple[int, ...] = (), scores: tuple[str, ...] = ()
) -> Iterator[dict[str, Any]]:
    """Yield how often the intervals of a kind of world are printed, and contain the truth.

    Args:
        sizes, scores: some of the world's; by default all.
    """
    world = WORLDS[name]
    chosen = {score: world.scores[score] for score in scores or world.scores}
    large = world.sample(np.random.default_rng(seed + 10**6), LARGE)
    truth = {score: make().compute(predictions=large.predictions[form], references=large.references)
             for score, (make, form) in chosen.items()}  # fmt: skip
    for rows in sizes or world.sizes:
        found: dict[str, list[bool]] = {score: [] for score in chosen}
        for number in range(worlds):
            drawn = world.sample(np.random.default_rng([seed, rows, number]), rows)
            for score, (make, form) in chosen.items():
                module = make()
                ends = module.compute(
                    predictions=drawn.predictions[form], references=drawn.references,
                    resamples=RESAMPLES, seed=number, groups=drawn.groups,
                )  # fmt: skip
                if "no_interval" not in ends:
                    true = truth[score][module.name]
                    found[score].append(bool(ends["low"] <= true <= ends["high"]))
        for score, covered in found.items():
            share = round(float(np.mean(covered)), 3) if covered else None
            yield {"world": name, "rows": rows, "score": score,
                   "printed": round(len(covered) / worlds, 3), "covered": share}  # fmt: skip


def _pair(rng: np.random.Generator, rows: int, apart: float, alike: float, grouped: bool) -> Any:
    """Return truth, groups and the probabilities of two equal models, alike in what is hard."""
    truth = np.where(rng.random(rows) < 0.4, 1, 0)
    groups = np.arange(rows) // 6 if grouped else None
    units = np.arange(rows) if groups is None else groups
    found = []
    shared = alike**0.5 * rng.normal(size=rows)
    for _ in range(2):
        own = (1 - alike) ** 0.5 * rng.normal(size=units.max() + 1)[units]
        positive = 1 / (1 + np.exp(-2 * (shared + own + apart * (truth - 0.5))))
        found.append(np.stack([1 - positive, positive], 1))
    return truth, groups, found


def false_verdicts(
    worlds: int,
    rows: int,
    apart: float,
    alike: float,
    grouped: bool = False,
    seed: int = 0,
    only: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return how often one of two equal models is said to be better, and to be better or worse.

    only: some of the scores.
    """
    scores = _named("accuracy f1", "labels") | _named(
        "roc_auc average_precision log_loss", "scores"
    )
    scores = {name: given for name, given in scores.items() if name in (only or scores)}
    told: dict[str, list[str]] = {name: [] for name in scores}
    for number in range(worlds):
        rng = np.random.default_rng([seed, rows, number])
        truth, groups, models = _pair(rng, rows, apart, alike, grouped)
        results = []
        for model in models:
            parts: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
            for form, given in (("labels", model.argmax(1)), ("scores", model)):
                modules = {name: make() for name, (make, of) in scores.items() if of == form}
                both = score_and_draws(modules, [(given, truth)], number, groups)
                for part, found in zip(parts, both, strict=True):
                    part.update(found)
            results.append(parts)
        units = unit_count(rows, groups)
        for name in scores:
            values = results[0][0][name]["value"], results[1][0][name]["value"]
            draws = results[0][1][name], results[1][1][name]
            told[name].append(difference(values, draws, units, name != "log_loss").verdict)
    return {
        name: {"better": verdicts.count(BETTER) / worlds,
               "either": (verdicts.count(BETTER) + verdicts.count(WORSE)) / worlds}
        for name, verdicts in told.items()
    }  # fmt: skip


def lines(worlds: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield all figures."""
    for name in WORLDS:
        yield from coverage(name, worlds, seed)
    pairs = ((1.5, 0.3, False), (1.5, 0.9, False), (3.5, 0.5, False), (1.5, 0.3, True))
    for rows in SIZES:
        for apart, alike, grouped in pairs:
            found = false_verdicts(worlds, rows, apart, alike, grouped, seed)
            for score, told in found.items():
                yield {"equal models": score, "rows": rows, "apart": apart, "alike": alike,
                       "grouped": grouped, **told}  # fmt: skip
    yield {"payments": fraud_worlds.coverage(max(worlds // 2, 1))}
    yield from ({"claims": line} for line in calibration_worlds.rates(worlds))
    yield from ({"near duplicates": name, "share": round(value, 4)}
                for name, value in near_duplicates.figures().items())  # fmt: skip


if __name__ == "__main__":
    import evaluate

    given = [int(text) for text in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        evaluate.config.HF_METRICS_CACHE = folder
        for line in lines(*given, *(300, 0)[len(given) :]):
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
