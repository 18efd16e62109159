"""The one page to read: recipe, plugin, data, model, method, trainer, scores, proof, report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from toolkit import adapter_folder, fitting, launching, messages, ranks, record, reload, scores
from toolkit.agreement import agreed
from toolkit.job import Job, Overrides, check
from toolkit.restoring import CALIBRATION
from toolkit.runs import OthersFolder, Run, RunFolder

if TYPE_CHECKING:
    from toolkit.plugin import Plugin

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
    from toolkit.reporting import card, figures

    clock, plugin = job.clock, job.plugin
    with clock.phase("train"):
        trained = fitting.fit(job, folder, console)
    with clock.phase("score"):
        scores.calibrate(job)
    with clock.phase("save"):
        plugin.model.eval()
        if adapter_folder.is_adapter(plugin.model):
            adapter_folder.name_base(plugin.model, job.files)
        if not trained.weights:  # in whole on every rank
            ranks.align(plugin.model)
        if ranks.is_main():
            save(plugin, folder.path / "model", **trained.weights)
            folder.write(**record.fitted(job, trained, folder.path / "model"))
    console.print("scoring", style="dim")
    with clock.phase("score"):
        metrics, slices = scores.measure(job, folder)
    if not ranks.is_main():
        return
    with clock.phase("score"):
        folder.write(figures=figures.write(folder.path, scores.figures(job, folder)))
    with clock.phase("floors"):
        floors, floor_rows = scores.floors(job, clock.seconds["train"])
    folder.write(metrics=metrics, slices=slices, floors=floors, floor_rows=floor_rows)
    console.print("loading the saved model again", style="dim")
    with clock.phase("reload"):
        compared = reload.check(folder.path, job.loaded.splits["test"])
    folder.write(
        reload={"compared": compared.compared, "different": compared.different},
        speed=record.speed(job, trained),
    )
    card.write(folder)
    folder.clear_checkpoints(keep="save_total_limit" in job.recipe.training)
    folder.write(status="finished")


def save(plugin: Plugin[Any], folder: Path, **weights: Any) -> None:
    """Save model (or adapter) and processor by `save_pretrained`: safetensors, no pickle."""
    if adapter_folder.is_adapter(plugin.model):
        adapter_folder.save(plugin.model, folder, **weights)
    else:
        plugin.model.save_pretrained(folder, **weights)
    if plugin.processor is not None:
        plugin.processor.save_pretrained(folder)
    if plugin.calibration:
        text = json.dumps(dict(plugin.calibration), indent=2)
        (folder / CALIBRATION).write_text(text + "\n", encoding="utf-8")
