"""Baselines that a fine-tuned model must beat, scored by the same metrics.

They see the rows that the model sees. Only where that would take too long are fewer used, and their
number is reported.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluation import chunks
from toolkit.evaluation.bootstrap import Groups, unit_count
from toolkit.evaluation.differences import FEWER_ROWS, difference, direction, used_fewer
from toolkit.evaluation.scoring import Draws, Pairs, Scores, score_and_draws
from toolkit.plugin_types import Baseline, BaselineData, BaselineResult, Ints, Prediction, Row

if TYPE_CHECKING:
    import datasets
    import evaluate

    from toolkit.plugin import Plugin

FIRST = 2000  # rows of the first fit, whose time gives an estimate for more
GROWTH = 8  # times as many at most: few rows predict the cost of very many poorly
CAUTION = 0.6  # costs grow a little faster than rows
#: What (part, name) runs in that may fail: it may end the errors there.
Attempt = Callable[[str, str], AbstractContextManager[None]]
#: The model's scores, and their draws, on some test rows (ascending), drawn as the baselines' are.
ModelScores = Callable[[Ints], tuple[Scores, Draws]]
Verdicts = dict[str, dict[str, dict[str, Any]]]  # baseline -> metric -> `Difference.as_record`
FITTING = 0.8  # of a baseline's time; the rest is for predicting
BATCH = 1000
MOST_TESTED = 100_000  # test rows; of more, so many are drawn: predictions take memory and time


def fit_within(fit: Callable[[int], Any], rows: int, seconds: float) -> tuple[Any, int]:
    """Fit on all rows, or on as many as the time allows, estimated from smaller fits.

    Returns the last result of `fit`, and the number of rows it was given.
    """
    count, end = min(rows, FIRST), time.monotonic() + seconds
    while True:
        start = time.monotonic()
        model = fit(count)
        now = time.monotonic()
        affordable = CAUTION * (end - now) / max(now - start, 1e-9)  # times as many rows
        if count == rows or affordable < 2:
            return model, count
        count = min(rows, int(count * min(affordable, GROWTH)))


def row_batches(split: datasets.Dataset) -> Iterator[list[Row]]:
    """Yield all rows in order, some at a time."""
    for start in range(0, len(split), BATCH):
        yield split.select(range(start, min(start + BATCH, len(split)))).to_list()


class FittedBaseline(Baseline):
    """A model that is fitted on all training rows, or as many as the baseline's time allows.

    Where there are many, it is fitted on few of them first, in random order, to see what more would
    take. How many rows the last fit had, and how many test rows were predicted in the time left, is
    in the report.
    """

    @abstractmethod
    def fit(self, rows: datasets.Dataset, prepared: datasets.Dataset) -> Any:
        """Return a model fitted on raw rows; `prepared` is what `Plugin.prepare` made of them."""

    @abstractmethod
    def predict(
        self, model: Any, rows: datasets.Dataset, prepared: datasets.Dataset
    ) -> list[Prediction]:
        """Return a prediction for each raw row."""

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Fit on train and predict test within about `seconds`."""
        end, order = time.monotonic() + seconds, data.test_order

        def fit(count: int) -> Any:
            few = data.train_order[:count]
            return self.fit(*chunks.select(data.train, data.train_prepared, few))

        model, count = fit_within(fit, len(data.train), FITTING * seconds)
        predictions: list[Prediction] = []
        for start in range(0, len(order), BATCH):
            few = order[start : start + BATCH]
            part = chunks.select(data.test, data.test_prepared, few)
            predictions += self.predict(model, *part)
            if time.monotonic() > end:
                break
        return BaselineResult(predictions, order[: len(predictions)], count)


