"""Trackers of a run: what the Trainer logs, and after scoring the scores, baselines and report.

The Trainer's own callbacks (`training.report_to`) send what happens in training. This file opens
what they write to, where the run's folder has its place for it, and closes it only when the final
scores are in it, too. Other trackers that transformers knows get what the Trainer sends.
"""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import Fault, ToolkitError, UserError
from toolkit.training.trackers import KINDS, Final, Place, tensorboard_writer
from toolkit.utils import distributed
from toolkit.utils.distributed_errors import raise_on_all_ranks
from toolkit.utils.text import print_text, printable_line

if TYPE_CHECKING:
    from rich.console import Console

    from toolkit.runner.prepare import Job
    from toolkit.runs.writer import RunWriter
    from toolkit.training.trackers import Tracker

LOGS = "logs"
FILES = ("report.html", "README.md", "recipe.yaml")
#: Distributions of trackers whose name is another one.
PACKAGES = {"azure_ml": "azureml-mlflow", "comet_ml": "comet-ml"}


def usual() -> str:
    """Return the tracker of a run that names none: TensorBoard where it is installed."""
    there = any(importlib.util.find_spec(name) for name in ("tensorboard", "tensorboardX"))
    return "tensorboard" if there else "none"


def missing(name: str) -> str:
    """Return what to say of a tracker that is not installed."""
    package = PACKAGES.get(name, name.replace("_", "-"))
    return f"{name} is not installed: pip install {package}"


class Trackers:
    """The trackers of one run that get its final scores."""

    def __init__(self, found: list[Tracker], folder: RunWriter) -> None:
        self.found, self.folder = found, folder

    def report(self, console: Console) -> None:
        """Log scores with their intervals, baselines, and the files that tell of the run.

        A tracker that fails here takes nothing away from a run that is trained and proved: it is
        told, and noted in run.json.
        """
        record = self.folder.record
        files = [self.folder.path / name for name in FILES]
        there = [file for file in files if file.is_file()]
        final = Final(scores(record), facts(record), there, record["speed"]["steps"])
        for tracker in self.found:
            try:
                tracker.report(final)
            except Exception as error:  # whatever a service and the way to it may raise
                said = _said(error)
                print_text(
                    console, f"{tracker.name} did not take the final scores: {said}", "yellow"
                )
                notes = self.folder.record["trackers"]
                notes[tracker.name] = {**notes[tracker.name], "error": said}
                self.folder.write(trackers=notes)

    def end(self, status: str) -> None:
        """Close them: how the run ended is theirs to show, and none may end it otherwise."""
        for tracker in self.found:
            try:
                tracker.end(status)
            except Exception as error:  # as above
                with suppress(OSError):
                    self._note(tracker, _said(error))

    def _note(self, tracker: Tracker, said: str) -> None:
        notes = dict(self.folder.record.get("trackers") or {})
        notes[tracker.name] = {**notes.get(tracker.name, {}), "error": said}
        self.folder.write(trackers=notes)


@contextmanager
def following(job: Job, folder: RunWriter) -> Iterator[Trackers]:
    """Open the trackers of a run (on the rank that writes), and close them as it ends.

    A run that was taken up again goes on in the same place of each tracker, where that can.

    Raises:
        UserError: a tracker cannot be opened; nothing has been trained.
    """
    trackers = Trackers([], folder)
    with raise_on_all_ranks():
        if distributed.is_main():
            _open(trackers, job)
    try:
        yield trackers
    except KeyboardInterrupt:
        trackers.end("interrupted")
        raise
    except BaseException:
        trackers.end("failed")
        raise
    trackers.end("finished")


def _open(trackers: Trackers, job: Job) -> None:
    folder, arguments = trackers.folder, job.arguments
    before: dict[str, Any] = folder.record.get("trackers", {})
    names = [name for name in arguments.report_to or () if name in KINDS]
    if not names:
        return
    title = arguments.run_name or before.get("name") or _title(job.name, folder.path)
    arguments.run_name = title
    place = Place(folder.path / LOGS, title, job.name, str(arguments.project))
    notes: dict[str, Any] = {"name": title}
    try:
        for name in names:
            tracker = KINDS[name](place)
            trackers.found.append(tracker)
            try:
                notes[name] = tracker.begin(before.get(name, {}))
            except ToolkitError:
                raise
            except Exception as error:  # as above
                hint = " (pip install 'toolkit[trackers]')" * isinstance(error, ImportError)
                what = f"{name} cannot be opened: {_said(error)}{hint}"
                raise UserError(Fault("training.report_to", what)) from error
    except UserError:
        trackers.end("failed")
        raise
    folder.write(trackers=notes)


def _title(name: str, folder: Path) -> str:
    stamp = (
        "" if re.match(r"\d{4}-\d\d-\d\d_", folder.name) else time.strftime(" %Y-%m-%d_%H-%M-%S")
    )
    return f"{name} {folder.name}{stamp}"


def direct(trainer: Any, folder: Path, after: int = 0) -> None:
    """Let the Trainer's TensorBoard callback write into the run's folder.

    Args:
        after: the step that training goes on from; what was logged of later ones is taken back.
    """
    from transformers.integrations.integration_utils import TensorBoardCallback

    handler = getattr(trainer, "callback_handler", None)
    for callback in getattr(handler, "callbacks", ()):
        if isinstance(callback, TensorBoardCallback):
            logs = folder / LOGS
            callback.logging_dir = str(logs)
            if distributed.is_main() and any(logs.glob("events.*")):
                callback.tb_writer = tensorboard_writer(logs, purge_step=after + 1)


def scores(record: Mapping[str, Any]) -> dict[str, float]:
    """Return "test/accuracy", "test/accuracy_low", "baselines/majority/accuracy", ... -> value."""
    found: dict[str, float] = {}
    parts = {**record["metrics"], **{f"baselines/{n}": s for n, s in record["baselines"].items()}}
    for part, metrics in parts.items():
        for name, score in metrics.items():
            for key, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
                value = score.get(key)
                if value is not None and value - value == 0:
                    found[f"{part}/{name}{suffix}"] = float(value)
    return found


def facts(record: Mapping[str, Any]) -> dict[str, str]:
    """Return what the run was, as names and short texts."""
    data = record["data"]
    return {
        "toolkit.recipe": record["recipe"],
        "toolkit.scenario": record["scenario"],
        "toolkit.model": record["model"]["id"],
        "toolkit.model_revision": record["model"]["revision"],
        "toolkit.method": str(record.get("method", {}).get("name", "")),
        "toolkit.data_fingerprint": data["fingerprint"],
        **{f"toolkit.rows.{split}": str(rows) for split, rows in data["rows"].items()},
    }


def _said(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [repr(error)]
    return printable_line(f"{type(error).__name__}: {lines[0]}")
