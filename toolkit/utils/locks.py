"""One writer per run's folder: an OS lock on run.lock, which a killed process cannot leave behind.

The operating system alone decides whether the lock is held. The file names its holder for messages;
that name may be old, of a machine that is gone, or of a clock that has moved.
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
ROOM = 1 << 15  # bytes
_held: dict[Path, BaseFileLock] = {}


def acquire(folder: Path) -> None:
    """Lock a folder for this process.

    Raises:
        UserError: another process, here or on another machine, holds it; or it is another user's.
        OSError: the folder cannot be written.
    """
    from filelock import SoftFileLock

    _held[folder] = lock = _locked(folder)
    if not isinstance(lock, SoftFileLock):  # which writes the same by itself
        flags = os.O_WRONLY | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
        with suppress(PermissionError):  # Windows lets nobody write to a locked file
            handle = os.open(folder / NAME, flags)
            os.write(handle, f"{os.getpid()}\n{socket.gethostname()}\n".ljust(ROOM).encode())
            os.close(handle)


def give_room(folder: Path) -> None:
    """Free what a lock has kept of the disk, so that the last words of a run find room on it."""
    if folder in _held:
        with suppress(OSError):
            os.truncate(folder / NAME, 0)


def release(folder: Path) -> None:
    """Unlock a folder, if this process holds it."""
    lock = _held.pop(folder, None)
    if lock is not None:
        with suppress(PermissionError):  # Windows keeps the name of an open file
            (folder / NAME).unlink(missing_ok=True)  # before others can lock it
        lock.release()


def refuse_held(folder: Path) -> None:
    """Raise UserError where another process holds a folder."""
    if (folder / NAME).exists():
        _locked(folder).release()


def is_held(folder: Path) -> bool:
    """Return whether a process holds a folder; True where that cannot be known."""
    try:
        refuse_held(folder)
    except (UserError, OSError):
        return True
    return False


def _locked(folder: Path) -> BaseFileLock:
    from filelock import FileLock, SoftFileLock, Timeout

    # Where the file system knows no locks, filelock becomes a SoftFileLock: held while the file is
    # there, unless it names a process of this machine that has ended.
    lock = FileLock(folder / NAME, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        pid, host = _holder(folder)
        who = pid if host in ("", socket.gethostname()) else f"{pid} on {host!r}"
        end = "wait for its end, or stop it"
        if isinstance(lock, SoftFileLock):
            end += f"; this file system knows no locks: if it has ended, remove {folder / NAME}"
        raise UserError(f"{folder} is being written by another process ({who}): {end}") from None
    except PermissionError as error:
        if not (folder / NAME).exists():
            raise
        raise UserError(
            f"{folder / NAME} cannot be locked, as it belongs to {_owner(folder / NAME)} "
            f"({error.strerror}): only that user can go on with the run here; a copy of the folder "
            f"without {NAME} can be gone on with by anybody"
        ) from None
    return lock


def _holder(folder: Path) -> tuple[str, str]:
    try:
        pid, host = (folder / NAME).read_text(encoding="utf-8").splitlines()[:2]
    except (OSError, ValueError):  # none, or half of one
        return "unknown", ""
    return pid, host.partition("?")[0]  # after "?" a SoftFileLock names a container


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except (KeyError, OSError, NotImplementedError):  # no such name here, or no such thing
        return f"user {path.stat().st_uid}"
