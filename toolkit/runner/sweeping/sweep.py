"""A sweep from beginning to end: trials one after another, the best one scored on test, the record.

Each event is in sweep.json before the next one begins, and what comes next follows from it alone:
whoever kills a sweep loses the steps since a trial's last checkpoint, and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from toolkit.errors import Fault, ToolkitError, UserError
from toolkit.plugin import Plugin
from toolkit.recipe.draft import Draft
from toolkit.recipe.schema import Recipe
from toolkit.recipe.yaml_text import dump
from toolkit.reporting import sweep_report
from toolkit.reporting.html import sweep as page
from toolkit.runner.first_look import require_paths
from toolkit.runner.sweeping import checking, suggest
from toolkit.runner.sweeping.asked import Asked, Options
from toolkit.runner.sweeping.engine import Engine, LocalEngine, Task
from toolkit.runner.sweeping.folder import NOT_BEGUN, opened_folder, resumed_folder
from toolkit.runner.sweeping.trials import TRIED, Trials
from toolkit.runs.folder import Run
from toolkit.runs.restore import recipe_text
from toolkit.runs.sweep_folder import BEST, Sweep, ranked
from toolkit.runs.writer import RunWriter
from toolkit.utils import distributed, signals
from toolkit.utils.files import write_atomically
from toolkit.utils.signals import ShutdownSignal
from toolkit.utils.text import listing, print_text

MakeEngine = Callable[[Path, ShutdownSignal], AbstractContextManager[Engine]]
SPARE = 15.0  # seconds for what the chosen run has and no trial: report, card, the reload's process


def run(
    draft: Draft,
    options: Options,
    out: Path | None = None,
    console: Console | None = None,
    resume: bool = False,
    engine: MakeEngine | None = None,
) -> Sweep:
    """Search a recipe's settings; return the sweep, its chosen trial scored on the test split.

    Args:
        out: the sweep's folder; runs/<recipe>/<time> where not given.
        console: where progress is shown; None is silent.
        resume: go on with the sweep in `out`, or the recipe's last one; what is not asked for is
            as it was.
        engine: makes what runs the trials; a process of this machine where not given.

    Raises:
        UserError: the user's input is wrong; nothing has been trained.
        ToolkitError: no trial has a score, or the chosen one could not be scored on test.
        Interrupted: a signal came; `resume` goes on.
    """
    if distributed.launched():
        raise UserError("a sweep starts its trials itself: start it without torchrun or accelerate")
    require_paths(draft)
    console = console or Console(quiet=True)
    before = resumed_folder(draft, out) if resume else None
    asked = options.completed(before.record if before else None)
    recipe, plugin = checking.check(draft, asked.spaces, asked.origins)
    suggest.check(asked.search, asked.spaces, asked.origins)
    for note in draft.notes:
        print_text(console, note, "yellow")
    with (
        signals.watching() as shutdown,
        opened_folder(draft.name, recipe, asked, out, before) as found,
        shutdown.while_training(),
    ):
        if found.status == "finished":
            print_text(console, f"{found.path} is finished: nothing was run")
        else:
            with (engine or LocalEngine)(found.path / "logs" / "trials.log", shutdown) as running:
                _Search(found, draft, recipe, plugin, asked, running, console).run()
        if not found.report.exists():
            page.write(found)
    return found


class _Search:
    """One sweep while it runs."""

    def __init__(
        self, found: Sweep, draft: Draft, recipe: Recipe, plugin: Plugin[Any], asked: Asked,
        engine: Engine, console: Console,
    ) -> None:  # fmt: skip
        self.found, self.recipe, self.plugin, self.asked = found, recipe, plugin, asked
        self.base = checking.as_draft(found.record["recipe"], recipe)
        self.engine, self.console, self.notes = engine, console, list(draft.notes)
        self.trials = Trials(found, asked, engine, self._task, console)
        self.spent, self.began = float(found.record["seconds"]), time.monotonic()

    def run(self) -> None:
        """Run what is left of the trials, and score the best one on the test split."""
        self.trials.settle()
        for trial in [one for one in self.found.trials if one["state"] == "running"]:
            self._run(trial)
        while (values := self._next()) is not None:
            self._run(self.trials.begin(*values))
        self._finish()

    def _run(self, trial: dict[str, Any]) -> None:
        try:
            self.trials.run(trial)
        finally:
            self.found.write(seconds=self._seconds())

    def _seconds(self) -> float:
        return self.spent + time.monotonic() - self.began

    def _task(self, number: int, whole: bool = False) -> Task:
        trial = self.found.trials[number]
        draft = self.base if trial["default"] else checking.with_values(self.base, trial["values"])
        return Task(draft.name, draft.values, str(self.found.folder_of(number)), self.asked.metric,
                    whole, self.notes)  # fmt: skip

    def _next(self) -> tuple[dict[str, Any], bool] | None:
        """Return the values of the next trial, and whether they are the recipe's own; or None."""
        trials, asked = self.found.trials, self.asked
        if len(trials) >= asked.trials:
            return None
        if not trials and asked.with_default:
            own = checking.own_values(asked.spaces, self.recipe, self.plugin)
            if own is not None:
                return own, True
            self._note("the recipe's own settings lie outside the spaces: they were not tried")
        if trials and (why := self._no_time()):
            self._note(f"{asked.trials - len(trials)} of {asked.trials} {NOT_BEGUN}: {why}")
            return None
        more = bool(self.found.record.get("greater_is_better"))
        values = suggest.following(asked.search, asked.spaces, trials, self.recipe.seed, more)
        if values is None:
            self._note(f"all {len(trials)} combinations were tried: there are no more")
            return None
        return values, False

    def _no_time(self) -> str:
        """Return why no further trial is begun within the minutes that are given; "" if one is."""
        if self.asked.minutes is None:
            return ""
        left = self.asked.minutes * 60 - self._seconds()
        needed = self._expected()
        if left > needed:
            return ""
        given = f"{max(left, 0):.0f} s of {self.asked.minutes:g} min were left"
        return f"{given}, and about {needed:.0f} s needed"

    def _expected(self) -> float:
        """Return the seconds that a further trial and the scoring at the end will take."""
        ended = [trial for trial in self.found.trials if trial["state"] in TRIED]
        longest = max((trial["seconds"] for trial in ended), default=0.0)
        whole = [trial for trial in ended if trial["state"] == "validated"]
        with suppress(UserError, KeyError, IndexError):
            record = Run(self.found.folder_of(whole[-1]["number"])).record
            speed, rows = record["speed"], record["data"]["rows"]
            scoring = speed["phases"]["score"] * rows["test"] / max(rows["validation"], 1)
            # The chosen one reads and prepares anew, and predicts test twice.
            fixed = float(speed["total_seconds"] - speed["train_seconds"])
            return longest + fixed + 2 * float(scoring) + SPARE
        return longest + SPARE

    def _note(self, text: str) -> None:
        if text not in self.found.record["notes"]:
            self.found.write(notes=[*self.found.record["notes"], text])
            print_text(self.console, text, "yellow")

    def _finish(self) -> None:
        """Choose by validation, write the best recipe, and score the chosen trial on test, once."""
        found = self.found
        order = ranked(found.record)
        if not order:
            page.write(found)
            raise ToolkitError(f"no trial has a score: {sweep_report.counted(found.record)}; "
                               f"{_first_reason(found)}")  # fmt: skip
        best = order[0]
        folder = found.folder_of(best["number"])
        if Run(folder).status == "validated":
            default = next((one["score"] for one in found.trials if one["default"]), None)
            tried = [one for one in found.trials if one["state"] in TRIED]
            RunWriter.add(folder, picked={
                "trials": len(tried), "metric": found.record["metric"], "score": best["score"],
                "default": default, "trial": best["number"],
            })  # fmt: skip
        found.write(chosen=best["number"])
        settings = dump(self._recipe_of(best["number"]).model_dump(mode="json"))
        write_atomically(found.path / BEST, recipe_text(found.path / BEST, settings))
        print_text(self.console, f"scoring trial {best['number']} on the test split", "dim")
        ended = self.trials.patiently(best, self._task(best["number"], whole=True))
        if ended.state != "finished":
            faults = [Fault(*fault) for fault in ended.faults]
            what = f"trial {best['number']} was chosen, and could not be scored on test"
            raise UserError(faults) if faults else ToolkitError(f"{what}: {ended.error}")
        found.write(status="finished", error=None, seconds=self._seconds())
        page.write(found)

    def _recipe_of(self, number: int) -> Recipe:
        return Draft(self.base.name, dict(self._task(number).values)).checked()


def _first_reason(found: Sweep) -> str:
    reasons = [trial["error"] for trial in found.trials if trial["error"]]
    return listing(dict.fromkeys(reasons), 3) if reasons else "none was told"
