"""A run's folder on storage that outlives nodes: any URL that fsspec opens (a path, s3://, gs://).

Checkpoints are copied when they are complete, their manifest last: what has none is not taken.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from toolkit.errors import Fault, UserError
from toolkit.training.checkpoints import MANIFEST, SIDE
from toolkit.utils import locks
from toolkit.utils.files import PARTIAL

CHECKPOINTS = "checkpoints"


class Store:
    """Where a run's folder is copied to.

    Raises:
        UserError: fsspec cannot open the URL.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url
        try:
            self.fs, self.root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:  # its package is missing; an unknown scheme
            raise UserError(Fault("--storage", f"{url}: {error}")) from error
        self._known: dict[str, tuple[int, int]] = {}

    def require_writable(self) -> None:
        """Raise UserError where nothing can be written."""
        probe = f"{self.root}/.toolkit"
        try:
            self.fs.makedirs(self.root, exist_ok=True)
            self.fs.pipe_file(probe, b"")
            self.fs.rm_file(probe)
        except Exception as error:  # whatever a file system raises: OSError, botocore's, gcsfs's
            what = f"{self.url} cannot be written: {type(error).__name__}: {error}"
            raise UserError(Fault("--storage", what)) from error

    def holds(self) -> bool:
        """Return whether anything was copied here."""
        return bool(self._remote())

    def clear(self) -> None:
        """Remove all that was copied."""
        for name in self._remote():
            self.fs.rm_file(f"{self.root}/{name}")
        self._known = {}

    def push(self, folder: Path) -> None:
        """Copy what has changed since the last call; remove what is gone.

        What changes or goes meanwhile is copied by the next call.
        """
        there = {}
        for name, path in sorted(_kept(folder), key=lambda one: _order(one[0])):
            try:
                state = path.stat()
                there[name] = (state.st_mtime_ns, state.st_size)
                if self._known.get(name) != there[name]:
                    self._put(path, name)
            except FileNotFoundError:  # a checkpoint that has made room
                there.pop(name, None)
        for name in self._remote() - there.keys():
            self.fs.rm_file(f"{self.root}/{name}")
        self._known = there

    def pull(self, folder: Path) -> bool:
        """Make a folder what was copied last; return whether anything was."""
        shutil.rmtree(folder, ignore_errors=True)
        names = self._remote()
        for name in names:
            target = folder.joinpath(*PurePosixPath(name).parts)
            if not target.resolve().is_relative_to(folder.resolve()):
                raise UserError(Fault(self.url, f"{name} leads out of the run's folder"))
            target.parent.mkdir(parents=True, exist_ok=True)
            self.fs.get_file(f"{self.root}/{name}", str(target))
        return bool(names)

    def _put(self, path: Path, name: str) -> None:
        target = f"{self.root}/{name}"
        self.fs.makedirs(target.rpartition("/")[0], exist_ok=True)
        self.fs.put_file(str(path), target)

    def _remote(self) -> set[str]:
        self.fs.invalidate_cache()
        if not self.fs.exists(self.root):
            return set()
        found: list[Any] = self.fs.find(self.root)
        root = self.root.rstrip("/")
        return {str(name)[len(root) :].lstrip("/") for name in found}


def _kept(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield name and path of the files of a run but its lock and what is not complete."""
    for path, folders, names in os.walk(folder):
        here = Path(path)
        if here.parent == folder / CHECKPOINTS and not (here / MANIFEST).exists():
            folders.clear()
            continue
        folders[:] = [name for name in folders if name != SIDE]
        for name in names:
            if name != locks.NAME and not name.endswith(PARTIAL):
                yield (here / name).relative_to(folder).as_posix(), here / name


def _order(name: str) -> tuple[int, str]:
    """Return by what files are sorted: those of checkpoints, their manifests, and the rest."""
    inside = name.startswith(f"{CHECKPOINTS}/")
    return (0 if inside and not name.endswith(MANIFEST) else 1 if inside else 2), name
