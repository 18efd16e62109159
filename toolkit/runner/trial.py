"""A run as a trial of a search: trained and scored on validation; its test split is not touched.

The one that is chosen goes on later, as a run that was interrupted does, and is scored on test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rich.console import Console

from toolkit.errors import Fault, UserError
from toolkit.runner import facts, processors, score
from toolkit.runner.fit import fit
from toolkit.runner.prepare import Job
from toolkit.runner.resolve import directions, headline
from toolkit.runs.writer import RunWriter
from toolkit.training.train import Trained
from toolkit.utils.jsonable import finite
from toolkit.utils.signals import ShutdownSignal
from toolkit.utils.text import listing, nearest

if TYPE_CHECKING:
    from transformers import TrainerCallback

LOSS = "loss"


@dataclass(frozen=True)
class Validation:
    """The score on validation after a step. last: no further step follows."""

    step: int
    epoch: float
    value: float | None
    last: bool = False


class Stopped(Exception):  # noqa: N818 - the end of a trial, and no error
    """The search has stopped the trial."""


@dataclass
class Trial:
    """What a search wants of a run.

    metric: by which trials are compared; None is that by which the run chooses its checkpoint.
    goes_on: is told each score on validation, and returns whether training goes on.
    begun: is told metric and direction, and rows by which trials are compared.
    """

    metric: str | None = None
    goes_on: Callable[[Validation], bool] = lambda validation: True
    begun: Callable[[Mapping[str, Any]], None] = lambda about: None
    told: list[Validation] = field(default_factory=list)

    def run(self, job: Job, folder: RunWriter, console: Console, shutdown: ShutdownSignal) -> None:
        """Train, score validation, and write that into the folder; or end early, as it is asked.

        Raises:
            UserError: there is no such metric, or no validation split.
        """
        name, more = compared_by(job, self.metric)
        folder.write(trial={"metric": name, "greater_is_better": more})
        self.begun({"metric": name, "greater_is_better": more, "data": _rows(folder)})
        try:
            with job.clock.phase("train"):
                trained = fit(job, folder, console, shutdown, callbacks=[self._callback(name)])
        except Stopped:
            folder.end("pruned")
            folder.tidy("checkpoints")
            return
        job.plugin.model.eval()
        with job.clock.phase("score"):
            score.calibrate(job)
            found = score.validation(job, folder)
        value = self._loss(folder) if name == LOSS else found[name]["value"]
        processors.save_all_but_weights(job.plugin, folder.path / "model")
        job.clock.seconds.setdefault("baselines", 0.0)
        speed = facts.speed(job, trained)
        about = {"metric": name, "greater_is_better": more, "score": value, "speed": speed}
        folder.write(metrics={"validation": found}, speed=speed, method=trained.report,
                     parameters=facts.parameters(job, trained), trial=about)  # fmt: skip
        folder.end("validated")

    def _callback(self, name: str) -> TrainerCallback:
        from transformers import TrainerCallback

        told, goes_on = self.told, self.goes_on

        class Validations(TrainerCallback):
            """Tells the search each score on validation."""

            def on_evaluate(
                self, args: Any, state: Any, control: Any,
                metrics: dict[str, float] | None = None, **_: Any,
            ) -> None:  # fmt: skip
                value = finite((metrics or {}).get(f"eval_{name}"))  # None: undefined
                last = state.global_step >= state.max_steps or control.should_training_stop
                told.append(Validation(state.global_step, float(state.epoch or 0), value, last))
                if not goes_on(told[-1]):
                    raise Stopped

        return Validations()

    def _loss(self, folder: RunWriter) -> float | None:
        """Return the lowest loss on validation: no metric of the run, but known while it trains."""
        from toolkit.training import log_history

        losses = [line["eval_loss"] for line in log_history.read(folder.path)
                  if line.get("eval_loss") is not None]  # fmt: skip
        return min(losses, default=None)


def compared_by(job: Job, metric: str | None) -> tuple[str, bool]:
    """Return the metric by which trials are compared, and whether more of it is better.

    Raises:
        UserError: the run has none of that name, or no validation split.
    """
    if "validation" not in job.prepared:
        what = "there is no validation split, by which a sweep chooses: set data.split.validation"
        raise UserError(Fault("data.split", what))
    known, own = directions(job.plugin), job.recipe.training.get("metric_for_best_model")
    first = headline(job.plugin)
    asked = metric or own or (first[0] if first else None)
    if asked is None:
        raise UserError("this scenario has no metric to choose by: --metric loss")
    name = str(asked).removeprefix("eval_")
    if name == LOSS:
        return name, False
    if name not in known:
        names = [*known, LOSS]
        raise UserError(Fault(f"--metric {name}", f"this recipe does not compute it."
                              f"{nearest(name, names)} Computed: {listing(names)}."))  # fmt: skip
    more = known[name]
    if more is None:  # then the recipe may say which end is the better one
        more = job.recipe.training.get("greater_is_better")
    if more is None and metric:
        raise UserError(Fault(f"--metric {name}", "neither more nor less of it is better"))
    return name, more is not False


def take_up(job: Job, folder: RunWriter) -> bool:
    """Count the time of a trial that goes on as a whole run; return whether it is one.

    Its steps are done: as those of the run, they count with the seconds that they took.
    """
    before = (folder.record.get("trial") or {}).get("speed")
    if before is None:
        return False
    for phase, seconds in before["phases"].items():
        job.clock.seconds[phase] = job.clock.seconds.get(phase, 0.0) + seconds
    job.clock.started -= before["total_seconds"]
    return True


def as_trained(trained: Trained, folder: RunWriter) -> Trained:
    """Return what came of training, as the trial that did it has recorded it."""
    before = folder.record["trial"]["speed"]
    rate = before["train_samples_per_second"]
    seconds = before["rows_seen"] / rate if rate else trained.seconds
    return replace(trained, start=0, seconds=seconds)


def _rows(folder: RunWriter) -> dict[str, Any]:
    data = folder.record["data"]
    return {key: data.get(key) for key in ("fingerprint", "validation_digest", "rows")}
