"""The trials of a sweep: begun, watched while they train, and how each ended."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.status import Status

from toolkit.errors import Fault, ToolkitError, UserError
from toolkit.reporting import sweep_report
from toolkit.reporting.formatting import number as shown
from toolkit.runner.sweeping import prune
from toolkit.runner.sweeping.asked import Asked
from toolkit.runner.sweeping.engine import Ended, Engine, Task
from toolkit.runner.trial import Validation
from toolkit.runs.folder import readable
from toolkit.runs.sweep_folder import Sweep, ranked
from toolkit.runs.writer import RunWriter
from toolkit.utils.text import printable

TRIED = ("validated", "pruned")  # whose scores on validation were seen
ATTEMPTS = 2  # of a trial whose process is killed
IN_A_ROW = (
    3  # trials that fail for a reason that is not their settings, after which it is the cause
)


class Trials:
    """Runs the trials of a sweep, and keeps its record."""

    def __init__(
        self, found: Sweep, asked: Asked, engine: Engine, task: Callable[[int], Task],
        console: Console,
    ) -> None:  # fmt: skip
        self.found, self.asked, self.engine, self.task = found, asked, engine, task
        self.console = console
        self._now: dict[str, Any] = {}
        self._shown: Status | None = None

    def begin(self, values: dict[str, Any], default: bool) -> dict[str, Any]:
        """Add a trial to the record, and return it."""
        trial = {"number": len(self.found.trials), "state": "running", "values": values,
                 "default": default, "score": None, "evaluations": [], "seconds": 0.0, "steps": 0,
                 "attempts": 1, "reason": "", "error": "", "tried": []}  # fmt: skip
        self.found.trials.append(trial)
        self.found.write()
        return trial

    def settle(self) -> None:
        """Take over what trials had come to when the sweep was cut off before it wrote that."""
        for trial in self.found.trials:
            folder = self.found.folder_of(trial["number"])
            status = (readable(folder / "run.json") or {}).get("status")
            if trial["state"] == "running" and status in TRIED:
                self._ended(trial, Ended(str(status)))
            elif trial["state"] == "pruned" and status not in (None, "pruned"):
                with RunWriter.held(folder) as run:
                    run.end("pruned")
                    run.tidy("checkpoints")
        self._tidy()

    def run(self, trial: dict[str, Any]) -> None:
        """Run a trial to its end, and record that.

        Raises:
            UserError: wrong input of which no trial is free, or the data has changed.
            ToolkitError: trials fail one after another, whatever their settings are.
        """
        count = f"trial {trial['number']} of {self.asked.trials}"
        self._say(f"{count}: {sweep_report.values(trial)}")
        began = time.monotonic()
        with self.console.status(printable(count)) as self._shown:
            try:
                ended = self.patiently(trial, self.task(trial["number"]))
            except _OtherRowsError as error:
                ended = Ended("failed", "refused", str(error))
            finally:
                trial["seconds"] += time.monotonic() - began
                self._shown = None
        if ended.reason == "refused" and not any(t["state"] in TRIED for t in self.found.trials):
            self.found.trials.remove(trial)
            self.found.write()
            raise UserError([Fault(*fault) for fault in ended.faults] or ended.error)
        self._ended(trial, ended)
        self._say(f"  {sweep_report.outcome(trial, self.found.record)}",
                  "red" if trial["state"] == "failed" else "dim")  # fmt: skip
        self._refuse_a_row()

    def patiently(self, trial: dict[str, Any], task: Task) -> Ended:
        """Run a trial, once more where its process is killed."""
        self._now = trial
        while True:
            ended = self.engine.run(task, self)
            if ended.reason != "killed" or trial["attempts"] >= ATTEMPTS:
                return ended
            trial["attempts"] += 1
            self.found.write()
            self._say(f"  {ended.error}: once more, from its last checkpoint", "red")

    def begun(self, about: Mapping[str, Any]) -> None:
        """Note by what trials are compared; each has to be scored on the rows of the first.

        Raises:
            UserError: the data has changed since the sweep began.
        """
        record, data = self.found.record, about["data"]
        if record.get("data") is None:
            self.found.write(metric=about["metric"], greater_is_better=about["greater_is_better"],
                             data=data)  # fmt: skip
            return
        before = record["data"]
        if before["fingerprint"] != data["fingerprint"]:
            where = f"since the start of the sweep in {self.found.path}"
            raise UserError(Fault("data.source", f"the rows have changed {where}"))
        counts = [one["rows"].get("validation") for one in (before, data)]
        if counts[0] != counts[1]:
            what = f"it has {counts[1]:,} validation rows, the others {counts[0]:,}"
            raise _OtherRowsError(f"{what}: their scores cannot be compared")

    def goes_on(self, validation: Validation) -> bool:
        """Note a score on validation, and decide whether training goes on."""
        trial, more = self._now, bool(self.found.record.get("greater_is_better"))
        line = {"step": validation.step, "epoch": validation.epoch, "value": validation.value}
        # After an interruption, the steps since the last checkpoint are done again.
        kept = [one for one in trial["evaluations"] if one["step"] < validation.step]
        trial["evaluations"] = [*kept, line]
        trial["steps"] = validation.step
        others = [one["evaluations"] for one in self.found.trials
                  if one is not trial and one["state"] in TRIED]  # fmt: skip
        on = validation.last or prune.goes_on(
            self.asked.prune, trial["evaluations"], others, self.asked.grace, more
        )
        if not on:
            trial["state"] = "pruned"
        self.found.write()
        if self._shown is not None:
            name = self.found.record.get("metric")
            self._shown.update(
                printable(
                    f"trial {trial['number']} of {self.asked.trials}: epoch "
                    f"{validation.epoch:.1f}, {name} {shown(validation.value)}"
                )
            )
        return on

    def _say(self, text: str, style: str | None = None) -> None:
        self.console.print(printable(text), style=style, highlight=False, markup=False,
                           soft_wrap=True)  # fmt: skip

    def _ended(self, trial: dict[str, Any], ended: Ended) -> None:
        """Record how a trial ended."""
        folder = self.found.folder_of(trial["number"])
        record = readable(folder / "run.json") or {}
        batch = (record.get("devices") or {}).get("batch") or {}
        trial |= {"state": ended.state, "reason": ended.reason, "error": ended.error,
                  "tried": [str(note["text"]) for note in batch.get("reduced", [])]}  # fmt: skip
        if ended.state == "validated":
            trial["score"] = (record.get("trial") or {}).get("score")
            trial["steps"] = (record.get("speed") or {}).get("steps", trial["steps"])
            if trial["score"] is None:
                what = f"{self.found.record.get('metric')} is undefined on its validation rows"
                trial |= {"state": "failed", "reason": "undefined", "error": what}
        elif ended.state == "pruned":
            last = trial["evaluations"][-1]["epoch"] if trial["evaluations"] else 0.0
            more = bool(self.found.record.get("greater_is_better"))
            trial["score"] = prune.best_until(trial["evaluations"], last, more)
        elif folder.is_dir():
            RunWriter.close(folder, "failed", ended.error)
        self.found.write()
        self._tidy()

    def _tidy(self) -> None:
        """Remove checkpoints of trials that will not be chosen; running ones need theirs."""
        best = next(iter(ranked(self.found.record)), None)
        for trial in self.found.trials:
            if trial["state"] != "running" and trial is not best:
                place = self.found.folder_of(trial["number"]) / "checkpoints"
                shutil.rmtree(place, ignore_errors=True)

    def _refuse_a_row(self) -> None:
        last = self.found.trials[-IN_A_ROW:]
        if len(last) == IN_A_ROW and all(one["reason"] == "error" for one in last):
            raise ToolkitError(f"{IN_A_ROW} trials in a row failed, the last: {last[-1]['error']}")


class _OtherRowsError(ToolkitError):
    """A trial is scored on other rows than those before it."""
