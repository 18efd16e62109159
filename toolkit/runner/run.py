"""A run from beginning to end: the page to read first.

prepare    recipe, overrides and plugin resolved; data read and checked; model inputs and model made
           (`toolkit check` stops here)
fit        method applied, Trainer made, trained
calibrate  thresholds and the like, chosen on validation
save       model, processor and calibration, by `save_pretrained`
score      the test split predicted and scored with intervals, beside the baselines
verify     the saved model loaded in a fresh process, its predictions compared, beside the baselines
report     report.html, model card, trackers

`run` is what is around them: ranks, signals, resuming, the run's folder, and how the run ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from toolkit.data import known_inputs
from toolkit.errors import Interrupted, ToolkitError
from toolkit.models import adapters
from toolkit.plugin import Plugin
from toolkit.plugin.blame import blamed
from toolkit.recipe.draft import Draft
from toolkit.reporting import card, figures, html
from toolkit.runner import facts, failures, mailbox, processors, score
from toolkit.runner.fit import fit
from toolkit.runner.join import join
from toolkit.runner.prepare import Job, prepare
from toolkit.runner.resume import (
    RunToResume,
    go_on,
    refuse_other_end,
    run_to_resume,
    unneeded,
)
from toolkit.runner.same_inputs import require_same_inputs
from toolkit.runner.trial import Trial, as_trained, take_up
from toolkit.runs import verify
from toolkit.runs.folder import HOME, Run, resume_command
from toolkit.runs.writer import RunWriter
from toolkit.training import tracking
from toolkit.training.arguments import is_sharded
from toolkit.training.train import Trained
from toolkit.utils import distributed, resources, signals
from toolkit.utils.distributed_errors import raise_on_all_ranks
from toolkit.utils.signals import ShutdownSignal
from toolkit.utils.text import print_text, printable


def run(
    draft: Draft,
    out: Path | None = None,
    console: Console | None = None,
    resume: bool = False,
    trial: Trial | None = None,
) -> Run | None:
    """Run a recipe in this process (or in all ranks, where it is one) and return the finished run.

    None is returned to a rank on a machine that does not see the run's folder.

    Args:
        draft: the recipe, as `toolkit.recipe.library.find_recipe` returns it.
        out: the run's folder; runs/<recipe>/<time> where not given.
        console: where progress is shown; None is silent.
        resume: go on with the unfinished run in `out` (or the recipe's last one); where there is
            none, start one.
        trial: of a search; the run is then trained and scored on validation alone, in one process.

    Raises:
        UserError: the user's input is wrong; nothing has been trained.
        ToolkitError: the run failed; its folder has the reason, and keeps what was written.
        Interrupted: a signal came; what was done is kept, and `resume` goes on.
    """
    join(draft)
    console = console if console and distributed.is_main() else Console(quiet=True)
    with signals.watching() as shutdown, _before(draft, out, resume) as (before, locked):
        if before is not None and before.finished:
            return _already_finished(before, draft, console)
        with raise_on_all_ranks():
            draft = draft.changed(before.overrides) if before else draft
            job = prepare(draft, before.path if before else None)
            job.reductions += mailbox.reductions()
        require_same_inputs(job)
        folder = _open_folder(out, job, locked)
        with _end_recorded(folder, console), blamed(job.plugin):
            for note in folder.mended:
                print_text(console, note, "yellow")
            folder.write_recipe(job.recipe, **facts.before_training(job))
            if distributed.is_main() and job.files.source == "config":
                processors.keep(job.plugin.processor, folder.path)
            for note in folder.record["devices"]["notes"] if distributed.is_main() else ():
                print_text(console, note, "yellow")
            tracked = folder.record.get("trackers", {})
            with (
                tracking.open_trackers(
                    job.arguments, job.name, folder.path, tracked, folder.write, HOME
                ) as trackers,
                closing(verify.Reload(folder.path)) as reload,
            ):
                if trial is not None:
                    trial.run(job, folder, console, shutdown)
                    return Run(folder.path)
                _train_and_report(job, folder, console, shutdown, reload)
                if distributed.is_main():
                    trackers.report(console, folder.record, folder.path)
                    folder.finish(*unneeded(job.recipe))
            if distributed.is_main():
                _note_failed_trackers(folder, trackers.notes)
    distributed.barrier()
    return Run(folder.path) if (folder.path / "run.json").is_file() else None


def _train_and_report(
    job: Job,
    folder: RunWriter,
    console: Console,
    shutdown: ShutdownSignal,
    reload: verify.Reload,
) -> None:
    """Do all that comes after `prepare`, in the order of this page's list.

    The fresh process of the verification imports, loads and predicts beside what follows training.
    """
    from accelerate.utils.memory import clear_device_cache

    phase, energy = job.clock.phase, resources.Energy()
    was_trial = take_up(job, folder)
    with phase("train"):
        trained = fit(job, folder, console, shutdown, reload.start)
    if was_trial:
        trained = as_trained(trained, folder)
    plugin, test = job.plugin, job.loaded.splits["test"]
    if distributed.is_main():
        reload.start()
    with phase("score"):
        score.calibrate(job)
    with phase("save"):
        _save_trained(job, folder, trained)
    console.print("scoring", style="dim")
    with phase("score"):
        metrics, slices, draws = score.evaluate(job, folder)
    if not distributed.is_main():
        return
    if job.arguments.device.type != "cpu":  # the fresh process computes there, too
        clear_device_cache(garbage_collection=True)
    reload.compare(test)
    optional = partial(failures.optional, folder)
    with phase("score"), optional("figures", "all"):
        drawn = figures.write(folder.path, score.figures(job, folder), optional)
        folder.write(figures=drawn)
    with phase("score"), optional("tables", "all"):
        folder.write(tables=score.tables(job, folder))
    with phase("baselines"):
        own = (metrics["test"], draws)
        baselines, rows, verdicts = score.baselines(job, folder, own, optional)
    folder.write(metrics=metrics, slices=slices, baselines=baselines, baseline_rows=rows,
                 verdicts=verdicts)  # fmt: skip
    console.print("loading the saved model again", style="dim")
    with phase("reload"):
        found = reload.result()
    speed = facts.speed(job, trained)
    folder.write(
        reload={"compared": found.compared, "different": found.different},
        speed=speed,
        resources=facts.resources(job, speed, energy.spent()),
    )
    with optional("report", html.FILE):
        html.write_first(plugin, test, folder, optional, is_sharded(job.arguments))
    with optional("card", card.FILE):
        card.write(folder)


def _save_trained(job: Job, folder: RunWriter, trained: Trained) -> None:
    """Save what was trained, and record it; all ranks go on with the same weights."""
    plugin, place = job.plugin, folder.path / "model"
    plugin.model.eval()
    if adapters.is_adapter(plugin.model):
        adapters.name_base(plugin.model, job.files)
    if not trained.weights:  # in whole on every rank
        distributed.broadcast_weights(plugin.model)
    if distributed.is_main():
        save(plugin, place, **trained.weights)
        known_inputs.write(place, job.loaded.hashes, job.loaded.known)
        folder.write(**facts.after_training(job, trained, place))


def _note_failed_trackers(folder: RunWriter, notes: Mapping[str, Any]) -> None:
    """Add trackers that failed to the record, and to card and report, which were written before."""
    failed = {name: note["error"] for name, note in notes.items() if "error" in note}
    for name, reason in failed.items():
        failures.add_failed(folder, "tracker", name, reason)
    if failed:
        with failures.optional(folder, "card", card.FILE):
            card.write(folder)
        with failures.optional(folder, "report", html.FILE):
            html.write(Run(folder.path))


def save(plugin: Plugin[Any], folder: Path, **weights: Any) -> None:
    """Save model (or adapter) and processor by `save_pretrained`: safetensors, no pickle."""
    if adapters.is_adapter(plugin.model):
        adapters.save(plugin.model, folder, **weights)
    else:
        plugin.model.save_pretrained(folder, **weights)
    processors.save_beside(plugin, folder)


def _before(
    draft: Draft, out: Path | None, resume: bool
) -> AbstractContextManager[tuple[RunToResume | None, RunWriter | None]]:
    return run_to_resume(draft, out) if resume else nullcontext((None, None))


def _already_finished(before: RunToResume, draft: Draft, console: Console) -> Run | None:
    """Return a finished run, if it is what is asked for."""
    with raise_on_all_ranks():
        if distributed.is_main():
            refuse_other_end(before, draft)
            mailbox.say_where(before.path)
            print_text(console, f"{before.path} is finished: nothing was run")
    return Run(before.path) if before.path.is_dir() else None


def _open_folder(out: Path | None, job: Job, locked: RunWriter | None) -> RunWriter:
    """Make the run's folder on rank 0, or go on with it; every rank learns where it is."""
    folder, path = locked, Path()
    with raise_on_all_ranks():
        if distributed.is_main():
            if folder is None:
                folder = RunWriter.create(out, job.name)
            elif not folder.new:
                go_on(folder, job)
            path = folder.path
            mailbox.say_where(path)
    path = distributed.broadcast_object(path)
    return folder or RunWriter(path, silent=True)


@contextmanager
def _end_recorded(folder: RunWriter, console: Console) -> Iterator[None]:
    """Write into the folder how a run ended that was interrupted or failed; release its lock.

    The command that goes on is shown, but for errors that going on would meet again.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        folder.interrupt(str(error) or None)
        raise Interrupted(f"{error or 'stopped'}; {resume_command(folder.path)}") from None
    except BaseException as error:
        known = failures.explain(error, folder.path)
        folder.fail(str(known or f"{type(error).__name__}: {error}"))
        if known is None:
            if not isinstance(error, ToolkitError):  # those say themselves what helps
                what = f"when the cause is mended, {resume_command(folder.path)}"
                console.print(printable(what), style="yellow", markup=False, highlight=False,
                              soft_wrap=True)  # fmt: skip
            raise
        raise known from error
    finally:
        folder.release()
