"""Trackers of a run: what the Trainer logs, and after scoring the scores, baselines and report.

The Trainer's own callbacks (`training.report_to`) send what happens in training. Here the trackers
of `toolkit.training.trackers` are opened before, and closed when the final scores are in them.
"""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import Fault, UserError
from toolkit.training.trackers import KINDS, FinalResults, Tracker, TrackerTarget, start_tensorboard
from toolkit.utils import distributed
from toolkit.utils.distributed_errors import raise_on_all_ranks
from toolkit.utils.packages import extra
from toolkit.utils.text import error_line, print_text

if TYPE_CHECKING:
    from rich.console import Console

LOGS = "logs"
FILES = ("report.html", "README.md", "recipe.yaml")
OF_THE_EXTRA = ("tensorboard", "mlflow")
#: Distributions of trackers whose name is another one.
PACKAGES = {"azure_ml": "azureml-mlflow", "comet_ml": "comet-ml"}


def default_tracker() -> str:
    """Return the tracker of a run that names none: TensorBoard where it is installed."""
    there = any(importlib.util.find_spec(name) for name in ("tensorboard", "tensorboardX"))
    return "tensorboard" if there else "none"


def missing(name: str) -> str:
    """Return what to say of a tracker that is not installed."""
    if name in OF_THE_EXTRA:
        return f"{name} is not installed: {extra('trackers')}"
    return f"{name} is not installed: pip install {PACKAGES.get(name, name.replace('_', '-'))}"


class Trackers:
    """The open trackers of one run."""

    def __init__(self, write: Callable[..., None], place: Path) -> None:
        self.write, self.place, self.notes = write, place, dict[str, Any]()
        self.opened = dict[str, tuple[Tracker, Callable[[FinalResults], None]]]()

    def open(self, arguments: Any, recipe: str, folder: Path, before: Mapping[str, Any]) -> None:
        """Open those that `report_to` names, as `open_trackers` does."""
        names = [name for name in arguments.report_to or () if name in KINDS]
        if not names:
            return
        # In a tracker's store many folders may have the same name, unless it is a time.
        dated = re.match(r"\d{4}-\d\d-\d\d_", folder.name)
        fresh = f"{recipe} {folder.name}" + time.strftime(" %Y-%m-%d_%H-%M-%S") * (not dated)
        title = arguments.run_name = arguments.run_name or before.get("name") or fresh
        self.notes["name"] = title
        for name in names:
            last = before.get(name, {})
            target = TrackerTarget(
                folder / LOGS, self.place, title, recipe, arguments.project, last
            )
            tracker = KINDS[name](target)
            try:
                self.notes[name], log = next(tracker)
            except Exception as error:  # whatever a service and the way to it may raise
                hint = f" ({extra('trackers')})" * isinstance(error, ImportError)
                what = f"{name} cannot be opened: {error_line(error)}{hint}"
                raise UserError(Fault("training.report_to", what)) from error
            self.opened[name] = tracker, log
        self.write(trackers=self.notes)

    def report(self, console: Console, record: Mapping[str, Any], folder: Path) -> None:
        """Log scores with their intervals, baselines, and the files that describe the run.

        A tracker that fails here does not fail the run: that is said, and noted in run.json.
        """
        files = [folder / name for name in FILES if (folder / name).is_file()]
        final = FinalResults(scores(record), facts(record), files, record["speed"]["steps"])
        for name, (_, log) in self.opened.items():
            try:
                log(final)
            except Exception as error:  # as above
                why = self._note(name, error)
                print_text(console, f"{name} did not take the final scores: {why}", "yellow")

    def close(self, status: str) -> None:
        """Close them; they show how the run ended, and none may end it otherwise."""
        for name, (tracker, _) in self.opened.items():
            try:
                with suppress(StopIteration):
                    tracker.send(status)
            except Exception as error:  # as above
                self._note(name, error)

    def _note(self, name: str, error: Exception) -> str:
        self.notes[name] = {**self.notes[name], "error": error_line(error)}
        with suppress(OSError):
            self.write(trackers=self.notes)
        return error_line(error)


@contextmanager
def open_trackers(
    arguments: Any,
    recipe: str,
    folder: Path,
    before: Mapping[str, Any],
    write: Callable[..., None],
    place: Path,
) -> Iterator[Trackers]:
    """Open the trackers of a run (on the rank that writes), and close them as it ends.

    Args:
        arguments: of the Trainer; they get the run's name. recipe: its name. folder: the run's.
        before: what run.json has under "trackers", if the run is resumed. write: takes
            `trackers=...` into run.json. place: of a store that all runs started here share.

    Raises:
        UserError: a tracker cannot be opened; nothing has been trained.
    """
    trackers, status = Trackers(write, place), "FAILED"
    try:
        with raise_on_all_ranks():
            if distributed.is_main():
                trackers.open(arguments, recipe, folder, before)
        yield trackers
        status = "FINISHED"
    finally:
        trackers.close(status)


def redirect_tensorboard(trainer: Any, folder: Path, after: int = 0) -> None:
    """Let the Trainer's TensorBoard callback write into the run's folder.

    Args:
        after: the step that training continues from; what was logged of later ones is purged.
    """
    from transformers.integrations.integration_utils import TensorBoardCallback

    handler = getattr(trainer, "callback_handler", None)
    for callback in getattr(handler, "callbacks", ()):
        if isinstance(callback, TensorBoardCallback):
            callback.logging_dir = str(folder / LOGS)
            if distributed.is_main() and any((folder / LOGS).glob("events.*")):
                tracker = start_tensorboard(folder / LOGS, purge_step=after + 1)
                callback.tb_writer = tracker.writer


def scores(record: Mapping[str, Any]) -> dict[str, float]:
    """Return "test/accuracy", "test/accuracy_low", "baselines/majority/accuracy", ... -> value."""
    parts = {**record["metrics"], **{f"baselines/{n}": s for n, s in record["baselines"].items()}}
    return {
        f"{part}/{name}{suffix}": float(score[key])
        for part, metrics in parts.items() for name, score in metrics.items()
        for key, suffix in (("value", ""), ("low", "_low"), ("high", "_high"))
        if score.get(key) is not None and score[key] - score[key] == 0
    }  # fmt: skip


def facts(record: Mapping[str, Any]) -> dict[str, str]:
    """Return what the run was, as names and short texts."""
    model, data = record["model"], record["data"]
    found = {
        "recipe": record["recipe"], "scenario": record["scenario"],
        "model": model["id"], "model_revision": model["revision"],
        "method": record.get("method", {}).get("name", ""), "data_fingerprint": data["fingerprint"],
        **{f"rows.{split}": rows for split, rows in data["rows"].items()},
    }  # fmt: skip
    return {f"toolkit.{name}": str(value) for name, value in found.items()}
