"""One writer per run's folder: an OS lock on run.lock, which a killed process cannot leave behind.

The file names its holder, for the message, and because not every shared file system passes locks on
from one machine to another.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import UserError

if TYPE_CHECKING:
    from filelock import BaseFileLock

NAME = "run.lock"
_held: dict[Path, BaseFileLock] = {}


def acquire(folder: Path) -> None:
    """Lock a folder for this process.

    Raises:
        UserError: another process, here or on another machine, holds it.
        OSError: the folder cannot be written.
    """
    from filelock import SoftFileLock

    _held[folder] = lock = _locked(folder)
    if not isinstance(lock, SoftFileLock):  # which writes the same by itself
        (folder / NAME).write_text(f"{os.getpid()}\n{socket.gethostname()}\n", encoding="utf-8")


def release(folder: Path) -> None:
    """Unlock a folder, or remove what the lock of a process that has ended left there."""
    lock = _held.pop(folder, None)
    with suppress(PermissionError):  # Windows keeps the name of an open file
        (folder / NAME).unlink(missing_ok=True)
    if lock is not None:
        lock.release()


def refuse_held(folder: Path) -> None:
    """Raise UserError where a living process holds a folder, or one on another machine might."""
    if (folder / NAME).exists():
        _locked(folder).release()


def _locked(folder: Path) -> BaseFileLock:
    from filelock import FileLock, Timeout

    # Where the file system knows no locks, filelock becomes a SoftFileLock: held while the file is
    # there and its process lives.
    lock, here = FileLock(folder / NAME, timeout=0, thread_local=False), socket.gethostname()
    pid, host = _holder(folder)
    if host.partition("?")[0] not in ("", here):  # after "?" a SoftFileLock names a container
        raise UserError(
            f"{folder} is being written by process {pid} on {host!r}; if that has ended, "
            f"remove {folder / NAME}"
        )
    try:
        lock.acquire()
    except Timeout:
        raise UserError(f"{folder} is being written by another process ({pid})") from None
    return lock


def _holder(folder: Path) -> tuple[str, str]:
    try:
        pid, host = (folder / NAME).read_text(encoding="utf-8").splitlines()[:2]
    except (OSError, ValueError):  # none, or half of one
        return "unknown", ""
    return pid, host
