"""The training of a run: method applied, Trainer made, smaller batches where memory is short."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from toolkit.errors import BatchSizeError, Fault, Interrupted, RecipeError
from toolkit.evaluation.batches import PRIVATE, batch_maker, collator, default_collator, records
from toolkit.models import adapters, methods
from toolkit.models.method import Method, MethodContext
from toolkit.runner import facts
from toolkit.runner.prepare import Job
from toolkit.runner.resolve import headline
from toolkit.runs.predictor import load_predictor
from toolkit.runs.writer import RunWriter
from toolkit.training import batching, checkpoints, log_history, tracking
from toolkit.training.arguments import early_stopping, honours_item_count
from toolkit.training.cpu import cheap_dropout
from toolkit.training.train import Trained, train, trained_model
from toolkit.training.trainer import build_trainer
from toolkit.utils import distributed
from toolkit.utils.distributed_errors import local_main_process_first, raise_on_all_ranks
from toolkit.utils.signals import ShutdownSignal
from toolkit.utils.text import print_text

if TYPE_CHECKING:
    from transformers import TrainerCallback

NEAR_END = 60.0  # seconds, in which a process imports the libraries even on a busy machine


def fit(
    job: Job,
    folder: RunWriter,
    console: Console,
    shutdown: ShutdownSignal,
    near_end: Callable[[], None] = lambda: None,
    callbacks: Sequence[TrainerCallback] = (),
) -> Trained:
    """Train the job's model; where a step does not fit into memory, again in smaller batches.

    Where the run's folder holds a checkpoint, training goes on from there.

    Args:
        near_end: called once on the first rank, when less than a minute of training is left and
            the processor has little to do: on an accelerator.
        callbacks: of the caller, besides those of the run.

    Raises:
        Interrupted: a signal came; a checkpoint has been written after the step.
    """
    while True:
        try:
            return _fit(job, folder, console, shutdown, near_end, callbacks)
        except BatchSizeError as error:
            # Other ranks are inside their step: the launcher starts all of them again.
            if error.smaller is None or distributed.size() > 1:
                raise
            smaller = error.smaller
        print_text(console, smaller["text"], "yellow")
        job.take_smaller_batches(smaller)
        folder.remove("checkpoints")
        # How steps are taken was measured on batches of another size.
        folder.write_recipe(job.recipe, devices=facts.devices(job), training_way=None)


def _fit(
    job: Job,
    folder: RunWriter,
    console: Console,
    shutdown: ShutdownSignal,
    near_end: Callable[[], None],
    callbacks: Sequence[TrainerCallback],
) -> Trained:
    """Apply the method to the model, and train what it leaves to train."""
    from toolkit.training.callbacks.divergence import DivergenceCallback
    from toolkit.training.callbacks.near_end import NearEndCallback
    from toolkit.training.callbacks.pause import PauseCallback
    from toolkit.training.callbacks.progress import LogTimesCallback, RichProgressCallback
    from toolkit.training.callbacks.record import RecordCallback

    plugin, best = job.plugin, headline(job.plugin)
    with raise_on_all_ranks(), local_main_process_first():
        method, report = apply_method(job, partial(print_text, console, style="dim"))
    if not is_trainable(plugin.model):
        return Trained(report)
    progress = RichProgressCallback(console, best[0] if best else None)
    pause = PauseCallback(shutdown)
    start = distributed.broadcast_object(checkpoints.newest(folder.path / "checkpoints"))
    folder.note_start(start)
    if start.path and folder.record.get("trained_steps") == start.step:
        # Training had ended, perhaps early: no step follows, whatever the recipe's epochs are.
        job.arguments.max_steps = start.step
    for reason in start.passed_over:
        print_text(console, f"skipped {reason}", "yellow")
    device = job.arguments.device.type
    with closing(progress), method.while_training(plugin.model), cheap_dropout(device):
        keeper = RecordCallback(folder.text)
        own = [DivergenceCallback(), progress, pause, LogTimesCallback(), keeper, *callbacks]
        if device != "cpu" and distributed.is_main():
            own.append(NearEndCallback(near_end, NEAR_END))
        trainer = make_trainer(job, folder, *own, after=start.step)
        trainer.toolkit_recorded_way = folder.record.get("training_way")
        trainer.toolkit_tell_way = lambda way: folder.write(training_way=way)
        with shutdown.while_training():
            trained = train(trainer, report, start)
        if pause.paused:
            raise Interrupted(f"{shutdown.asked or 'a signal'} after step {trained.steps}")
        if distributed.is_main():
            folder.write(trained_steps=trained.steps)
            log_history.write(folder.path, trainer.state.log_history)
        plugin.model = trained_model(trainer, plugin.model)
        plugin.model.zero_grad()  # memory that scoring can use
    return trained


def apply_method(
    job: Job, say: Callable[[str], None] = lambda text: None, cache: Path | None = None
) -> tuple[Method, dict[str, Any]]:
    """Make the plugin's model the one that the method trains.

    Args:
        cache: where features are kept; the cache of `datasets` where not given.

    Returns the method, and what it did, for run.json.
    """
    method = methods.method_for(job.recipe.method)
    context = MethodContext(
        job.plugin, job.loaded.splits, job.prepared, job.recipe.seed, say,
        load_run=lambda path: load_predictor(path).plugin, cache=cache,
    )  # fmt: skip
    job.plugin.model = method.apply(job.plugin.model, context)
    return method, {"name": job.recipe.method.name, **context.report}


def is_trainable(model: Any) -> bool:
    """Return whether the method has left anything for a Trainer to do."""
    return any(parameter.requires_grad for parameter in model.parameters())


def require_lean(trainer: Any, training: Mapping[str, Any]) -> None:
    """Raise RecipeError where settings are for the toolkit's loop, and transformers' is used."""
    lean = hasattr(trainer, "lean") and trainer.lean()
    divides = training.get(batching.TOKENS) == getattr(trainer, "toolkit_tokens", None)
    steps = lean or training.get("step", "auto") == "auto"
    what = f"is not for {type(trainer).__name__} with these settings: leave it out"
    refused = {batching.TOKENS: not divides, "step": not steps}
    if faults := [Fault(f"training.{key}", what) for key, wrong in refused.items() if wrong]:
        raise RecipeError(faults)


def make_trainer(job: Job, folder: RunWriter, *own: TrainerCallback, after: int = 0) -> Any:
    """Return the plugin's Trainer with all its parts.

    Args:
        own: callbacks besides those of recipe and method.
        after: the step that training goes on from.
    """
    import transformers

    plugin, recipe, prepared, model = job.plugin, job.recipe, job.prepared, job.plugin.model
    method = methods.method_for(recipe.method)
    own_loss = method.loss(plugin)  # then the model computes none, and might not from these labels
    probe = batch_maker(plugin, model, own_loss is None)(records(prepared["train"], [0, 1]))
    inner = adapters.inner(model)  # where Trainer looks
    inner.accepts_loss_kwargs = honours_item_count(inner, probe)
    job.arguments.output_dir = str(folder.path / "checkpoints")
    transformers.set_seed(recipe.seed)
    parts = {
        "model": model,
        "args": job.arguments,
        "train_dataset": prepared["train"],
        "eval_dataset": prepared["validation"],
        # As the plugin made it where it can be: a Trainer of its own may look at its class.
        "data_collator": collator(plugin)
        if {*PRIVATE} & {*prepared["train"].column_names}
        else plugin.collator() or default_collator(plugin),
        "processing_class": plugin.processor,
        "compute_loss_func": own_loss,
        "callbacks": [*own, *early_stopping(recipe), *method.callbacks()],
    }
    made: Any = plugin.trainer(**parts) or build_trainer(plugin, **parts)
    require_lean(made, recipe.training)
    tracking.redirect_tensorboard(made, folder.path, after)
    made.toolkit_inputs = prepared["validation"]  # whatever the plugin has given to its Trainer
    return made
