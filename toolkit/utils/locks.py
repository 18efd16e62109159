"""One writer per run's folder: a lock that names its holder, so that a dead one's is recognised."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

from toolkit.errors import UserError

NAME = "run.lock"


def take(folder: Path) -> None:
    """Lock a folder for this process; the lock of a process that is gone is taken over.

    Raises:
        UserError: another process, here or on another machine, holds it.
        OSError: the folder cannot be written.
    """
    import psutil
    from filelock import FileLock

    # Two that find the same dead lock must not both take it.
    guard = hashlib.sha256(str(folder).encode()).hexdigest()[:32]
    with FileLock(Path(tempfile.gettempdir()) / f"toolkit-{guard}.lock"):
        refuse_held(folder)
        own = {
            "pid": os.getpid(),
            "started": psutil.Process().create_time(),
            "host": socket.gethostname(),
        }
        (folder / NAME).write_text(json.dumps(own), encoding="utf-8")


def give_back(folder: Path) -> None:
    """Unlock a folder."""
    (folder / NAME).unlink(missing_ok=True)


def refuse_held(folder: Path) -> None:
    """Raise UserError where a living process holds a folder, or one on another machine might."""
    holder = _holder(folder)
    if holder is None:
        return
    if holder.get("host") != socket.gethostname():
        raise UserError(
            f"{folder} is being written by process {holder.get('pid')} on {holder.get('host')!r}; "
            f"if that has ended, remove {folder / NAME}"
        )
    if _lives(holder):
        raise UserError(f"{folder} is being written by another process ({holder.get('pid')})")


def _holder(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        found = None
    return found if isinstance(found, dict) else {"host": socket.gethostname()}


def _lives(holder: dict[str, Any]) -> bool:
    import psutil

    try:
        started = psutil.Process(int(holder["pid"])).create_time()
    except (psutil.NoSuchProcess, KeyError, ValueError, TypeError):
        return False
    except psutil.AccessDenied:
        return True
    # The number may have been given to another process since.
    return bool(abs(started - float(holder.get("started", started))) < 1)
