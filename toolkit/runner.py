"""The one page to read: recipe, plugin, data, model, method, trainer, scores, proof, report."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from toolkit import launching, messages, methods, ranks, record, reload, scores, training
from toolkit.agreement import agreed
from toolkit.errors import BatchSizeError
from toolkit.job import Job, Overrides, check, headline, seed_everything
from toolkit.runs import OthersFolder, Run, RunFolder
from toolkit.trainer import train

if TYPE_CHECKING:
    from transformers import TrainerCallback

    from toolkit.plugin import Plugin
    from toolkit.progress import TrainingProgress

__all__ = ["Job", "check", "run", "save"]


def run(
    name: str,
    overrides: Overrides = (),
    out: Path | None = None,
    console: Console | None = None,
) -> Run | None:
    """Run a recipe in this process (or in all ranks, where it is one) and return the finished run.

    None is returned to a rank on a machine that does not see the run's folder.

    Args:
        name: of a recipe, or the path of its file.
        overrides: (key path, value) pairs that win over the recipe.
        out: the run's folder; runs/<recipe>/<time> where not given.
        console: where progress is shown; None is silent.

    Raises:
        UserError: what the user has to mend; nothing has been trained.
        ToolkitError: the run failed; its folder says so, and keeps what was written.
    """
    launching.join(name, overrides)
    with agreed():
        job = check(name, overrides)
        job.reductions += messages.reductions()
    folder = _folder(out, job.name)
    try:
        folder.write_recipe(job.recipe)
        folder.write(**record.opening(job))
        console = console if console and ranks.is_main() else Console(quiet=True)
        for note in folder.record["devices"]["notes"] if ranks.is_main() else ():
            console.print(note, style="yellow", highlight=False)
        _train_and_score(job, folder, console)
    except KeyboardInterrupt:
        folder.write(status="interrupted")
        raise
    except BaseException as error:
        folder.write(status="failed", error=f"{type(error).__name__}: {error}")
        raise
    finally:
        folder.release()
    ranks.wait()
    return Run(folder.path) if (folder.path / "run.json").is_file() else None


def _folder(out: Path | None, name: str) -> RunFolder:
    """Make the run's folder on rank 0, and tell the others where it is."""
    folder, path = None, Path()
    with agreed():
        if ranks.is_main():
            folder = RunFolder.create(out, name)
            path = folder.path
            messages.say_where(path)
    path = ranks.share(path)
    return folder or OthersFolder(path)


def _train_and_score(job: Job, folder: RunFolder, console: Console) -> None:
    """Train, score, save, prove and report: the order in which the folder fills."""
    from toolkit.progress import TrainingProgress
    from toolkit.reporting import card

    clock, plugin = job.clock, job.plugin
    best = headline(plugin)
    progress = TrainingProgress(console, best[0] if best else None)
    with clock.phase("train"), closing(progress):
        trainer, trained = _fit(job, folder, progress, console)
    with clock.phase("save"):
        weights = whole_weights(trainer)
        # Without accelerate's autocast wrapper: what is scored is what is saved.
        plugin.model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
        plugin.model.eval()
        if not weights:  # in whole on every rank
            ranks.align(plugin.model)
        if ranks.is_main():
            save(plugin, folder.path / "model", **weights)
    console.print("scoring", style="dim")
    with clock.phase("score"):
        metrics, slices = scores.measure(job, folder)
    if not ranks.is_main():
        return
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


def _fit(
    job: Job, folder: RunFolder, progress: TrainingProgress, console: Console
) -> tuple[Any, dict[str, float]]:
    """Train; where a step does not fit into memory, again from the start in smaller batches."""
    while True:
        try:
            trainer = _trainer(job, folder, progress)
            return trainer, train(trainer)
        except BatchSizeError as error:
            # Other ranks are inside their step: all of them must be started anew, see launching.
            if error.smaller is None or ranks.size() > 1:
                raise
            smaller = error.smaller
        progress.close()
        console.print(smaller["text"], style="yellow", highlight=False)
        del trainer
        job.take_smaller_batches(smaller)
        folder.clear_checkpoints(keep=False)
        folder.write_recipe(job.recipe)
        folder.write(devices=record.devices(job))


def _trainer(job: Job, folder: RunFolder, progress: TrainerCallback) -> Any:
    """Apply the method to the model, and hand all parts to the plugin's Trainer."""
    from toolkit.evaluation.predicting import batch_maker, default_collator, records

    plugin, recipe, prepared = job.plugin, job.recipe, job.prepared
    material = methods.Material(plugin, prepared, recipe.seed)
    model = plugin.model = methods.of(recipe.method).apply(plugin.model, material)
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
        compute_loss_func=plugin.loss(),
        callbacks=[progress, *training.early_stopping(recipe)],
    )


def whole_weights(trainer: Any) -> dict[str, Any]:
    """Return `state_dict=` for `save_pretrained` where each rank holds a part of the weights.

    All ranks take part in the gathering, so that all must call it.
    """
    if not (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):
        return {}
    return {"state_dict": trainer.accelerator.get_state_dict(trainer.model_wrapped)}


def save(plugin: Plugin[Any], folder: Path, **weights: Any) -> None:
    """Save model and processor as plain `save_pretrained` folders: safetensors, no pickle."""
    plugin.model.save_pretrained(folder, **weights)
    if plugin.processor is not None:
        plugin.processor.save_pretrained(folder)
