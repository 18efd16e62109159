"""The training of a run: the method applied, the Trainer made, and batches that fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from toolkit.errors import BatchSizeError, Interrupted
from toolkit.models import adapters, methods
from toolkit.models.method import Method, MethodContext
from toolkit.runner import facts
from toolkit.runner.prepare import headline, seed_everything
from toolkit.runs.predictor import load_predictor
from toolkit.training import checkpoints, log_history, tracking
from toolkit.training.arguments import early_stopping, honours_item_count
from toolkit.training.cpu import cheap_dropout
from toolkit.training.train import Trained, train, unwrap_model
from toolkit.training.trainer import build_trainer
from toolkit.utils import distributed
from toolkit.utils.distributed_errors import local_main_process_first, raise_on_all_ranks
from toolkit.utils.text import print_text

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from transformers import TrainerCallback

    from toolkit.plugin import Plugin
    from toolkit.runner.prepare import Job
    from toolkit.runs.writer import RunWriter
    from toolkit.utils.signals import ShutdownSignal


def fit(job: Job, folder: RunWriter, console: Console, watch: ShutdownSignal) -> Trained:
    """Train the job's model; where a step does not fit into memory, anew in smaller batches.

    Where the run's folder holds a checkpoint, training goes on from there.

    Raises:
        Interrupted: a signal came; a checkpoint has been written after the step.
    """
    while True:
        try:
            return _fit(job, folder, console, watch)
        except BatchSizeError as error:
            # Other ranks are inside their step: all of them must be started anew, see launching.
            if error.smaller is None or distributed.size() > 1:
                raise
            smaller = error.smaller
        print_text(console, smaller["text"], "yellow")
        job.take_smaller_batches(smaller)
        folder.clear_checkpoints(keep=False)
        folder.write_recipe(job.recipe)
        folder.write(devices=facts.devices(job))


def _fit(job: Job, folder: RunWriter, console: Console, watch: ShutdownSignal) -> Trained:
    """Apply the method to the model, and train what it leaves to train."""
    from toolkit.training.callbacks.divergence import DivergenceCallback
    from toolkit.training.callbacks.pause import PauseCallback
    from toolkit.training.callbacks.progress import RichProgressCallback
    from toolkit.training.callbacks.timing import LogTimesCallback

    plugin = job.plugin
    with (
        raise_on_all_ranks(),
        local_main_process_first(),
    ):  # what one rank leaves in the cache, the others find there
        method, report = apply_method(job, partial(print_text, console, style="dim"))
    if not is_trainable(plugin.model):
        return Trained(report)
    best, kind = headline(plugin), job.arguments.device.type
    progress, pausing = (
        RichProgressCallback(console, best[0] if best else None),
        PauseCallback(watch),
    )
    start = distributed.broadcast_object(checkpoints.newest(folder.path / "checkpoints"))
    folder.note_start(start)
    for reason in start.passed_over:
        print_text(console, f"passed over {reason}", "yellow")
    with closing(progress), method.while_training(plugin.model), cheap_dropout(kind):
        own = (DivergenceCallback(), progress, pausing, LogTimesCallback())
        trainer = make_trainer(job, folder, *own, after=start.step)
        with watch.while_training():
            trained = train(trainer, report, start)
        if pausing.paused:
            raise Interrupted(f"{watch.asked or 'a signal'} after step {trained.steps}")
        if distributed.is_main():
            log_history.write(folder.path, trainer.state.log_history)
        # Without accelerate's autocast wrapper: what is scored is what is saved.
        trained_model = unwrap_model(trainer, plugin.model)
        plugin.model = trainer.accelerator.unwrap_model(trained_model, keep_fp32_wrapper=False)
    return trained


def apply_method(
    job: Job, say: Callable[[str], None] = lambda text: None
) -> tuple[Method, dict[str, Any]]:
    """Make the plugin's model the one that the method trains; return it and what it says."""
    method = methods.method_for(job.recipe.method)
    raw = job.loaded.splits
    material = MethodContext(
        job.plugin, raw, job.prepared, job.recipe.seed, say, load_run=_load_run
    )
    job.plugin.model = method.apply(job.plugin.model, material)
    return method, {"name": job.recipe.method.name, **material.report}


def _load_run(path: Path) -> Plugin[Any]:
    return load_predictor(path).plugin


def is_trainable(model: Any) -> bool:
    """Return whether the method has left anything for a Trainer to do."""
    return any(parameter.requires_grad for parameter in model.parameters())


def make_trainer(job: Job, folder: RunWriter, *own: TrainerCallback, after: int = 0) -> Any:
    """Hand all parts to the plugin's Trainer, which will go on after such a step."""
    from toolkit.evaluation.batches import batch_maker, default_collator, records

    plugin, recipe, prepared, model = job.plugin, job.recipe, job.prepared, job.plugin.model
    method = methods.method_for(recipe.method)
    probe = batch_maker(plugin, model, with_labels=True)(records(prepared["train"], [0, 1]))
    inner = adapters.inner(model)  # where Trainer looks
    inner.accepts_loss_kwargs = honours_item_count(inner, probe)
    job.arguments.output_dir = str(folder.path / "checkpoints")
    seed_everything(recipe.seed)
    parts: dict[str, Any] = dict(
        model=model,
        args=job.arguments,
        train_dataset=prepared["train"],
        eval_dataset=prepared["validation"],
        data_collator=plugin.collator() or default_collator(plugin),
        processing_class=plugin.processor,
        compute_loss_func=method.loss(plugin),
        callbacks=[*own, *early_stopping(recipe), *method.callbacks()],
    )
    made: Any = plugin.trainer(**parts) or build_trainer(plugin, **parts)
    tracking.redirect_tensorboard(made, folder.path, after)
    made.toolkit_inputs = prepared["validation"]  # whatever the plugin has given to its Trainer
    return made
