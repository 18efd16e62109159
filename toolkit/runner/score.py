"""The scores of a run: test whole, without overlapping rows, by slices; and the baselines."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from toolkit.data import LoadedData, groups
from toolkit.evaluation import run_metrics
from toolkit.evaluation.baselines import Attempt, Verdicts, score_baselines
from toolkit.evaluation.bootstrap import Groups
from toolkit.evaluation.calibration import Sample
from toolkit.evaluation.predicting import predict
from toolkit.evaluation.scoring import Draws, Pairs, Scores, score, score_and_draws
from toolkit.plugin import Plugin
from toolkit.plugin_types import Figure, Ints
from toolkit.recipe.schema import Recipe
from toolkit.runner.prepare import Clock
from toolkit.runs.folder import predictions_file, read_predictions
from toolkit.runs.writer import RunWriter
from toolkit.utils import distributed

if TYPE_CHECKING:
    import datasets


BASELINE_SECONDS = 300.0  # for all baselines together, or the training time where that is longer
SLICE_VALUES = 20  # of a slice column, the most frequent ones


class Scored(Protocol):
    """A plugin with its model, and the rows that it is scored on: a `Job`, or an evaluation."""

    recipe: Recipe
    plugin: Plugin[Any]
    loaded: LoadedData
    prepared: dict[str, datasets.Dataset]
    clock: Clock


def evaluate(job: Scored, folder: RunWriter) -> tuple[dict[str, Scores], dict[str, Any], Draws]:
    """Predict test once, and score it: whole, without overlapping rows, and by slices.

    The last value are the draws of the whole. Ranks but the first do their share of the predicting,
    and return nothing.
    """
    if not distributed.is_main():
        for split in ("validation", "test"):
            if split in job.prepared:
                deque(_predicted(job, split), maxlen=0)
        return {}, {}, {}

    def scored(rows: Any, mask: Any) -> Scores:
        units = _groups(job, "test")
        of = None if units is None else units[mask]
        return score(run_metrics.modules(job.plugin), rows, job.recipe.seed, of)

    metrics: dict[str, Scores] = {}
    folder.write(positive=_positive_class(job))
    if "validation" in job.prepared:
        metrics["validation"] = validation(job, folder)
    folder.write_predictions(_predicted(job, "test"), job.loaded.groups.get("test"))
    file = folder.path / "predictions.jsonl"
    metrics["test"], draws = _of_test(job, file)
    seen = job.loaded.overlapping
    if seen is not None and seen.any() and not seen.all():
        metrics["test_without_overlap"] = scored(read_predictions(file, ~seen), ~seen)
    slices = {
        column: {
            value: {"rows": int(mask.sum()), **scored(read_predictions(file, mask), mask)}
            for value, mask in _values(job.loaded.splits["test"], column)
        }
        for column in job.recipe.report.slices
    }
    return metrics, slices, draws


def validation(job: Scored, folder: RunWriter) -> Scores:
    """Predict validation, score it, and fit the temperature of probabilities there."""
    sample = Sample(len(job.loaded.splits["validation"]))
    pairs = sample.passing(_predicted(job, "validation"))
    folder.write_predictions(pairs, job.loaded.groups.get("validation"), "validation")
    rows = read_predictions(predictions_file(folder.path, "validation"))
    modules = run_metrics.modules(job.plugin)
    found = score(modules, rows, job.recipe.seed, _groups(job, "validation"))
    folder.write(calibration=sample.fitted())
    return found


def _of_test(job: Scored, file: Path, mask: Any = None) -> tuple[Scores, Draws]:
    units, modules = _groups(job, "test"), run_metrics.modules(job.plugin)
    of = units if units is None or mask is None else units[mask]
    return score_and_draws(modules, read_predictions(file, mask), job.recipe.seed, of)


def _groups(job: Scored, split: str) -> Groups | None:
    return groups.of_columns(job.loaded.groups.get(split, {}))


def _positive_class(job: Scored) -> str | None:
    """Return the positive one of two classes, where a metric of the plugin has been given it."""
    for module in run_metrics.modules(job.plugin).values():
        name: str | None = getattr(getattr(module, "encoding", None), "pos_label", None)
        if name is not None:
            return name
    return None


def calibrate(job: Scored) -> None:
    """Let the plugin choose on validation what it chooses there, the same on every rank."""
    plugin = job.plugin
    if "validation" not in job.prepared or type(plugin).calibrate is Plugin.calibrate:
        return
    found = [p for predictions, _ in _predicted(job, "validation") for p in predictions]
    plugin.calibration = distributed.broadcast_object(
        plugin.calibrate(found) if distributed.is_main() else {}
    )


def figures(job: Scored, folder: RunWriter) -> Mapping[str, Figure]:
    """Return the plugin's curves and images of the test predictions."""
    file = folder.path / "predictions.jsonl"
    return job.plugin.figures(p for found, _ in read_predictions(file) for p in found)


def tables(job: Scored, folder: RunWriter) -> dict[str, Any]:
    """Return the plugin's tables of the test predictions, as run.json has them."""
    batches = read_predictions(folder.path / "predictions.jsonl")
    found = job.plugin.tables(pair for batch in batches for pair in zip(*batch, strict=True))
    return {
        title: {"columns": list(table.columns), "rows": [list(row) for row in table.rows]}
        for title, table in found.items()
    }


def _predicted(job: Scored, split: str) -> Iterator[tuple[list[Any], list[Any]]]:
    raw, size = job.loaded.splits[split], job.recipe.training.get("per_device_eval_batch_size", 64)
    for batch in predict(job.plugin, job.plugin.model, raw, job.prepared[split], size):
        rows = raw.select(range(batch.start, batch.start + len(batch.predictions)))
        yield batch.predictions, job.plugin.references(rows.to_list())


def _values(split: datasets.Dataset, column: str) -> Iterator[tuple[str, Any]]:
    """Yield the most frequent values of a column and which rows hold them."""
    cells = np.array([str(value) for value in split[column]])
    values, counts = np.unique(cells, return_counts=True)
    for place in np.argsort(-counts, kind="stable")[:SLICE_VALUES]:
        yield str(values[place]), cells == values[place]


def baseline_seconds(train_seconds: float) -> float:
    """Return the seconds that all baselines of a run together may take; few need as many."""
    return max(BASELINE_SECONDS, train_seconds)


def baselines(
    job: Scored, folder: RunWriter, own: tuple[Scores, Draws], attempt: Attempt
) -> tuple[dict[str, Scores], dict[str, dict[str, Any]], Verdicts]:
    """Score the plugin's baselines, and compare the model with each on the same test rows.

    Args:
        own: scores and draws of the model on all test rows.
    """
    rows = len(job.loaded.splits["test"])

    def model(few: Ints) -> tuple[Scores, Draws]:
        if len(few) == rows:
            return own
        return _of_test(job, folder.path / "predictions.jsonl", np.isin(np.arange(rows), few))

    def keep(name: str, few: Ints, pairs: Pairs) -> None:
        folder.write_predictions(pairs, baseline=name, rows=few.tolist())

    modules = partial(run_metrics.modules, job.plugin)
    seconds, of = baseline_seconds(job.clock.seconds.get("train", 0.0)), _groups(job, "test")
    return score_baselines(
        job.plugin, job.prepared, modules, seconds, job.recipe.seed, of, attempt,
        model=model, keep=keep,
    )  # fmt: skip
