"""What a run will take: time, memory and cost, from a few measured steps of its own training.

Model, method and Trainer are those of the run; the batches are a sample of the epoch's own, spread
over their sizes, so that short and long texts count as often as they will come. The model is loaded
again afterwards, and nothing is written but to a temporary folder.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from toolkit.evaluation import chunks, run_metrics
from toolkit.evaluation.baselines import score_baselines
from toolkit.plugin import Plugin
from toolkit.runner import score
from toolkit.runner.estimating.steps import StepPlan, plan_steps
from toolkit.runner.estimating.trial import LinearCost, StepTimings, time_steps
from toolkit.runner.prepare import Job, make_model
from toolkit.training import batching
from toolkit.training.arguments import is_sharded
from toolkit.utils import hardware
from toolkit.utils.resources import peak_memory

SECONDS = 10.0  # for the measured steps; a step that has begun is finished
ROWS = 256  # of a split, on which baselines are measured


@dataclass(frozen=True)
class Estimate:
    """What a run is expected to take.

    seconds: by part (train, score, baselines, fixed), whose sum is `total_seconds`. memory: peak
    bytes in use, of the accelerator (of each, where there are several), else of the process.
    at_most: training may stop early. cost: `total_seconds` at the price per hour, or None. spent:
    seconds this took.
    """

    seconds: Mapping[str, float]
    steps: int
    step_seconds: float
    memory: int
    on_accelerator: bool
    at_most: bool
    cost: float | None
    measured_steps: int
    spent: float

    @property
    def total_seconds(self) -> float:
        """Seconds of the whole run."""
        return sum(self.seconds.values())


def estimate(job: Job, price: float | None = None) -> Estimate:
    """Measure a few steps of a job's training, and predict the whole run.

    Args:
        job: checked and ready to train; its model has its first weights again afterwards.
        price: per hour, in whatever currency.

    Raises:
        UserError: the settings are refused by the Trainer.
    """
    import torch

    start = time.monotonic()
    cuda = torch.cuda.is_available() and not job.arguments.use_cpu
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    # One process measures what each of the run's does.
    processes = max(1, hardware.device_count(on_cpu=job.arguments.use_cpu))
    tokens = job.recipe.training.get(batching.TOKENS)
    plan = plan_steps(job.arguments, job.prepared["train"], processes, tokens)
    try:
        with tempfile.TemporaryDirectory(prefix="toolkit-check-") as folder:
            measured = time_steps(job, plan, Path(folder), SECONDS)
        train = _training(job, plan, measured)
        baselines = _baselines(job, train)
    finally:
        make_model(job.plugin, job.recipe.seed, job.arguments, job.prepared["train"])
    scoring = _scoring(job, measured)
    seconds = {
        "train": train,
        "score": scoring,
        "baselines": baselines,
        "fixed": _fixed(job, measured, beside=scoring + baselines),
    }
    memory = peak_memory().get("accelerator" if cuda else "process", 0)
    if processes > 1 and not is_sharded(job.arguments):
        memory += measured.gradients  # a copy, in the buckets that are summed over processes
    return Estimate(
        seconds=seconds,
        steps=plan.steps if measured.times.any() else 0,
        step_seconds=float(measured.step_times(plan.sizes).mean()),
        memory=memory,
        on_accelerator=cuda,
        at_most="early_stopping_patience" in job.recipe.training,
        cost=None if price is None else price * sum(seconds.values()) / 3600,
        measured_steps=int(measured.times.any()) and len(measured.times),
        spent=time.monotonic() - start,
    )


def _training(job: Job, plan: StepPlan, measured: StepTimings) -> float:
    """Return the seconds of training: the method, every step, validation and checkpoints."""
    seconds = measured.method + measured.begin
    seconds += plan.steps * measured.step_times(plan.sizes).mean()
    validation = len(job.loaded.splits["validation"])
    seconds += plan.evaluations * measured.evaluation.at(validation) + plan.saves * measured.save
    return float(seconds)


def _scoring(job: Job, measured: StepTimings) -> float:
    """Return the seconds of predicting and scoring validation and test, whole and by slices."""
    validation, test = len(job.loaded.splits["validation"]), len(job.loaded.splits["test"])
    calibrates = type(job.plugin).calibrate is not Plugin.calibrate
    seen = job.loaded.overlapping
    again = 1 if seen is not None and seen.any() and not seen.all() else 0
    seconds = (1 + calibrates) * measured.prediction.at(validation)
    seconds += measured.scoring.at(validation)
    seconds += measured.prediction.at(test) + (1 + again) * measured.scoring.at(test)
    for column in job.recipe.report.slices:
        values = len(set(map(str, job.loaded.splits["test"][column])))
        parts = min(values, score.SLICE_VALUES)
        seconds += measured.scoring.slope * test + measured.scoring.base * parts
    return seconds


def _fixed(job: Job, measured: StepTimings, beside: float) -> float:
    """Return the seconds of all else; those before training have been measured.

    Args:
        beside: seconds of scoring and baselines, while which the saved model is loaded again.
    """
    before, test = job.clock.seconds, len(job.loaded.splits["test"])
    save = measured.save / 3  # the weights, without the optimizer's two moments of each
    # The fresh process of the reload check imports and loads again, and predicts the test rows.
    reload = before["imports"] + before["model"] / 2
    reload += measured.prediction.at(test)
    return sum(before.values()) + save + max(reload - beside, 0.0)


def _baselines(job: Job, train_seconds: float) -> float:
    """Return the seconds of the baselines, measured on some rows, up to the time they get."""
    raw, prepared = job.loaded.splits, job.prepared
    modules, rows = partial(run_metrics.modules, job.plugin), len(raw["train"])

    def run(count: int) -> None:
        few = {n: range(math.ceil(count * len(raw[n]) / rows)) for n in raw}
        some = {n: chunks.select(raw[n], prepared[n], few[n]) for n in raw}
        score_baselines(
            job.plugin, {n: made for n, (_, made) in some.items()}, modules, SECONDS,
            job.recipe.seed, rows={n: own for n, (own, _) in some.items()},
            attempt=lambda *what: suppress(Exception),  # which does not fail the run either
        )  # fmt: skip

    measured = LinearCost.measured(run, rows, ROWS)
    return min(measured.at(rows), score.baseline_seconds(train_seconds))
