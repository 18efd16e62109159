"""A few steps of a job's training, and what comes between and after them: seconds of each."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerCallback

from toolkit.errors import Fault, RecipeError
from toolkit.evaluation import chunks, run_metrics
from toolkit.evaluation.predicting import predict
from toolkit.evaluation.scoring import score
from toolkit.runner.estimating.steps import Floats, Ints, StepPlan, sample_steps
from toolkit.runner.fit import apply_method, is_trainable, make_trainer
from toolkit.runner.prepare import Job
from toolkit.runs.writer import RunWriter
from toolkit.training.cpu import cheap_dropout
from toolkit.training.reserved import EARLY_STOPPING
from toolkit.training.train import trained_model

FEW, ROWS = 64, 256  # rows whose evaluation is measured; more are extrapolated from the two
SCORED = 2048  # rows for which intervals are measured


@dataclass(frozen=True)
class LinearCost:
    """Seconds as a straight line through two measured numbers of rows."""

    base: float
    slope: float

    @classmethod
    def measured(cls, run: Callable[[int], object], rows: int, most: int) -> LinearCost:
        """Time `run(n)` for few rows and for up to `most` of the `rows` that there are."""

        def seconds(count: int) -> float:
            start = time.monotonic()
            run(count)
            return time.monotonic() - start

        few, many = min(FEW, rows), min(most, rows)
        run(min(8, rows))  # whatever only the first call does
        first, last = seconds(few), seconds(many)
        if many == few:
            return cls(0.0, (first + last) / 2 / max(few, 1))
        slope = max(last - first, 0.0) / (many - few)
        return cls(max(first - slope * few, 0.0), slope)

    def at(self, rows: int) -> float:
        """Return the seconds of so many rows."""
        return self.base + self.slope * rows


@dataclass(frozen=True)
class StepTimings:
    """What was measured.

    sizes, times: of the measured steps, shape (steps,); units of `StepPlan.sizes`, and seconds.
    method, begin, save: seconds to apply the method, to set up training, to write a checkpoint.
    evaluation: of a row while training; prediction, scoring: of a row of the report. gradients:
    their bytes.
    """

    sizes: Floats
    times: Floats
    method: float
    begin: float
    save: float
    evaluation: LinearCost
    prediction: LinearCost
    scoring: LinearCost
    gradients: int = 0

    def step_times(self, sizes: Floats) -> Floats:
        """Return the seconds of steps of such sizes: a line fitted to the measured ones."""
        away = self.sizes - self.sizes.mean()
        spread = float((away**2).sum())
        slope = max(float((away * self.times).sum()) / spread, 0.0) if spread else 0.0
        line = self.times.mean() + slope * (sizes - self.sizes.mean())
        found: Floats = np.maximum(line, 0.3 * self.times.min())
        return found


class Stopwatch(TrainerCallback):
    """Notes when steps end, and ends training when its seconds are spent."""

    def __init__(self, seconds: float, save: bool) -> None:
        self.seconds = seconds
        self.save = save
        self.ends: list[float] = []
        self.begun = self.saved = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note when training proper begins."""
        self.begun = self.begun or time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the end of a step; stop, and save once, at the last one."""
        self.ends.append(time.monotonic())
        # Three at least: the first is slow whatever it holds.
        if self.ends[-1] - self.begun > self.seconds and len(self.ends) >= 3:
            control.should_training_stop = True
        last = control.should_training_stop or state.global_step >= state.max_steps
        control.should_save = last and self.save

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note how long the checkpoint took."""
        self.saved = time.monotonic() - self.ends[-1]


class AccessRecorder(dict[str, Any]):
    """Prepared splits that note whether they were read: only then do more rows take longer."""

    read = False

    def __getitem__(self, name: str) -> Any:
        self.read = True
        return super().__getitem__(name)


