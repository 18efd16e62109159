"""A run's folder while it is being written."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import UserError
from toolkit.recipe.yaml_text import dump
from toolkit.runs.folder import Run, home, require_own
from toolkit.runs.prediction_files import FOLDER, FileStore
from toolkit.runs.record import SCHEMA_VERSION
from toolkit.training.checkpoints import SIDE
from toolkit.utils import jsonable, locks
from toolkit.utils.files import write_atomically
from toolkit.utils.text import listing, printable_line

if TYPE_CHECKING:
    from toolkit.plugin_types import Prediction
    from toolkit.recipe.schema import Recipe
    from toolkit.training.checkpoints import ResumePoint


class RunWriter:
    """The folder of one run, while it is being written.

    record: what `run.json` holds after `write()`. silent: on all ranks but 0, which know where the
    folder is, and leave it to rank 0 to write.
    """

    def __init__(self, path: Path, silent: bool = False) -> None:
        self.path, self.silent = path, silent
        self.record: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "status": "running"}

    @classmethod
    def create(cls, out: Path | None, name: str) -> RunWriter:
        """Make the folder: `out`, or a new one at runs/<name>/<time>.

        Raises:
            UserError: `out` holds files, or another process is writing to it.
        """
        path = out or _fresh(home(name))
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
    def reopen(cls, path: Path) -> RunWriter:
        """Open the folder of an unfinished run again.

        Raises:
            UserError: another process is writing to it, or it holds links that lead out of it.
        """
        require_own(path, checkpoints=True)
        folder = cls(path.resolve())
        with _writable(path):
            locks.acquire(folder.path)
        if (path / "run.json").exists():
            folder.record = Run(path).record
        return folder

    def release(self) -> None:
        """Give up the lock."""
        if not self.silent:
            locks.release(self.path)

    @staticmethod
    def close(path: Path, status: str, error: str) -> None:
        """Record how a run ended whose own process could not, and give up its lock."""
        folder, record = RunWriter(path), path / "run.json"
        if record.exists():
            folder.record = json.loads(record.read_text(encoding="utf-8"))
            if folder.record["status"] != "finished":
                folder.write(status=status, error=error)
        folder.release()

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
        self.record |= values
        write_atomically(self.path / "run.json", self._text())

    def _text(self) -> str:
        return json.dumps(jsonable.finite(self.record), indent=2, default=jsonable.plain) + "\n"

    def fail(self, error: str) -> None:
        """Record that the run has failed, and why; on a full disk, too."""
        if self.silent:
            return
        # A half-written checkpoint is of no use, and its space may be needed.
        shutil.rmtree(self.path / "checkpoints" / SIDE, ignore_errors=True)
        try:
            self.write(status="failed", error=error)
        except OSError:
            # Into the space that run.json has already. If that fails too, the first error is the
            # one to report.
            (self.path / "run.json.partial").unlink(missing_ok=True)
            with suppress(OSError), (self.path / "run.json").open("r+", encoding="utf-8") as file:
                file.write(self._text())
                file.truncate()

    def note_start(self, start: ResumePoint) -> None:
        """Record from which step a resumed run goes on."""
        if self.record.get("resumed"):
            last = {"step": start.step, "passed_over": start.passed_over}
            self.record["resumed"][-1] |= last
            self.write()

    def write_recipe(self, recipe: Recipe) -> None:
        """Write the resolved recipe, runnable again."""
        if self.silent:
            return
        text = dump(recipe.model_dump(mode="json"))
        path = self.path / "recipe.yaml"
        path.write_text(f"# toolkit run {printable_line(path)}\n{text}", encoding="utf-8")

    def write_predictions(
        self,
        batches: Iterable[tuple[Sequence[Prediction], Sequence[Any]]],
        groups: Sequence[str | None] | None = None,
    ) -> None:
        """Write one JSON line per test row: row, group if there are any, reference, prediction.

        Predictions and references that are files are written beside.
        """
        shutil.rmtree(self.path / FOLDER, ignore_errors=True)  # of an attempt before
        files = FileStore(self.path)
        rows = chain.from_iterable(zip(*batch, strict=True) for batch in batches)
        with (self.path / "predictions.jsonl").open("w", encoding="utf-8") as file:
            for row, (prediction, reference) in enumerate(rows):
                line = {"row": row, **({} if groups is None else {"group": groups[row]}),
                        "reference": reference, "prediction": prediction}  # fmt: skip
                files.row = row
                file.write(json.dumps(line, ensure_ascii=False, default=files.default) + "\n")

    def clear_checkpoints(self, keep: bool) -> None:
        """Remove what a finished run no longer needs: its model is saved and verified."""
        shutil.rmtree(self.path / "logs" / "reload", ignore_errors=True)
        if not keep:
            shutil.rmtree(self.path / "checkpoints", ignore_errors=True)


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


def _fresh(base: Path) -> Path:
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    paths = (base / (f"{stamp}_{again}" if again else stamp) for again in count())
    return next(path for path in paths if not path.exists())
