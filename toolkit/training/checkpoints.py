"""Checkpoints that are complete or refused: written aside, checksummed, flushed, then renamed.

A machine may stop at any moment. A checkpoint under its final name was complete when it got that
name; its manifest shows whether it still is.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import xxhash

from toolkit.utils.files import flush, settle

MANIFEST = "complete.json"
RECORD = "began.json"  # the run's record, by which its folder can be made whole
STATE = "trainer_state.json"
SIDE = ".partial"  # the folder, within that of the checkpoints, where they are written
UNFINISHED = "was not written to its end"
NAME = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True)
class ResumePoint:
    """The checkpoint to go on from, or None; and those that were skipped, with the reasons."""

    path: Path | None = None
    passed_over: list[str] = field(default_factory=list)

    @property
    def step(self) -> int:
        """The step after which it was written; 0 where there is none."""
        return 0 if self.path is None else _step(self.path)


@runtime_checkable
class Keeper(Protocol):
    """A callback of the Trainer that has something to keep in each checkpoint."""

    def keep(self, checkpoint: Path, model: Any) -> None:
        """Write it into a checkpoint's folder, which is sealed afterwards."""


def commit(written: Path, folder: Path) -> Path:
    """Seal a checkpoint that is all written, and move it among the others; return its place.

    Those of later steps go: they are damaged, or of an earlier attempt, and would be taken for the
    newest.
    """
    files = [path for path in sorted(written.rglob("*")) if path.is_file()]
    manifest = {str(p.relative_to(written)): [p.stat().st_size, _digest(p)] for p in files}
    (written / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    settle(written)
    return _move(written, folder)


def _move(written: Path, folder: Path) -> Path:
    """Give a sealed checkpoint its final name, in the place of those of later steps."""
    final = folder / written.name
    for other in folder.glob("checkpoint-*"):
        if _step(other) >= _step(final):
            shutil.rmtree(other, ignore_errors=True)
    os.replace(written, final)
    for path in (folder, folder.parent):  # the first one has made the folder
        flush(path)
    return final


@contextmanager
def own_names(model: Any) -> Iterator[None]:
    """Let `save_pretrained` name weights as the model in memory does, which Trainer goes by.

    By default names are those under which a model was once published. Trainer skips names that it
    does not find in memory (of a ViT: all but embeddings and head), without a word.
    """
    usual = model.save_pretrained
    if "save_original_format" in inspect.signature(usual).parameters:  # adapters have one name
        model.save_pretrained = partial(usual, save_original_format=False)
    try:
        yield
    finally:
        vars(model).pop("save_pretrained", None)


def newest(folder: Path) -> ResumePoint:
    """Return the newest checkpoint of a folder that is complete, and so is its best one.

    The best one is needed in the end: going on without it would end with another model.
    """
    found = sorted((p for p in folder.glob("checkpoint-*") if _step(p) >= 0), key=_step)
    faults = {path: fault(path) for path in found}
    passed_over = [f"{path.name}.partial: {UNFINISHED}" for path in (folder / SIDE).glob("*")]
    for path in reversed(found):
        reason = faults[path] or _best_lacks(path, faults)
        if reason is None:
            return ResumePoint(path, passed_over)
        passed_over.append(f"{path.name}: {reason}")
    return ResumePoint(None, passed_over)


def fault(checkpoint: Path) -> str | None:
    """Return what is wrong with a checkpoint, or None where it is what was written."""
    try:
        manifest = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
        if STATE not in manifest:
            return f"{MANIFEST} names no {STATE}"
        for name, (size, digest) in manifest.items():
            path = checkpoint / name
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size != size:
                return f"{name} has {path.stat().st_size:,} bytes of {size:,}"
            if _digest(path) != digest:
                return f"{name} is damaged"
    except FileNotFoundError:
        return UNFINISHED
    except (OSError, ValueError, TypeError, AttributeError) as error:
        return f"{MANIFEST} cannot be read: {error}"
    return None


def point_to_best(state: Any, folder: Path) -> None:
    """Let a Trainer's state name its best checkpoint where the run's folder is now."""
    best = state.best_global_step
    there = best and (best == state.global_step or (folder / f"checkpoint-{best}").is_dir())
    state.best_model_checkpoint = str(folder / f"checkpoint-{best}") if there else None


def _best_lacks(checkpoint: Path, faults: Mapping[Path, str | None]) -> str | None:
    """Return what is wrong with the best checkpoint that a checkpoint's state names, or None."""
    state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    best = checkpoint.with_name(f"checkpoint-{state.get('best_global_step')}")
    if not state.get("best_global_step") or best == checkpoint:
        return None
    if best not in faults:
        return f"its best one, {best.name}, is gone"
    return f"its best one, {best.name}: {faults[best]}" if faults[best] else None


def _step(path: Path) -> int:
    match = NAME.fullmatch(path.name)
    return int(match[1]) if match else -1


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()
