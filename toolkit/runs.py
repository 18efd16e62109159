"""A run's folder: made, locked, written, read back."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import locks, plain_json, shown
from toolkit.checkpoints import SIDE
from toolkit.errors import Fault, ToolkitError, UserError, listing, nearest
from toolkit.recipe.yaml_text import dump
from toolkit.run_record import SCHEMA_VERSION, faults

if TYPE_CHECKING:
    import numpy as np

    from toolkit.checkpoints import Found
    from toolkit.computing import Computing
    from toolkit.plugin import Prediction
    from toolkit.pushing import Pushed
    from toolkit.recipe import Recipe
    from toolkit.restoring import Restored
    from toolkit.serving import Server

BATCH = 1000


class RunFolder:
    """The folder of one run, while it is being written.

    `record` is what `run.json` holds; `write()` puts it there in one step, so that a reader never
    sees half of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "status": "running"}

    @classmethod
    def create(cls, out: Path | None, name: str) -> RunFolder:
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
            locks.take(folder.path)
        return folder

    @classmethod
    def reopen(cls, path: Path) -> RunFolder:
        """Take up the folder of a run that did not get to its end.

        Raises:
            UserError: another process is writing to it, or it holds links that lead out of it.
        """
        _refuse_links(path)
        folder = cls(path.resolve())
        with _writable(path):
            locks.take(folder.path)
        if (path / "run.json").exists():
            folder.record = Run(path).record
        return folder

    def release(self) -> None:
        """Give up the lock."""
        locks.give_back(self.path)

    @staticmethod
    def close(path: Path, status: str, error: str) -> None:
        """Say how a run ended whose own process could not, and give up its lock."""
        folder, record = RunFolder(path), path / "run.json"
        if record.exists():
            folder.record = json.loads(record.read_text(encoding="utf-8"))
            if folder.record["status"] != "finished":
                folder.write(status=status, error=error)
        folder.release()

    @staticmethod
    def add(path: Path, **values: Any) -> None:
        """Add to the record of a run that has ended."""
        folder = RunFolder(path)
        folder.record = Run(path).record
        folder.write(**values)

    def write(self, **values: Any) -> None:
        """Take values into the record and write run.json."""
        self.record |= values
        partial = self.path / "run.json.partial"
        partial.write_text(self._text(), encoding="utf-8")
        os.replace(partial, self.path / "run.json")

    def _text(self) -> str:
        return json.dumps(plain_json.finite(self.record), indent=2, default=plain_json.plain) + "\n"

    def fail(self, error: str) -> None:
        """Say that the run has failed, and why; on a full disk, too."""
        # What was not written to its end serves nobody, and its room may be needed.
        shutil.rmtree(self.path / "checkpoints" / SIDE, ignore_errors=True)
        try:
            self.write(status="failed", error=error)
        except OSError:
            # Into the room that run.json has already; and where even that fails, the reason that
            # brought us here is worth more than this one.
            (self.path / "run.json.partial").unlink(missing_ok=True)
            with suppress(OSError), (self.path / "run.json").open("r+", encoding="utf-8") as file:
                file.write(self._text())
                file.truncate()

    def note_start(self, start: Found) -> None:
        """Write down from where a run that was taken up again goes on."""
        if self.record.get("resumed"):
            last = {"step": start.step, "passed_over": start.passed_over}
            self.record["resumed"][-1] |= last
            self.write()

    def write_recipe(self, recipe: Recipe) -> None:
        """Write the resolved recipe, runnable again."""
        text = dump(recipe.model_dump(mode="json"))
        path = self.path / "recipe.yaml"
        path.write_text(f"# toolkit run {shown.line(path)}\n{text}", encoding="utf-8")

    def write_predictions(
        self, batches: Iterable[tuple[Sequence[Prediction], Sequence[Any]]]
    ) -> int:
        """Write one JSON line per test row (row, reference, prediction); return their number."""
        row = 0
        with (self.path / "predictions.jsonl").open("w", encoding="utf-8") as file:
            for predictions, references in batches:
                for prediction, reference in zip(predictions, references, strict=True):
                    line = {"row": row, "reference": reference, "prediction": prediction}
                    file.write(
                        json.dumps(line, ensure_ascii=False, default=plain_json.plain) + "\n"
                    )
                    row += 1
        return row

    def clear_checkpoints(self, keep: bool) -> None:
        """Remove what a finished run no longer needs: its model is saved and proved."""
        shutil.rmtree(self.path / "logs" / "reload", ignore_errors=True)
        if not keep:
            shutil.rmtree(self.path / "checkpoints", ignore_errors=True)


class OthersFolder(RunFolder):
    """The run's folder as all ranks but the first have it: they know where it is, and write not."""

    def fail(self, error: str) -> None:
        """Leave it to rank 0."""

    def write(self, **values: Any) -> None:
        """Leave it to rank 0."""

    def note_start(self, start: Found) -> None:
        """Leave it to rank 0."""

    def write_recipe(self, recipe: Recipe) -> None:
        """Leave it to rank 0."""

    def release(self) -> None:
        """Leave it to rank 0."""


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        why = getattr(error, "strerror", None) or error
        raise UserError(f"--out {path} cannot be written: {why}") from None


