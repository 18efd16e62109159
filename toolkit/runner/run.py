"""The one page to read: recipe, plugin, data, model, method, trainer, scores, proof, report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from toolkit.errors import Interrupted
from toolkit.models import adapters
from toolkit.recipe import Draft
from toolkit.runner import facts, failures, mailbox, score
from toolkit.runner.fit import fit
from toolkit.runner.join import join
from toolkit.runner.prepare import Job, prepare
from toolkit.runner.resume import RunToResume, find_run_to_resume, reopen_run
from toolkit.runs import verify
from toolkit.runs.folder import Run, resume_command
from toolkit.runs.predictor import CALIBRATION
from toolkit.runs.writer import RunWriter, SilentRunWriter
from toolkit.training import tracking
from toolkit.utils import distributed, resources, signals
from toolkit.utils.distributed_errors import raise_on_all_ranks
from toolkit.utils.text import print_text

if TYPE_CHECKING:
    from toolkit.plugin import Plugin
    from toolkit.training.tracking import Trackers
    from toolkit.utils.signals import ShutdownSignal


def run(
    draft: Draft,
    out: Path | None = None,
    console: Console | None = None,
    resume: bool = False,
) -> Run | None:
    """Run a recipe in this process (or in all ranks, where it is one) and return the finished run.

    None is returned to a rank on a machine that does not see the run's folder.

    Args:
        draft: the recipe, as `toolkit.recipe.library.find_recipe` returns it.
        out: the run's folder; runs/<recipe>/<time> where not given.
        console: where progress is shown; None is silent.
        resume: go on with the run in `out` (or the last one of the recipe) that did not get to its
            end; where there is none, start one.

    Raises:
        UserError: what the user has to mend; nothing has been trained.
        ToolkitError: the run failed; its folder says so, and keeps what was written.
        Interrupted: a signal came; what was done is kept, and `resume` goes on.
    """
    join(draft)
    console = console if console and distributed.is_main() else Console(quiet=True)
    with signals.watching() as watch:
        with raise_on_all_ranks():
            before = distributed.broadcast_object(
                find_run_to_resume(draft, out) if resume else None
            )
            if before is not None and before.finished:
                return Run(before.path) if before.path.is_dir() else None
            job = prepare(draft.changed(before.overrides) if before else draft)
            job.reductions += mailbox.reductions()
        folder = _folder(out, job, before)
        return _run(job, folder, console, watch)


def _run(job: Job, folder: RunWriter, console: Console, watch: ShutdownSignal) -> Run | None:
    """Fill the run's folder, and say in it how that ended."""
    try:
        folder.write_recipe(job.recipe)
        folder.write(**facts.before_training(job))
        for note in folder.record["devices"]["notes"] if distributed.is_main() else ():
            print_text(console, note, "yellow")
        before = folder.record.get("trackers", {})
        with tracking.open_trackers(
            job.arguments, job.name, folder.path, before, folder.write
        ) as trackers:
            _train_and_score(job, folder, console, watch, trackers)
    except KeyboardInterrupt as error:
        folder.write(status="interrupted", error=str(error) or None)
        raise Interrupted(f"{error or 'stopped'}; {resume_command(folder.path)}") from None
    except BaseException as error:
        known = failures.explain(error, folder.path)
        folder.fail(str(known or f"{type(error).__name__}: {error}"))
        if known is None:
            raise
        raise known from error
    finally:
        folder.release()
    distributed.barrier()
    return Run(folder.path) if (folder.path / "run.json").is_file() else None


def _folder(out: Path | None, job: Job, before: RunToResume | None) -> RunWriter:
    """Make the run's folder on rank 0, or take it up again, and tell the others where it is."""
    folder, path = None, Path()
    with raise_on_all_ranks():
        if distributed.is_main():
            folder = reopen_run(before, job) if before else RunWriter.create(out, job.name)
            path = folder.path
            mailbox.say_where(path)
    path = distributed.broadcast_object(path)
    return folder or SilentRunWriter(path)


def _train_and_score(
    job: Job, folder: RunWriter, console: Console, watch: ShutdownSignal, trackers: Trackers
) -> None:
    """Train, score, save, prove and report: the order in which the folder fills."""
    from toolkit.reporting import card, figures, html

    clock, energy = job.clock, resources.Energy()
    with clock.phase("train"):
        trained = fit(job, folder, console, watch)
    plugin = job.plugin  # another one, where batches had to become smaller
    with clock.phase("score"):
        score.calibrate(job)
    with clock.phase("save"):
        plugin.model.eval()
        if adapters.is_adapter(plugin.model):
            adapters.name_base(plugin.model, job.files)
        if not trained.weights:  # in whole on every rank
            distributed.broadcast_weights(plugin.model)
        if distributed.is_main():
            save(plugin, folder.path / "model", **trained.weights)
            folder.write(**facts.after_training(job, trained, folder.path / "model"))
    console.print("scoring", style="dim")
    with clock.phase("score"):
        metrics, slices = score.evaluate(job, folder)
    if not distributed.is_main():
        return
    with clock.phase("score"):
        folder.write(figures=figures.write(folder.path, score.figures(job, folder)))
    with clock.phase("baselines"):
        baselines, baseline_rows = score.baselines(job, clock.seconds["train"])
    folder.write(metrics=metrics, slices=slices, baselines=baselines, baseline_rows=baseline_rows)
    console.print("loading the saved model again", style="dim")
    with clock.phase("reload"):
        compared = verify.check(folder.path, job.loaded.splits["test"])
    folder.write(
        reload={"compared": compared.compared, "different": compared.different},
        speed=facts.speed(job, trained),
        resources=facts.resources(energy),
    )
    html.write_first(plugin, job.loaded.splits["test"], folder)
    card.write(folder)
    trackers.report(console, folder.record, folder.path)
    folder.clear_checkpoints(keep="save_total_limit" in job.recipe.training)
    folder.write(status="finished")


def save(plugin: Plugin[Any], folder: Path, **weights: Any) -> None:
    """Save model (or adapter) and processor by `save_pretrained`: safetensors, no pickle."""
    if adapters.is_adapter(plugin.model):
        adapters.save(plugin.model, folder, **weights)
    else:
        plugin.model.save_pretrained(folder, **weights)
    if plugin.processor is not None:
        plugin.processor.save_pretrained(folder)
    if plugin.calibration:
        text = json.dumps(dict(plugin.calibration), indent=2)
        (folder / CALIBRATION).write_text(text + "\n", encoding="utf-8")
