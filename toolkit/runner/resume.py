"""Resuming an unfinished run: found, compared with what is asked for, opened again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import Fault, UserError
from toolkit.recipe import library
from toolkit.recipe.draft import Draft, Overrides
from toolkit.recipe.schema import Recipe
from toolkit.runner.prepare import Job
from toolkit.runs.folder import Run, last_unfinished
from toolkit.runs.writer import RunWriter

OPENING = {"run.lock", "recipe.yaml", "run.json.partial"}  # of a run that ended as it began
REDUCED = ("per_device_train_batch_size", "gradient_accumulation_steps")  # where memory was short


@dataclass(frozen=True)
class RunToResume:
    """A run's folder as it was found: overrides are what the run has changed in its recipe."""

    path: Path
    finished: bool
    overrides: Overrides = ()


def find_run_to_resume(draft: Draft, out: Path | None) -> RunToResume | None:
    """Return the run to go on with, or None where a new one is to be started.

    Raises:
        UserError: `out` holds something else than a run.
    """
    path = out or last_unfinished(draft.name)
    if path is None or not path.is_dir() or not any(path.iterdir()):
        return None
    if {item.name for item in path.iterdir()} <= OPENING:
        return RunToResume(path, finished=False)
    run = Run(path)
    batch = run.record.get("devices", {}).get("batch", {})
    saved = library.find_recipe(str(path / "recipe.yaml")).values if batch.get("reduced") else {}
    training = saved.get("training") or {}
    changed = [(("training", key), training[key]) for key in REDUCED if key in training]
    return RunToResume(path, run.status == "finished", changed)


def reopen_run(before: RunToResume, job: Job) -> RunWriter:
    """Open a run's folder again for the same recipe, data and model.

    Raises:
        UserError: what is asked for is not what the run began with, difference by difference; or
            another process is writing to the folder.
    """
    folder = RunWriter.reopen(before.path)
    job.name = folder.record.get("recipe", job.name)
    try:
        faults = list(_differences(folder, job))
        if faults:
            raise UserError(faults)
    except BaseException:
        folder.release()
        raise
    was = {"status": folder.record["status"], "error": folder.record.get("error"),
           "at": time.strftime("%Y-%m-%dT%H:%M:%S%z")}  # fmt: skip
    resumed = [*folder.record.get("resumed", []), was]
    folder.record = {**folder.record, "status": "running", "error": None, "resumed": resumed}
    job.reductions += folder.record.get("devices", {}).get("batch", {}).get("reduced", [])
    return folder


def _differences(folder: RunWriter, job: Job) -> Iterator[Fault]:
    if "recipe" not in folder.record:  # it did not get as far as writing down what it began with
        return
    where = f"of the run in {folder.path}"
    if changed := changed_settings(folder.path, job.recipe, where):
        yield from changed
        return  # with other splits or models nothing else can be equal
    if folder.record["data"]["fingerprint"] != job.loaded.fingerprint:
        yield Fault("data.source", f"the rows have changed since the start {where}")
    if folder.record["model"]["revision"] != job.files.revision:
        yield Fault("model", f"has changed since the start {where}: its weights are others")


def changed_settings(folder: Path, recipe: Recipe, where: str) -> list[Fault]:
    """Return what differs between a recipe and the one in a folder, key by key.

    Args:
        where: how messages call the folder ("of the run in ...").
    """
    before = library.find_recipe(str(folder / "recipe.yaml")).checked()
    old, new = (found.model_dump(mode="json") for found in (before, recipe))
    return [
        Fault(key, f"is {other!r}, but {one!r} in the recipe {where}")
        for key, one, other in _unequal(old, new)
    ]


def _unequal(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield "key.path", the old value and the new one, of plain values that differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from _unequal(old.get(key), new.get(key), f"{path}.{key}".lstrip("."))
    elif old != new:
        yield path, old, new
