"""Files that are written whole or not at all, files of a stranger's folder, and digests.

A folder may hold links and pipes where files are expected. What is written has a name that nobody
can guess until it is complete; what is read is a plain file within the folder.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

PARTIAL = ".partial"  # ends the names of files that are not complete
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
_NEW |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


@contextmanager
def writing(path: Path, mode: str = "w", newline: str | None = None) -> Iterator[IO[Any]]:
    """Yield a file that takes the place of `path` when the block ends well, and is removed else.

    A reader never sees half of the file, and a link at `path` is replaced, not followed. Text is
    UTF-8; lone surrogates are replaced by "?".

    Args:
        mode: "w", or "wb" for bytes.

    Raises:
        OSError: the folder cannot be written.
    """
    text: dict[str, Any] = {"encoding": "utf-8", "errors": "replace", "newline": newline}
    with placing(path) as partial:
        handle = os.open(partial, _NEW, 0o666)
        with os.fdopen(handle, mode, **({} if "b" in mode else text)) as file:
            yield file


@contextmanager
def placing(path: Path) -> Iterator[Path]:
    """Yield a name beside `path` at which others write a file, and treat that as `writing` does."""
    partial = aside(path)
    try:
        yield partial
        flush(partial)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    flush(path.parent)


def write_atomically(path: Path, text: str) -> None:
    """Write text as `writing` does.

    Raises:
        OSError: the folder cannot be written.
    """
    with writing(path) as file:
        file.write(text)


def aside(path: Path) -> Path:
    """Return a name beside `path` that cannot be guessed, for what is not complete yet."""
    return path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}{PARTIAL}")


def flush(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk.

    Raises:
        OSError: it cannot, as the disk is full or damaged.
    """
    if os.name == "nt":  # which opens no folders, and flushes only files open for writing
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def settle(folder: Path) -> None:
    """Have the system write all of a folder to the disk, readable to whom the umask allows it.

    Libraries write some files (weights, by safetensors) so that their owner alone can read them.

    Raises:
        OSError: it cannot, as the disk is full or damaged.
    """
    probe = aside(folder / "mode")
    with os.fdopen(os.open(probe, _NEW, 0o666)) as file:  # the umask itself is the process's
        usual = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    probe.unlink()
    for path in (*folder.rglob("*"), folder):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode) and usual & ~mode:
            path.chmod(stat.S_IMODE(mode) | usual)
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            flush(path)


def not_own(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield what a folder holds that is no file or folder of its own, and what it is.

    These are links that lead out of it, and pipes, sockets and devices, which may never end.
    """
    root = folder.resolve()
    # A folder that is being written to loses files while it is looked at; os.walk accepts that.
    held = [Path(top, name) for top, dirs, files in os.walk(folder) for name in (*dirs, *files)]
    for path in sorted(held):
        try:
            kind = path.lstat().st_mode
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(kind):
            if not Path(os.path.realpath(path)).is_relative_to(root):
                yield path, "is a link that leads out of the folder"
        elif not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            yield path, "is a pipe, a socket or a device"


def read_own(path: Path) -> bytes:
    """Return what a plain file holds; a link is not followed, and a pipe not waited for.

    Raises:
        OSError: it is none, or cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is no plain file", str(path))
        return file.read()


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
