"""The one page to read: recipe, plugin, data, model, method, trainer, scores, proof, report."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from toolkit import adapter_folder, methods, record, reload, scores, training
from toolkit.job import Job, Overrides, check, headline, seed_everything
from toolkit.runs import Run, RunFolder
from toolkit.trainer import train

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
    from toolkit.progress import TrainingProgress
    from toolkit.reporting import card

    clock, plugin = job.clock, job.plugin
    best = headline(plugin)
    progress = TrainingProgress(console, best[0] if best else None)
    with clock.phase("train"), closing(progress):
        trainer = _trainer(job, folder, progress)
        trained = train(trainer)
    with clock.phase("save"):
        # Without accelerate's autocast wrapper: what is scored is what is saved.
        plugin.model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
        plugin.model.eval()
        if adapter_folder.is_adapter(plugin.model):
            adapter_folder.name_base(plugin.model, job.files)
        save(plugin, folder.path / "model")
    method = methods.of(job.recipe.method)
    folder.write(**record.trained(plugin.model, method, folder.path / "model"))
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
        speed=record.speed(job, trained, trainer),
    )
    card.write(folder)
    folder.clear_checkpoints(keep="save_total_limit" in job.recipe.training)
    folder.write(status="finished")


def _trainer(job: Job, folder: RunFolder, progress: TrainerCallback) -> Any:
    """Apply the method to the model, and hand all parts to the plugin's Trainer."""
    from toolkit.evaluation.predicting import batch_maker, default_collator, records

    plugin, recipe, prepared = job.plugin, job.recipe, job.prepared
    material = methods.Material(plugin, prepared, recipe.seed)
    method = methods.of(recipe.method)
    model = plugin.model = method.apply(plugin.model, material)
    probe = batch_maker(plugin, model, with_labels=True)(records(prepared["train"], [0, 1]))
    inner = adapter_folder.inner(model)  # where Trainer looks
    inner.accepts_loss_kwargs = training.honours_item_count(inner, probe)
    job.arguments.output_dir = str(folder.path / "checkpoints")
    seed_everything(recipe.seed)
    return plugin.trainer(
        model=model,
        args=job.arguments,
        train_dataset=prepared["train"],
        eval_dataset=prepared["validation"],
        data_collator=plugin.collator() or default_collator(plugin),
        processing_class=plugin.processor,
        compute_loss_func=plugin.loss(),
        callbacks=[progress, *training.early_stopping(recipe), *method.callbacks()],
    )


def save(plugin: Plugin[Any], folder: Path) -> None:
    """Save model (or adapter) and processor by `save_pretrained`: safetensors, no pickle."""
    if adapter_folder.is_adapter(plugin.model):
        adapter_folder.save(plugin.model, folder)
    else:
        plugin.model.save_pretrained(folder)
    if plugin.processor is not None:
        plugin.processor.save_pretrained(folder)