def time_steps(job: Job, plan: StepPlan, folder: Path, seconds: float) -> StepTimings:
    """Train a job's model for some steps, evaluate and score some rows.

    The weights of the job's model are others afterwards; all else of the job stays as it is.

    Args:
        folder: for checkpoints, to be thrown away.
        seconds: for the steps.

    Raises:
        RecipeError: the Trainer refuses the settings.
    """
    chosen, rows = sample_steps(plan)
    sample, splits = _sample(job, rows, len(chosen))
    start = time.monotonic()
    applied, _ = apply_method(sample, cache=folder / "cache")
    method = time.monotonic() - start
    if splits.read:
        method *= max(1.0, len(job.prepared["train"]) / len(rows))
    if not is_trainable(sample.plugin.model):
        nothing, free = np.zeros(1), LinearCost(0.0, 0.0)
        return StepTimings(nothing, nothing, method, 0.0, 0.0, free, *_report_costs(sample))
    watch = Stopwatch(seconds, save=plan.saves > 0)
    start = time.monotonic()
    device, model = job.arguments.device.type, sample.plugin.model
    try:
        with applied.while_training(model), cheap_dropout(device):
            trainer = make_trainer(sample, RunWriter(folder), watch)
            trainer.train()
            evaluation = _evaluation_cost(sample, trainer)
            sample.plugin.model = trained_model(trainer, model)
    except (ImportError, ValueError) as error:  # a missing package, options that exclude each other
        raise RecipeError(Fault("training", str(error))) from error
    kept, times = _kept(chosen, np.diff([watch.begun, *watch.ends]))
    weights = sample.plugin.model.parameters()
    found = StepTimings(
        plan.sizes[kept], times, method, watch.begun - start, watch.saved,
        evaluation, *_report_costs(sample),
        sum(weight.nbytes for weight in weights if weight.requires_grad),
    )  # fmt: skip
    # What the first step takes beyond others of its size (compiling, for instance) is taken once.
    first = watch.ends[0] - watch.begun - float(found.step_times(plan.sizes[chosen[:1]])[0])
    return dataclasses.replace(found, begin=found.begin + max(first, 0.0))


def _sample(job: Job, rows: Ints, steps: int) -> tuple[Job, AccessRecorder]:
    """Return a copy of a job that trains for some steps on some rows, and its prepared splits."""
    from transformers.trainer_utils import IntervalStrategy, SaveStrategy

    train = job.prepared["train"]
    prepared = AccessRecorder({**job.prepared, "train": train.select(rows)})
    raw = job.loaded.splits["train"].select(chunks.rows_of(train, rows))
    settings = {k: v for k, v in job.recipe.training.items() if k not in EARLY_STOPPING}
    arguments = copy.copy(job.arguments)
    arguments.max_steps = steps
    arguments.train_sampling_strategy = "sequential"
    arguments.eval_strategy = IntervalStrategy.NO
    arguments.save_strategy = SaveStrategy.NO
    arguments.load_best_model_at_end = False
    arguments.report_to = []
    sample = dataclasses.replace(
        job,
        plugin=job.plugin.with_(),
        prepared=prepared,
        loaded=dataclasses.replace(job.loaded, splits={**job.loaded.splits, "train": raw}),
        recipe=job.recipe.model_copy(update={"training": settings}),
        arguments=arguments,
    )
    return sample, prepared


def _kept(chosen: Sequence[int], times: Floats) -> tuple[list[int], Floats]:
    """Return the measured steps and their seconds: of a size measured twice, the second.

    The first has to make what belongs to its shape; the very first counts only if it is alone.
    """
    last = {group: place for place, group in enumerate(chosen[: len(times)])}
    if len(last) > 1 and last[chosen[0]] == 0:
        del last[chosen[0]]
    return list(last), times[list(last.values())]


def _some(job: Job, name: str) -> tuple[Callable[[int], tuple[Any, Any]], int]:
    """Return a function that draws rows of a split, and how many there are."""
    order = np.random.default_rng(job.recipe.seed).permutation(len(job.loaded.splits[name]))

    def some(rows: int) -> tuple[Any, Any]:
        return chunks.select(job.loaded.splits[name], job.prepared[name], order[:rows])

    return some, len(order)


def _evaluation_cost(job: Job, trainer: Any) -> LinearCost:
    """Time evaluation while training, by rows."""
    some, rows = _some(job, "validation")

    def evaluate(count: int) -> None:
        trainer.toolkit_rows, trainer.toolkit_inputs = some(count)
        trainer.evaluate()

    return LinearCost.measured(evaluate, rows, ROWS)


def _report_costs(job: Job) -> tuple[LinearCost, LinearCost]:
    """Time prediction and scoring after training, by rows."""
    plugin, seed = job.plugin, job.recipe.seed
    size = job.arguments.per_device_eval_batch_size
    some, count = _some(job, "test")
    plugin.model.eval()
    pairs: list[tuple[Any, Any]] = []

    def forward(rows: int) -> None:
        raw, prepared = some(rows)
        pairs.clear()
        for batch in predict(plugin, plugin.model, raw, prepared, size):
            pairs.extend(zip(batch.predictions, plugin.references(raw.to_list()), strict=True))

    def scored(rows: int) -> None:
        predictions, references = zip(*islice(cycle(pairs), rows), strict=True)
        score(run_metrics.modules(plugin), [(predictions, references)], seed)

    prediction = LinearCost.measured(forward, count, ROWS)
    return prediction, LinearCost.measured(scored, count, SCORED)
