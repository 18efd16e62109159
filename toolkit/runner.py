"""The one page to read: recipe, plugin, data, model, method, trainer, scores, proof, report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from toolkit import methods, record, reload, scores, training
from toolkit.job import Job, Overrides, check, headline, seed_everything
from toolkit.runs import Run, RunFolder
from toolkit.trainer import Trained, train

if TYPE_CHECKING:
    from transformers import TrainerCallback

    from toolkit.plugin import Plugin

__all__ = ["Job", "check", "run", "save"]


def run(
    name: str,
    overrides: Overrides = (),
    out: Path | None = None,
    console: Console | None = None,
) -> Run:
    """Run a recipe and return the finished run.

    Args:
        name: of a recipe, or the path of its file.
        overrides: (key path, value) pairs that win over the recipe.
        out: the run's folder; runs/<recipe>/<time> where not given.
        console: where progress is shown; None is silent.

    Raises:
        UserError: what the user has to mend; nothing has been trained.
        ToolkitError: the run failed; its folder says so, and keeps what was written.
    """
    job = check(name, overrides)
    folder = RunFolder.create(out, job.name)
    try:
        folder.write_recipe(job.recipe)
        folder.write(**record.opening(job))
        console = console or Console(quiet=True)
        _train_and_score(job, folder, console)
    except KeyboardInterrupt:
        folder.write(status="interrupted")
        raise
    except BaseException as error:
        folder.write(status="failed", error=f"{type(error).__name__}: {error}")
        raise
    finally:
        folder.release()
    return Run(folder.path)


def _train_and_score(job: Job, folder: RunFolder, console: Console) -> None:
    """Train, score, save, prove and report: the order in which the folder fills."""
    from toolkit.reporting import card

    clock = job.clock
    with clock.phase("train"):
        trained = _train(job, folder, console)
    with clock.phase("save"):
        job.plugin.model.eval()
        save(job.plugin, folder.path / "model")
    console.print("scoring", style="dim")
    with clock.phase("score"):
        metrics, slices = scores.measure(job, folder)
    with clock.phase("floors"):
        floors, floor_rows = scores.floors(job, clock.seconds["train"])
    folder.write(metrics=metrics, slices=slices, floors=floors, floor_rows=floor_rows)
    console.print("loading the saved model again", style="dim")
    with clock.phase("reload"):
        compared = reload.check(folder.path, job.loaded.splits["test"])
    folder.write(
        reload={"compared": compared.compared, "different": compared.different},
        method=trained.report,
        speed=record.speed(job, trained),
    )
    card.write(folder)
    folder.clear_checkpoints(keep="save_total_limit" in job.recipe.training)
    folder.write(status="finished")


def _train(job: Job, folder: RunFolder, console: Console) -> Trained:
    """Apply the method to the model, and train what it leaves to train."""
    from toolkit.progress import TrainingProgress

    plugin = job.plugin
    method, report = apply_method(job, partial(console.print, style="dim", highlight=False))
    if not is_trainable(plugin.model):
        return Trained(report)
    best = headline(plugin)
    progress = TrainingProgress(console, best[0] if best else None)
    with closing(progress), method.while_training(plugin.model):
        trainer = make_trainer(job, folder, progress)
        trained = train(trainer, report)
        # Without accelerate's autocast wrapper: what is scored is what is saved.
        plugin.model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
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


def make_trainer(job: Job, folder: RunFolder, progress: TrainerCallback) -> Any:
    """Hand all parts to the plugin's Trainer."""
    from toolkit.evaluation.predicting import batch_maker, default_collator, records

    plugin, recipe, prepared, model = job.plugin, job.recipe, job.prepared, job.plugin.model
    probe = batch_maker(plugin, model, with_labels=True)(records(prepared["train"], [0, 1]))
    model.accepts_loss_kwargs = training.honours_item_count(model, probe)
    job.arguments.output_dir = str(folder.path / "checkpoints")
    seed_everything(recipe.seed)
    return plugin.trainer(
        model=model,
        args=job.arguments,
        train_dataset=prepared["train"],
        eval_dataset=prepared["validation"],
        data_collator=plugin.collator() or default_collator(plugin),
        processing_class=plugin.processor,
        compute_loss_func=methods.of(recipe.method).loss(plugin),
        callbacks=[progress, *training.early_stopping(recipe)],
    )


def save(plugin: Plugin[Any], folder: Path) -> None:
    """Save model and processor as plain `save_pretrained` folders: safetensors, no pickle."""
    plugin.model.save_pretrained(folder)
    if plugin.processor is not None:
        plugin.processor.save_pretrained(folder)
