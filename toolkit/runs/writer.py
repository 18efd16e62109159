"""A run's folder while it is being written."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import UserError
from toolkit.recipe.yaml_text import dump
from toolkit.runs.folder import Run, baseline_folder, home, predictions_file, readable, require_own
from toolkit.runs.prediction_files import FOLDER, FileStore
from toolkit.runs.record import SCHEMA_VERSION
from toolkit.runs.restore import RECIPE, SETTINGS, recipe_text, restore
from toolkit.training.checkpoints import SIDE
from toolkit.utils import jsonable, locks
from toolkit.utils.files import PARTIAL, settle, write_atomically, writing
from toolkit.utils.invocation import command_line
from toolkit.utils.text import listing

if TYPE_CHECKING:
    from toolkit.plugin_types import Prediction
    from toolkit.recipe.schema import Recipe
    from toolkit.training.checkpoints import ResumePoint

RELOAD = "logs/reload"  # the test rows, for the process that loads the saved model again


class RunWriter:
    """The folder of one run, while it is being written.

    record: what `run.json` holds after `write()`. new: whether no run has begun in it. mended: what
    was written anew as it was opened. silent: on all ranks but 0, which know where the folder is,
    and leave it to rank 0 to write.
    """

    def __init__(self, path: Path, silent: bool = False) -> None:
        self.path, self.silent, self.new, self.mended = path, silent, True, list[str]()
        self.ended = False  # then nothing that befalls the process makes it another end
        self.record: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION, "status": "running",
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "command": command_line(),
        }  # fmt: skip

    @classmethod
    def create(cls, out: Path | None, name: str) -> RunWriter:
        """Make the folder: `out`, or a new one at runs/<name>/<time>.

        Raises:
            UserError: `out` holds files, or another process is writing to it.
        """
        path = out or fresh(home(name))
        with _writable(path):
            if path.exists() and not path.is_dir():
                raise UserError(f"--out {path} is a file; name a new or empty folder")
            if path.exists() and any(path.iterdir()):
                raise UserError(_occupied(path))
            path.mkdir(parents=True, exist_ok=True)
            folder = cls(path.resolve())
            locks.acquire(folder.path)
        return folder

    @classmethod
    @contextmanager
    def held(cls, path: Path) -> Iterator[RunWriter]:
        """Open a run's folder again, or make it, and hold its lock; a folder left empty goes again.

        What is missing, empty or torn of its record and recipe is written anew.

        Raises:
            UserError: another process is writing to it, or it holds links that lead out of it.
        """
        new = [folder for folder in (path, *path.parents) if not folder.exists()]
        with _writable(path):
            if path.exists() and not path.is_dir():
                raise UserError(f"--out {path} is a file; name a new or empty folder")
            path.mkdir(parents=True, exist_ok=True)
        require_own(path, checkpoints=True)
        folder = cls(path.resolve())
        with _writable(path):
            locks.acquire(folder.path)
        try:
            with _writable(path):
                folder._mend()
            yield folder
        finally:
            folder.release()
            with suppress(OSError):  # the first that is not empty
                for made in new:
                    made.rmdir()

    def _mend(self) -> None:
        """Read the record, made whole again; remove what a killed process has left half-written."""
        for partial in self.path.rglob(f".*{PARTIAL}"):
            if partial.is_file():
                partial.unlink()
        self.new = not any(path.name != locks.NAME for path in self.path.iterdir())
        self.mended = restore(self.path)
        file = self.path / "run.json"
        if readable(file) is not None:
            self.record = Run(self.path).record
        elif file.exists():
            self.mended = ["run.json was damaged, and no checkpoint has a copy: begun anew"]

    def release(self) -> None:
        """Give up the lock."""
        if not self.silent:
            locks.release(self.path)

    @classmethod
    def close(cls, path: Path, status: str, error: str) -> None:
        """Record how a run ended whose own process could not, unless another has taken it up."""
        with suppress(UserError), cls.held(path) as folder:
            if "recipe" in folder.record and folder.record["status"] != "finished":
                folder.write(status=status, error=error)

    @staticmethod
    def add(path: Path, **values: Any) -> None:
        """Add to the record of a run that has ended."""
        folder = RunWriter(path)
        folder.record = Run(path).record
        folder.write(**values)

    def write(self, **values: Any) -> None:
        """Take values into the record and write run.json."""
        if self.silent:
            return
        self.record |= jsonable.finite(values)  # the same as is read back
        write_atomically(self.path / "run.json", self.text())

    def text(self) -> str:
        """Return the record as run.json holds it."""
        return json.dumps(jsonable.finite(self.record), indent=2, default=jsonable.plain) + "\n"

    def fail(self, error: str) -> None:
        """Record that the run has failed, and why; on a full disk, too."""
        if self.silent or self.ended:
            return
        # A half-written checkpoint is of no use, and its space may be needed.
        self.remove(f"checkpoints/{SIDE}", RELOAD)
        locks.give_room(self.path)
        with suppress(OSError):  # the first error is the one to report
            self.write(status="failed", error=error)

    def interrupt(self, reason: str | None) -> None:
        """Record that the run was interrupted, and by what."""
        if not self.ended:
            self.write(status="interrupted", error=reason)

    def finish(self, *unneeded: str) -> None:
        """Record that the run is finished, once all of it is on the disk; then remove some parts.

        In this order a machine that stops in between costs nothing.
        """
        if self.silent:
            return
        self.remove(RELOAD)
        settle(self.path)
        self.write(status="finished")
        self.ended = True
        self.tidy(*unneeded)

    def end(self, status: str) -> None:
        """Record that a trial of a search has ended, once all of it is on the disk."""
        settle(self.path)
        self.write(status=status)
        self.ended = True

    def tidy(self, *unneeded: str) -> None:
        """Remove what a finished run does not need."""
        self.remove(*unneeded)

    def remove(self, *names: str) -> None:
        """Remove folders of the run."""
        for name in () if self.silent else names:
            shutil.rmtree(self.path / name, ignore_errors=True)

    def note_start(self, start: ResumePoint) -> None:
        """Record from which step a resumed run goes on."""
        resumed = self.record.get("resumed")
        # A trial that was cut off, and is chosen later: its training is not gone on with again.
        known = resumed and "step" in resumed[-1] and self.record.get("trained_steps") == start.step
        if resumed and not known:
            resumed[-1] |= {"step": start.step, "passed_over": start.passed_over}
            self.write()

    def write_recipe(self, recipe: Recipe, /, **values: Any) -> None:
        """Write the resolved recipe, runnable again: into the record, with values, then beside.

        Whoever is stopped in between finds in the record what recipe.yaml lacks.
        """
        if self.silent:
            return
        settings = dump(recipe.model_dump(mode="json"))
        self.write(**{SETTINGS: settings}, **values)
        path = self.path / RECIPE
        write_atomically(path, recipe_text(path, settings))

    def write_predictions(
        self,
        batches: Iterable[tuple[Sequence[Prediction], Sequence[Any]]],
        groups: Mapping[str, Sequence[str | None]] | None = None,
        split: str = "test",
        baseline: str = "",
        rows: Iterable[int] | None = None,
    ) -> None:
        """Write one JSON line per row: row, group if there are any, reference, prediction.

        The group is a list where several columns name groups. Those of a baseline, and of another
        split than test, go into folders of their own: `baselines/NAME/`, `validation/`. rows: their
        numbers, where a baseline has predicted some alone.

        Predictions and references that are files are written beside.
        """
        base = predictions_file(self.path, split).parent
        if baseline:
            base = baseline_folder(self.path, baseline)
        base.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(base / FOLDER, ignore_errors=True)  # of an attempt before
        files = FileStore(base)
        pairs = chain.from_iterable(zip(*batch, strict=True) for batch in batches)
        with writing(base / "predictions.jsonl") as file:
            for row, (prediction, reference) in zip(rows or count(), pairs, strict=False):
                of = [names[row] for names in (groups or {}).values()]
                line = {"row": row, **({"group": of if of[1:] else of[0]} if of else {}),
                        "reference": reference, "prediction": prediction}  # fmt: skip
                files.row = row
                file.write(json.dumps(line, ensure_ascii=False, default=files.default) + "\n")


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        why = getattr(error, "strerror", None) or error
        raise UserError(f"--out {path} cannot be written: {why}") from None


def _occupied(path: Path) -> str:
    """Return why a new run cannot have a folder."""
    locks.refuse_held(path)
    there = listing(sorted(p.name for p in path.iterdir()), 5)
    hint = ""
    with suppress(UserError):  # it is no run
        if (status := Run(path).status) != "finished":
            hint = f" (a run that is {status}: --resume goes on with it)"
    return f"--out {path} is not empty ({there}){hint}; name a new or empty folder"


def fresh(base: Path) -> Path:
    """Return a new folder below `base`, named by the time."""
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    paths = (base / (f"{stamp}_{again}" if again else stamp) for again in count())
    return next(path for path in paths if not path.exists())
