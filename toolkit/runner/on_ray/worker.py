"""A worker on a node of a Ray cluster: it starts one rank of a run as a process, and watches it.

The process is what torchrun would start. It ends when its worker does, however that ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from toolkit.runner import mailbox
from toolkit.runner.on_ray import files
from toolkit.runner.on_ray.files import Bundle
from toolkit.runner.on_ray.store import Store
from toolkit.utils import distributed, hardware
from toolkit.utils.files import write_atomically
from toolkit.utils.processes import python

WAIT = 1.0  # seconds that a call waits for news
COPY_EVERY = 2.0  # seconds
#: Started in front of a rank: Ray blocks signals in its workers, and does not end their children.
GUARD = """
import ctypes, os, signal, sys
signal.pthread_sigmask(signal.SIG_SETMASK, ())
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the worker has ended")
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class Place:
    """Where a worker is. missing: of the paths that it was asked for."""

    node: str
    host: str
    address: str
    packages: Mapping[str, str]
    missing: Sequence[str]


@dataclass(frozen=True)
class Rank:
    """A process to start: the arguments of python, its environment, its folder if it is there.

    reduced: what earlier attempts have changed for want of memory, as the launcher's note has it.
    copied: the run's folder on this machine, and where it is copied to, if that is to be done.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    reduced: str | None = None
    copied: tuple[Path, str] | None = None


@dataclass(frozen=True)
class News:
    """What a rank has written since, per stream, and how it ended: exit code, and what it said."""

    written: Sequence[tuple[int, bytes]] = ()
    code: int | None = None
    note: str | None = None
    run: str | None = None


class Worker:
    """An actor; its methods run in threads of its own, several at a time."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._written: list[tuple[int, bytes]] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._end: News | None = None

    def look(self, paths: Sequence[str]) -> Place:
        """Return where this is, what is installed here, and which paths are not there."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        found = {"python": "{}.{}".format(*sys.version_info), "ray": ray.__version__}
        missing = [path for path in paths if not os.path.exists(path)]
        address = ray.util.get_node_ip_address()
        return Place(node, socket.gethostname(), address, found | hardware.packages(), missing)

    def unpack(self, bundle: Bundle) -> str:
        """Return where the files of a bundle are on this machine."""
        return str(files.unpack(bundle))

    def fetch(self, name: str, url: str) -> Path:
        """Return a run's folder on this machine, as it was copied to a storage last."""
        folder = files.own_folder() / name
        Store(url).pull(folder)
        return folder

    def free_port(self) -> int:
        """Return a port of this machine that is free now."""
        with socket.socket() as probe:
            probe.bind(("", 0))
            return int(probe.getsockname()[1])

    def start(self, rank: Rank) -> None:
        """Start the rank's process."""
        # Linux ends the process with the thread that has started it: that one waits for its end.
        threading.Thread(target=self._run, args=(rank,), daemon=True).start()

    def news(self) -> News:
        """Return what is new, after a second at the latest."""
        with self._news:
            self._news.wait_for(lambda: bool(self._written) or self._end is not None, WAIT)
            written, self._written = self._written, []
            if self._end is None:
                return News(written)
            return News(written, self._end.code, self._end.note, self._end.run)

    def signal(self, number: int) -> None:
        """Send the rank a signal, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _run(self, rank: Rank) -> None:
        box = Path(tempfile.mkdtemp(prefix="toolkit-"))
        try:
            if rank.reduced is not None:
                write_atomically(box / "reduced", rank.reduced)
            environment = {**distributed.alone_environment(), **rank.environment,
                           mailbox.VARIABLE: str(box)}  # fmt: skip
            guard = [sys.executable, "-I", "-S", "-c", GUARD, str(os.getpid())]
            self._process = process = subprocess.Popen(
                [*guard, *python(*rank.arguments)], env=environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                cwd=rank.folder if os.path.isdir(rank.folder) else None,
            )  # fmt: skip
            streams = ((1, process.stdout), (2, process.stderr))
            readers = [threading.Thread(target=self._read, args=one, daemon=True)
                       for one in streams]  # fmt: skip
            for reader in readers:
                reader.start()
            code = _copying(process, *rank.copied) if rank.copied else process.wait()
            for reader in readers:
                reader.join(10)
            said = next((path.read_text(encoding="utf-8") for path in box.glob("rank-*")), None)
            where = mailbox.Mailbox(box).run_folder()
            self._finish(News((), code, said, str(where) if where else None))
        except Exception as error:  # else the launcher would wait for ever
            text = f"{type(error).__name__}: {error}"
            self._finish(News((), 1, mailbox.note_of(text, time.time())))
        finally:
            shutil.rmtree(box, ignore_errors=True)

    def _read(self, number: int, stream: IO[bytes] | None) -> None:
        with suppress(ValueError):
            while stream is not None and (part := os.read(stream.fileno(), 1 << 16)):
                with self._news:
                    self._written.append((number, part))
                    self._news.notify_all()

    def _finish(self, end: News) -> None:
        with self._news:
            self._end = end
            self._news.notify_all()


def _copying(process: subprocess.Popen[bytes], folder: Path, url: str) -> int:
    """Copy a run's folder while it is written and once it is; return the rank's exit code."""
    store = Store(url)
    while True:
        try:
            code: int | None = process.wait(COPY_EVERY)
        except subprocess.TimeoutExpired:
            code = None
        if folder.is_dir():
            store.push(folder)
        if code is not None:
            return code


def rank_environment(
    rank: int, local_rank: int, size: int, local_size: int, master: tuple[str, int]
) -> dict[str, str]:
    """Return the environment by which a process knows that it is a rank: torchrun's."""
    host, port = master
    return {
        "RANK": str(rank), "LOCAL_RANK": str(local_rank), "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(local_size), "MASTER_ADDR": host, "MASTER_PORT": str(port),
    }  # fmt: skip


def is_loss(code: int) -> bool:
    """Return whether an exit code is of a process that was ended from outside."""
    return code < 0 and signal.Signals(-code).name in mailbox.OUTSIDE
