"""The scores of a run: test whole, without overlapping rows, by slices, and what beats it not."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from toolkit.runs.folder import read_predictions
from toolkit.runs.writer import RunWriter
from toolkit.utils import distributed

if TYPE_CHECKING:
    import datasets

    from toolkit.evaluation.scoring import Scores
    from toolkit.plugin_types import Figure
    from toolkit.runner.prepare import Job

BASELINE_SHARE = 0.2  # of the training time, for all baselines together
BASELINE_SECONDS = 10.0  # at least, as a run of seconds has little to share
SLICE_VALUES = 20  # of a slice column, the commonest ones


def evaluate(job: Job, folder: RunWriter) -> tuple[dict[str, Scores], dict[str, Any]]:
    """Predict test once, and score it: whole, without overlapping rows, and by slices.

    Ranks but the first do their share of the predicting, and return nothing.
    """
    from toolkit.evaluation import run_metrics
    from toolkit.evaluation.calibration import Sample
    from toolkit.evaluation.scoring import score

    plugin, seed = job.plugin, job.recipe.seed
    metrics: dict[str, Scores] = {}
    if not distributed.is_main():
        for split in ("validation", "test"):
            if split in job.prepared:
                deque(_predicted(job, split), maxlen=0)
        return metrics, {}
    folder.write(positive=_positive(job))
    if "validation" in job.prepared:
        sample = Sample(len(job.loaded.splits["validation"]))
        passing = sample.passing(_predicted(job, "validation"))
        metrics["validation"] = score(run_metrics.modules(plugin), passing, seed)
        folder.write(calibration=sample.fitted())
    folder.write_predictions(_predicted(job, "test"))
    file = folder.path / "predictions.jsonl"
    metrics["test"] = score(run_metrics.modules(plugin), read_predictions(file), seed)
    seen = job.loaded.overlapping
    if seen is not None and seen.any() and not seen.all():
        kept = read_predictions(file, ~seen)
        metrics["test_without_overlap"] = score(run_metrics.modules(plugin), kept, seed)
    slices: dict[str, Any] = {}
    for column in job.recipe.report.slices:
        slices[column] = {
            value: {"rows": int(mask.sum()), **score(run_metrics.modules(plugin),
                                                     read_predictions(file, mask), seed)}
            for value, mask in _values(job.loaded.splits["test"], column)
        }  # fmt: skip
    return metrics, slices


def _positive(job: Job) -> str | None:
    """Return the positive one of two classes, where a metric of the plugin has been told it."""
    from toolkit.evaluation import run_metrics

    encodings = (getattr(m, "encoding", None) for m in run_metrics.modules(job.plugin).values())
    named = (getattr(encoding, "pos_label", None) for encoding in encodings)
    return next((name for name in named if name is not None), None)


def calibrate(job: Job) -> None:
    """Let the plugin choose on validation what it chooses there, the same on every rank."""
    from toolkit.plugin import Plugin

    plugin = job.plugin
    if "validation" not in job.prepared or type(plugin).calibrate is Plugin.calibrate:
        return
    found = [p for predictions, _ in _predicted(job, "validation") for p in predictions]
    plugin.calibration = distributed.broadcast_object(
        plugin.calibrate(found) if distributed.is_main() else {}
    )


def figures(job: Job, folder: RunWriter) -> Mapping[str, Figure]:
    """Return the plugin's curves and pictures of the test predictions."""
    file = folder.path / "predictions.jsonl"
    return job.plugin.figures(p for found, _ in read_predictions(file) for p in found)


def _predicted(job: Job, split: str) -> Iterator[tuple[list[Any], list[Any]]]:
    from toolkit.evaluation.predicting import predict

    raw, size = job.loaded.splits[split], job.recipe.training.get("per_device_eval_batch_size", 64)
    for batch in predict(job.plugin, job.plugin.model, raw, job.prepared[split], size):
        rows = raw.select(range(batch.start, batch.start + len(batch.predictions)))
        yield batch.predictions, job.plugin.references(rows.to_list())


def _values(split: datasets.Dataset, column: str) -> Iterator[tuple[str, Any]]:
    """Yield the commonest values of a column and which rows hold them."""
    import numpy as np

    cells = np.array([str(value) for value in split[column]])
    values, counts = np.unique(cells, return_counts=True)
    for place in np.argsort(-counts, kind="stable")[:SLICE_VALUES]:
        yield str(values[place]), cells == values[place]


def baseline_seconds(train_seconds: float) -> float:
    """Return what all baselines of a run may take together."""
    return max(BASELINE_SECONDS, BASELINE_SHARE * train_seconds)


def baselines(
    job: Job, train_seconds: float
) -> tuple[dict[str, Scores], dict[str, dict[str, int]]]:
    """Score the plugin's baselines within their share of the training time."""
    from toolkit.evaluation import run_metrics
    from toolkit.evaluation.baselines import score_baselines

    seconds, modules = baseline_seconds(train_seconds), partial(run_metrics.modules, job.plugin)
    return score_baselines(job.plugin, job.prepared, modules, seconds, job.recipe.seed)
