"""The one page to read: recipe, plugin, data, model, method, trainer, scores, proof, report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from toolkit import (
    adapter_folder,
    fitting,
    interrupting,
    launching,
    messages,
    mishaps,
    ranks,
    record,
    reload,
    resuming,
    scores,
    shown,
    tracking,
    usage,
)
from toolkit.agreement import agreed
from toolkit.errors import Interrupted
from toolkit.job import Job, Overrides, check
from toolkit.restoring import CALIBRATION
from toolkit.runs import OthersFolder, Run, RunFolder

if TYPE_CHECKING:
    from toolkit.interrupting import Watch
    from toolkit.plugin import Plugin
    from toolkit.tracking import Trackers

__all__ = ["Job", "check", "run", "save"]


def run(
    name: str,
    overrides: Overrides = (),
    out: Path | None = None,
    console: Console | None = None,
    resume: bool = False,
) -> Run | None:
    """Run a recipe in this process (or in all ranks, where it is one) and return the finished run.

    None is returned to a rank on a machine that does not see the run's folder.

    Args:
        name: of a recipe, or the path of its file.
        overrides: (key path, value) pairs that win over the recipe.
        out: the run's folder; runs/<recipe>/<time> where not given.
        console: where progress is shown; None is silent.
        resume: go on with the run in `out` (or the last one of the recipe) that did not get to its
            end; where there is none, start one.

    Raises:
        UserError: what the user has to mend; nothing has been trained.
        ToolkitError: the run failed; its folder says so, and keeps what was written.
        Interrupted: a signal came; what was done is kept, and `resume` goes on.
    """
    launching.join(name, overrides)
    console = console if console and ranks.is_main() else Console(quiet=True)
    with interrupting.watching() as watch:
        with agreed():
            before = ranks.share(resuming.find(name, overrides, out) if resume else None)
            if before is not None and before.finished:
                return Run(before.path) if before.path.is_dir() else None
            job = check(name, [*overrides, *(before.overrides if before else ())])
            job.reductions += messages.reductions()
        folder = _folder(out, job, before)
        return _run(job, folder, console, watch)


def _run(job: Job, folder: RunFolder, console: Console, watch: Watch) -> Run | None:
    """Fill the run's folder, and say in it how that ended."""
    try:
        folder.write_recipe(job.recipe)
        folder.write(**record.opening(job))
        for note in folder.record["devices"]["notes"] if ranks.is_main() else ():
            shown.say(console, note, "yellow")
        with tracking.following(job, folder) as trackers:
            _train_and_score(job, folder, console, watch, trackers)
    except KeyboardInterrupt as error:
        folder.write(status="interrupted", error=str(error) or None)
        raise Interrupted(f"{error or 'stopped'}; {resuming.how(folder.path)}") from None
    except BaseException as error:
        known = mishaps.in_words(error, folder.path)
        folder.fail(str(known or f"{type(error).__name__}: {error}"))
        if known is None:
            raise
        raise known from error
    finally:
        folder.release()
    ranks.wait()
    return Run(folder.path) if (folder.path / "run.json").is_file() else None


def _folder(out: Path | None, job: Job, before: resuming.Before | None) -> RunFolder:
    """Make the run's folder on rank 0, or take it up again, and tell the others where it is."""
    folder, path = None, Path()
    with agreed():
        if ranks.is_main():
            folder = resuming.take_up(before, job) if before else RunFolder.create(out, job.name)
            path = folder.path
            messages.say_where(path)
    path = ranks.share(path)
    return folder or OthersFolder(path)


def _train_and_score(
    job: Job, folder: RunFolder, console: Console, watch: Watch, trackers: Trackers
) -> None:
    """Train, score, save, prove and report: the order in which the folder fills."""
    from toolkit.reporting import card, figures, html

    clock, plugin, energy = job.clock, job.plugin, usage.Energy()
    with clock.phase("train"):
        trained = fitting.fit(job, folder, console, watch)
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
        resources=record.resources(energy),
    )
    html.of_job(job, folder)
    card.write(folder)
    trackers.report(console)
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
