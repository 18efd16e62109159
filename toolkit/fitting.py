"""The training of a run: the method applied, the Trainer made, and batches that fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from toolkit import (
    adapter_folder,
    checkpoints,
    history,
    methods,
    ranks,
    record,
    shown,
    tracking,
    training,
)
from toolkit.agreement import agreed, first_here
from toolkit.cpu import cheap_dropout
from toolkit.errors import BatchSizeError, Interrupted
from toolkit.job import headline, seed_everything
from toolkit.trainer import Trained, train
from toolkit.wrapped import model_of

if TYPE_CHECKING:
    from rich.console import Console
    from transformers import TrainerCallback

    from toolkit.interrupting import Watch
    from toolkit.job import Job
    from toolkit.runs import RunFolder


def fit(job: Job, folder: RunFolder, console: Console, watch: Watch) -> Trained:
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
            if error.smaller is None or ranks.size() > 1:
                raise
            smaller = error.smaller
        shown.say(console, smaller["text"], "yellow")
        job.take_smaller_batches(smaller)
        folder.clear_checkpoints(keep=False)
        folder.write_recipe(job.recipe)
        folder.write(devices=record.devices(job))


def _fit(job: Job, folder: RunFolder, console: Console, watch: Watch) -> Trained:
    """Apply the method to the model, and train what it leaves to train."""
    from toolkit.diverging import Divergence
    from toolkit.pausing import Pausing
    from toolkit.progress import TrainingProgress
    from toolkit.timing import Timing

    plugin = job.plugin
    with agreed(), first_here():  # what one rank leaves in the cache, the others find there
        method, report = apply_method(job, partial(shown.say, console, style="dim"))
    if not is_trainable(plugin.model):
        return Trained(report)
    best, kind = headline(plugin), job.arguments.device.type
    progress, pausing = TrainingProgress(console, best[0] if best else None), Pausing(watch)
    start = ranks.share(checkpoints.newest(folder.path / "checkpoints"))
    folder.note_start(start)
    for reason in start.passed_over:
        shown.say(console, f"passed over {reason}", "yellow")
    with closing(progress), method.while_training(plugin.model), cheap_dropout(kind):
        own = (Divergence(), progress, pausing, Timing())
        trainer = make_trainer(job, folder, *own, after=start.step)
        with watch.while_training():
            trained = train(trainer, report, start)
        if pausing.paused:
            raise Interrupted(f"{watch.asked or 'a signal'} after step {trained.steps}")
        if ranks.is_main():
            history.write(folder.path, trainer.state.log_history)
        # Without accelerate's autocast wrapper: what is scored is what is saved.
        trained_model = model_of(trainer, plugin.model)
        plugin.model = trainer.accelerator.unwrap_model(trained_model, keep_fp32_wrapper=False)
    return trained


def apply_method(
    job: Job, say: Callable[[str], None] = lambda text: None
) -> tuple[methods.Method, dict[str, Any]]:
    """Make the plugin's model the one that the method trains; return it and what it says."""
    method = methods.of(job.recipe.method)
    raw = job.loaded.splits
    material = methods.Material(job.plugin, raw, job.prepared, job.recipe.seed, say)
    job.plugin.model = method.apply(job.plugin.model, material)
    return method, {"name": job.recipe.method.name, **material.report}


def is_trainable(model: Any) -> bool:
    """Return whether the method has left anything for a Trainer to do."""
    return any(parameter.requires_grad for parameter in model.parameters())


def make_trainer(job: Job, folder: RunFolder, *own: TrainerCallback, after: int = 0) -> Any:
    """Hand all parts to the plugin's Trainer, which will go on after such a step."""
    from toolkit.evaluation.predicting import batch_maker, default_collator, records

    plugin, recipe, prepared, model = job.plugin, job.recipe, job.prepared, job.plugin.model
    method = methods.of(recipe.method)
    probe = batch_maker(plugin, model, with_labels=True)(records(prepared["train"], [0, 1]))
    inner = adapter_folder.inner(model)  # where Trainer looks
    inner.accepts_loss_kwargs = training.honours_item_count(inner, probe)
    job.arguments.output_dir = str(folder.path / "checkpoints")
    seed_everything(recipe.seed)
    made: Any = plugin.trainer(
        model=model,
        args=job.arguments,
        train_dataset=prepared["train"],
        eval_dataset=prepared["validation"],
        data_collator=plugin.collator() or default_collator(plugin),
        processing_class=plugin.processor,
        compute_loss_func=method.loss(plugin),
        callbacks=[*own, *training.early_stopping(recipe), *method.callbacks()],
    )
    tracking.direct(made, folder.path, after)
    made.toolkit_inputs = prepared["validation"]  # whatever the plugin has given to its Trainer
    return made