def score_baselines(
    plugin: Plugin[Any],
    prepared: Mapping[str, datasets.Dataset],
    modules: Callable[[], Mapping[str, evaluate.EvaluationModule]],
    seconds: float,
    seed: int,
    groups: Groups | None = None,
    attempt: Attempt = lambda *what: nullcontext(),
    rows: Mapping[str, datasets.Dataset] | None = None,
    model: ModelScores | None = None,
    keep: Callable[[str, Ints, Pairs], None] = lambda *found: None,
    intervals: bool = True,
) -> tuple[dict[str, Scores], dict[str, dict[str, Any]], Verdicts]:
    """Run the plugin's baselines; return their scores, what they used, and the verdicts.

    Used were so many rows of train and test, and the setting, where there are several.
    Of very many test rows they predict `MOST_TESTED`, drawn at random.
    A verdict is what model and baseline differ by on the same test rows, metric by metric; there is
    none in any metric where the baseline is what the run trains, and it is not run then.

    Args:
        groups: of the test rows, as `score` takes them. attempt: what each baseline runs in.
        rows: raw rows by split, those that are prepared; the plugin's data where not given.
        model: its scores; without them there are no verdicts.
        keep: gets a baseline's name, its test rows, ascending, and predictions and references.
        intervals: whether scores have them, which takes most of the time of few rows.
    """
    raw: Any = rows or plugin.data
    if raw is None:
        return {}, {}, {}
    data, tested = _data(raw, prepared, seed)
    baselines: list[Baseline] = []
    with attempt("baselines", "all"):
        baselines += plugin.baselines()
    scores: dict[str, Scores] = {}
    used: dict[str, dict[str, Any]] = {}
    judged: Verdicts = {}
    end = time.monotonic() + seconds
    for left, baseline in zip(range(len(baselines), 0, -1), baselines, strict=True):
        name = baseline.name
        if baseline.is_the_model:  # to fit it again would say nothing
            judged[name] = {}
            continue
        with attempt("baseline", name):
            found = baseline.run(data, max(end - time.monotonic(), 0.0) / left)
            order = np.argsort(found.test_rows)  # as the model's, so that draws are paired
            few = tested[found.test_rows[order]]
            given = [found.predictions[place] for place in order]
            pairs = [(given, plugin.references(raw["test"].select(few).to_list()))]
            keep(name, few, pairs)
            of, own = modules(), None if groups is None else groups[few]
            scores[name], draws = score_and_draws(of, pairs, seed if intervals else None, own)
            used[name] = _used(found)
            if model is not None:
                units, fewer = unit_count(len(few), own), used_fewer(used[name], len(raw["train"]))
                baseline_scores = scores[name], draws
                reason = FEWER_ROWS if fewer else ""
                judged[name] = verdicts(of, model(few), baseline_scores, units, reason)
    return scores, used, judged


def _data(
    raw: Mapping[str, datasets.Dataset], prepared: Mapping[str, datasets.Dataset], seed: int
) -> tuple[BaselineData, Ints]:
    """Return what baselines get, and the test rows that are in it, ascending."""
    rng = np.random.default_rng(seed)
    train_order, test_order = (rng.permutation(len(raw[split])) for split in ("train", "test"))
    tested = np.sort(test_order[:MOST_TESTED])
    test = raw["test"], prepared["test"]
    if len(tested) < len(test_order):
        test, test_order = chunks.select(*test, tested), rng.permutation(len(tested))
    data = BaselineData(
        raw["train"], prepared["train"], *test, train_order, test_order,
        raw.get("validation"), prepared.get("validation"),
    )  # fmt: skip
    return data, tested


def _used(found: BaselineResult) -> dict[str, Any]:
    """Return what run.json has of the rows that a baseline used, and of its setting."""
    more = {"setting": found.setting or None, "available": found.available}
    kept = {key: value for key, value in more.items() if value is not None}
    return {"train": found.train_rows, "test": len(found.test_rows), **kept}


def verdicts(
    modules: Mapping[str, evaluate.EvaluationModule],
    model: tuple[Scores, Draws],
    baseline: tuple[Scores, Draws],
    units: int,
    reason: str,
) -> dict[str, dict[str, Any]]:
    """Return what both differ by in each metric. reason: why that gives no verdict, or ""."""
    found = {}
    for name, module in modules.items():
        values = (baseline[0][name]["value"], model[0][name]["value"])
        draws = (baseline[1][name], model[1][name])
        record = difference(values, draws, units, direction(module)).as_record()
        found[name] = {**record, "verdict": reason} if reason else record
    return found
