"""A sweep's folder: made or opened again, locked, and how the sweep ended written into it."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from toolkit.errors import Fault, Interrupted, UserError
from toolkit.recipe.draft import Draft
from toolkit.recipe.schema import Recipe
from toolkit.recipe.yaml_text import dump
from toolkit.runner.resume import changed_settings, settings_of
from toolkit.runner.sweeping.asked import Asked
from toolkit.runs.folder import last_unfinished
from toolkit.runs.restore import RECIPE, SETTINGS, restore
from toolkit.runs.sweep_folder import Sweep, write
from toolkit.runs.sweeps import FILE
from toolkit.runs.writer import RunWriter
from toolkit.utils import locks
from toolkit.utils.text import listing

LOGS = "logs"
NOT_BEGUN = "trials were not begun"  # in a note, which more minutes make void


def resumed_folder(draft: Draft, out: Path | None) -> Sweep | None:
    """Return the sweep to go on with; None where there is none, and a new one begins.

    Raises:
        UserError: the folder holds something else.
    """
    path = out or last_unfinished(draft.name, kind=Sweep, file=FILE)
    if path is None or not path.is_dir():
        return None
    if (path / FILE).exists():
        return Sweep(path)
    if others := sorted(item.name for item in path.iterdir() if item.name != locks.NAME):
        raise UserError(f"{path} holds no sweep: no {FILE}, but {listing(others, 5)}")
    return None


def resume_command(path: Path) -> str:
    """Return the command that goes on with a sweep."""
    recipe, out = shlex.quote(str(path / RECIPE)), shlex.quote(str(path))
    return f"go on with: toolkit sweep {recipe} --out {out} --resume"


@contextmanager
def opened_folder(
    title: str, recipe: Recipe, asked: Asked, out: Path | None, before: Sweep | None
) -> Iterator[Sweep]:
    """Make the folder, or open it again; hold its lock, and write into it how that ended.

    Raises:
        UserError: `out` is taken, or the sweep in it is another.
    """
    with ExitStack() as stack:
        if before is None:
            folder = RunWriter.create(_unlocked(out), title)
            stack.callback(folder.release)
            write(folder.path, {
                **{key: folder.record[key] for key in ("schema_version", "started", "command")},
                "status": "running", "recipe": title, **asked.record(), "trials": [],
                "seconds": 0.0, "notes": [], SETTINGS: dump(recipe.model_dump(mode="json")),
            })  # fmt: skip
        else:
            folder = stack.enter_context(RunWriter.held(before.path))
        restore(folder.path)
        found = Sweep(folder.path)  # as it is under the lock
        _require_same(found, recipe, asked)
        if found.status != "finished":
            notes = [note for note in found.record["notes"] if NOT_BEGUN not in note]
            found.write(status="running", error=None, asked=asked.trials, minutes=asked.minutes,
                        notes=notes)  # fmt: skip
        with _end_recorded(found):
            yield found


def _unlocked(out: Path | None) -> Path | None:
    """Remove the lock of a process that was killed before it wrote anything else."""
    if out is not None and out.is_dir() and [item.name for item in out.iterdir()] == [locks.NAME]:
        locks.refuse_held(out)
        (out / locks.NAME).unlink(missing_ok=True)
    return out


def _require_same(found: Sweep, recipe: Recipe, asked: Asked) -> None:
    """Raise UserError where the sweep in a folder is another than is asked for."""
    where = f"of the sweep in {found.path}"
    faults = changed_settings(settings_of(found.path, found.record), recipe, where)
    faults += asked.differences(found.record, where)
    if not faults and found.status == "finished" and asked.trials > found.record["asked"]:
        what = (
            f"the sweep in {found.path} is finished: its test split was scored, once. More trials"
        )
        faults = [Fault("--trials", f"{what} would choose again after that: begin a new sweep")]
    if faults:
        raise UserError(faults)


@contextmanager
def _end_recorded(found: Sweep) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        if found.status != "finished":
            found.write(status="interrupted", error=str(error) or None)
        raise Interrupted(f"{error or 'stopped'}; {resume_command(found.path)}") from None
    except BaseException as error:
        if found.status == "finished":
            raise
        if any(found.path.glob("trial-*")):
            found.write(status="failed", error=f"{error}"[:2000])
        else:  # what is wrong was seen before anything was trained
            shutil.rmtree(found.path / LOGS, ignore_errors=True)
            for name in (FILE, RECIPE, locks.NAME):
                (found.path / name).unlink(missing_ok=True)
            if not any(found.path.iterdir()):
                found.path.rmdir()
        raise