def _refuse_links(folder: Path) -> None:
    """Raise UserError for links in a folder, which another may have made, that lead out of it."""
    inside = folder.resolve()
    what = "is a link that leads out of the run's folder: nothing is written there"
    found = [
        Fault(str(path), what)
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() and not _target(path).is_relative_to(inside)
    ]
    if found:
        raise UserError(found)


def _target(link: Path) -> Path:
    try:
        return link.resolve()
    except (OSError, RuntimeError):  # a link to itself
        return Path("/")


def _occupied(path: Path) -> str:
    """Say what is in a folder that a new run cannot have."""
    locks.refuse_held(path)
    there = listing(sorted(p.name for p in path.iterdir()), 5)
    status = unfinished(path)
    hint = f" (a run that is {status}: --resume goes on with it)" if status else ""
    return f"--out {path} is not empty ({there}){hint}; name a new or empty folder"


def unfinished(path: Path) -> str | None:
    """Return the status of a run that did not get to its end; None for anything else."""
    try:
        status = Run(path).status
    except UserError:
        return None
    return None if status == "finished" else status


def last_unfinished(name: str) -> Path | None:
    """Return the newest folder under runs/<name> whose run did not get to its end."""
    found = sorted(home(name).glob("*/run.json"), key=lambda file: file.parent.name)
    return next((f.parent for f in reversed(found) if unfinished(f.parent)), None)


def home(name: str) -> Path:
    """Return the folder of a recipe's runs; a recipe's file may be called `...yaml`."""
    parts = (part if part.strip(".") else "_" for part in name.split("/"))
    return Path("runs", *parts)


def _fresh(base: Path) -> Path:
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    for again in range(1000):
        path = base / (stamp if not again else f"{stamp}_{again}")
        if not path.exists():
            return path
    raise ToolkitError(f"{base} holds a thousand runs of this second")


def read_predictions(
    path: Path, keep: Sequence[bool] | np.ndarray[Any, Any] | None = None
) -> Iterator[tuple[list[Prediction], list[Any]]]:
    """Yield (predictions, references) of predictions.jsonl in batches.

    Args:
        keep: one bool per row; rows with False are passed over.
    """
    predictions: list[Prediction] = []
    references: list[Any] = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            if keep is not None and not keep[number]:
                continue
            row = json.loads(line)
            predictions.append(row["prediction"])
            references.append(row["reference"])
            if len(predictions) == BATCH:
                yield predictions, references
                predictions, references = [], []
    if predictions:
        yield predictions, references


class Run:
    """A run read back from its folder.

    path: the folder. record: run.json as a dict.

    Raises:
        UserError: the folder is no run, or run.json is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        file = self.path / "run.json"
        try:
            if not file.is_file():
                raise UserError(_no_run(self.path))
            record = json.loads(file.read_text(encoding="utf-8"))
        except RecursionError:
            raise UserError(f"{file} is damaged: it is nested too deeply") from None
        except (OSError, ValueError) as error:
            raise UserError(f"{file} is damaged: {error}") from None
        wrong = faults(record, str(file))
        if wrong:
            raise UserError(wrong)
        self.record: dict[str, Any] = record

    @property
    def status(self) -> str:
        """running, finished, failed or interrupted."""
        return str(self.record["status"])

    @property
    def metrics(self) -> dict[str, Any]:
        """Split -> metric -> value, low, high."""
        return dict(self.record.get("metrics", {}))

    @property
    def report(self) -> Path:
        """Where the report is: one file for the browser, written when the run is finished."""
        return self.path / "report.html"

    def predict(self, rows: Sequence[Mapping[str, Any]], **how: Any) -> list[Prediction]:
        """Return one prediction per row, a mapping from the recipe's input columns to values.

        how: runtime, dtype and devices, as `toolkit.computing.Computing` takes them.
        """
        from toolkit.computing import Computing
        from toolkit.restoring import restore

        computing = Computing(**how)
        if computing not in self._restored:
            self._restored[computing] = restore(self.path, computing)
        return self._restored[computing].predict(list(rows))

    def serve(self, *, block: bool = True, **settings: Any) -> Server:
        """Answer requests for predictions over HTTP (see `toolkit.serving.Settings`).

        block: until Ctrl-C; otherwise in a thread, until `stop()` of what is returned.
        """
        from toolkit.serving import Server, Settings

        server = Server({self.path.resolve().name: self}, Settings(**settings))
        if not block:
            return server.start()
        from rich.console import Console

        shown.say(Console(stderr=True), f"serving at {server.url} (Ctrl-C ends it)")
        server.run()
        return server

    @cached_property
    def _restored(self) -> dict[Computing, Restored]:
        """The models that were needed so far, by how they compute."""
        return {}

    def push(self, repo: str, **how: Any) -> Pushed:
        """Publish it on the Hub as OWNER/NAME; `how` as `toolkit.pushing.prepare` takes it."""
        from toolkit import pushing

        return pushing.send(pushing.prepare(self, repo, **how))

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, status={self.status!r})"

    def _repr_html_(self) -> str:
        from toolkit.reporting.display import run_html

        return run_html(self)


def _no_run(path: Path) -> str:
    if path.is_dir():
        return f"{path} is no run's folder: it holds no run.json"
    beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    kind = "a file" if path.exists() else "not there"
    return f"{path} is no run's folder: it is {kind}.{nearest(path.name, beside)}"
