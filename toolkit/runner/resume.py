"""Resuming a run: its folder found and locked, compared with what is asked for, gone on with."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from toolkit.errors import Fault, UserError
from toolkit.plugin.blame import blamed
from toolkit.recipe import library
from toolkit.recipe.draft import Draft, Overrides
from toolkit.recipe.schema import Recipe
from toolkit.recipe.yaml_text import construct
from toolkit.runner import processors
from toolkit.runner.prepare import Job, find_base, load_rows
from toolkit.runner.resolve import resolve_recipe
from toolkit.runs import sweeps
from toolkit.runs.folder import Run, last_unfinished, readable
from toolkit.runs.restore import RECIPE, SETTINGS
from toolkit.runs.writer import RunWriter
from toolkit.training import batching, checkpoints
from toolkit.utils import distributed, hardware, locks
from toolkit.utils.distributed_errors import raise_on_all_ranks
from toolkit.utils.packages import DISTRIBUTION

REDUCED = (batching.SIZE, batching.TIMES, batching.TOKENS)  # where memory was short


@dataclass(frozen=True)
class RunToResume:
    """A run's folder as it was found: overrides are what the run has changed in its recipe."""

    path: Path
    finished: bool
    overrides: Overrides = ()


@contextmanager
def run_to_resume(
    draft: Draft, out: Path | None
) -> Iterator[tuple[RunToResume | None, RunWriter | None]]:
    """Yield the run to go on with, and on rank 0 its folder, locked; None where a new one begins.

    It is looked at under its lock: whoever has waited for that sees what the holder has made of it.

    Raises:
        UserError: `out` holds something else than a run, or another process is writing to it.
    """
    with ExitStack() as stack:
        with raise_on_all_ranks():
            before, folder = None, None
            path = (out or _last(draft)) if distributed.is_main() else None
            if path is not None and not _is_finished(path):
                _refuse_others(path)
                folder = stack.enter_context(RunWriter.held(path))
            if path is not None:
                record = folder.record if folder else Run(path).record
                finished = record["status"] == "finished"
                before = RunToResume(path, finished, _overrides(path, record))
            before = distributed.broadcast_object(before)
        yield before, folder


def _last(draft: Draft) -> Path | None:
    return last_unfinished(draft.name, draft.values.get("scenario"))


def _is_finished(path: Path) -> bool:
    return readable(path / "run.json") is not None and Run(path).status == "finished"


def _refuse_others(path: Path) -> None:
    """Raise UserError for a folder that holds files, and none of a run."""
    names = {item.name for item in path.iterdir()} if path.is_dir() else set()
    if sweeps.FILE in names:
        raise UserError(f"{path} holds a sweep, not a run: toolkit sweep ... --resume goes on")
    if any(not name.startswith(".") for name in names - {"run.lock"}) and not names & {
        "run.json", RECIPE, "checkpoints"
    }:  # fmt: skip
        Run(path)  # says what it lacks


def _overrides(path: Path, record: Mapping[str, Any]) -> Overrides:
    """Return the smaller batches that a run has taken where memory was short."""
    if not record.get("devices", {}).get("batch", {}).get("reduced"):
        return ()
    training = settings_of(path, record).training
    return [(("training", key), training[key]) for key in REDUCED if key in training]


def unneeded(recipe: Recipe) -> list[str]:
    """Return what a finished run's folder need not hold any more."""
    kept = "save_total_limit" in recipe.training
    return [processors.FOLDER, *([] if kept else ["checkpoints"])]


def refuse_other_end(before: RunToResume, draft: Draft) -> None:
    """Compare what is asked for with what a finished run was made of, and tidy its folder.

    Raises:
        UserError: it differs, difference by difference; or the rows or the model are gone.
    """
    recipe, plugin = resolve_recipe(draft.changed(before.overrides))
    record = Run(before.path).record
    faults = list(_differences(before.path, record, recipe))
    if not faults:
        with blamed(plugin):
            rows = load_rows(recipe, plugin).fingerprint
        faults = list(_other_contents(before.path, record, rows, find_base(recipe).revision))
    if faults:
        raise UserError(faults)
    left = (*unneeded(recipe), locks.NAME)
    if any((before.path / name).exists() for name in left):  # it was stopped as it tidied up
        with suppress(UserError), RunWriter.held(before.path) as folder:
            folder.tidy(*unneeded(recipe))


def go_on(folder: RunWriter, job: Job) -> None:
    """Take up a run for the same recipe, data, model and packages.

    Raises:
        UserError: what is asked for is not what the run began with, difference by difference.
    """
    record = folder.record
    job.name = record.get("recipe", job.name)
    faults = list(_differences(folder.path, record, job.recipe)) or list(
        _other_contents(folder.path, record, job.loaded.fingerprint, job.files.revision)
    )
    if faults:
        raise UserError(faults)
    was = {"status": record["status"], "error": record.get("error"), "mended": folder.mended,
           "at": time.strftime("%Y-%m-%dT%H:%M:%S%z")}  # fmt: skip
    # A trial that a search has chosen was not cut off: it goes on as it was meant to.
    new = [was] if record["status"] != "validated" else []
    resumed = [*record.get("resumed", []), *new]
    folder.record = {**record, "status": "running", "error": None, "resumed": resumed}
    job.reductions += record.get("devices", {}).get("batch", {}).get("reduced", [])


def _differences(path: Path, record: Mapping[str, Any], recipe: Recipe) -> Iterator[Fault]:
    """Yield the settings and the packages that differ from those that a run began with."""
    known = "recipe" in record or checkpoints.newest(path / "checkpoints").path
    if not known:  # it did not get as far as writing down what it began with
        return
    where = f"of the run in {path}"
    yield from changed_settings(settings_of(path, record), recipe, where)
    now = hardware.packages()
    for name, was in record.get("environment", {}).get("packages", {}).items():
        if now.get(name, was) != was:
            what = f"is {now[name]} here, but {was} in the environment {where}"
            index = DISTRIBUTION if name == "toolkit" else name
            yield Fault(f"package {name}", f"{what}: pip install {index}=={was}, or a new run")


def _other_contents(
    path: Path, record: Mapping[str, Any], fingerprint: str, revision: str
) -> Iterator[Fault]:
    where = f"since the start of the run in {path}"
    if record.get("data", {}).get("fingerprint", fingerprint) != fingerprint:
        yield Fault("data.source", f"the rows have changed {where}")
    if record.get("model", {}).get("revision", revision) != revision:
        yield Fault("model", f"has changed {where}: its weights are others")


def settings_of(path: Path, record: Mapping[str, Any]) -> Recipe:
    """Return the recipe that a run began with, as its record has it, or its recipe.yaml.

    Raises:
        UserError: it is none.
    """
    if SETTINGS not in record:
        return library.find_recipe(str(path / RECIPE)).checked()
    where, text = f"{path} {SETTINGS} of the record", record[SETTINGS]
    try:
        values = construct(text) if isinstance(text, str) else None
    except yaml.YAMLError:
        values = None
    if not isinstance(values, dict):
        raise UserError(Fault(where, "is damaged: it is no recipe"))
    return Draft(where, values).checked()


def changed_settings(before: Recipe, now: Recipe, where: str) -> list[Fault]:
    """Return what differs between the recipe of a folder and one that is asked for, key by key.

    Args:
        where: how messages call the folder ("of the run in ...").
    """
    old, new = (found.model_dump(mode="json") for found in (before, now))
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
