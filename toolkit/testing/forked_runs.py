"""Runs forked from one process that has imported the libraries: `multiprocessing`'s fork server.

Importing them is most of what a short run costs. A fork does what `python -m MODULE ARGUMENTS`
does.
"""

from __future__ import annotations

import atexit
import importlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import connection, forkserver, process
from pathlib import Path
from typing import Any

KILLING = "toolkit.testing.interruptions"
PRELOADED = ["toolkit.testing.forked_runs", "toolkit.runner.run", "datasets",
             "sklearn.linear_model", "torch", "transformers.trainer"]  # fmt: skip
#: Variables that may differ between forks: each sets its own path; pytest and libraries the rest.
UNLIKE = ("PYTHONPATH", "PYTEST_CURRENT_TEST", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK")
#: Where the fork server finds modules.
_PATH = list(sys.path)

Ended = subprocess.CompletedProcess[str]


class ForkServer:
    """Runs in forks of one server, several at a time, each requested from its own thread.

    The server is multiprocessing's, so there is only one, which ends with this process. Each run is
    a fresh process before `start`, outside Linux, and in another environment than the server's.

    Args:
        environment: of the runs.
    """

    _imported_in: Mapping[str, str] | None = None
    _lock = threading.Lock()  # multiprocessing keeps its list of children for one thread

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._running = set[process.BaseProcess]()

    def start(self) -> None:
        """Start to import the libraries, in parallel."""
        if sys.platform != "linux" or ForkServer._imported_in is not None:
            return
        before, path = dict(os.environ), os.environ.get("PYTHONPATH", "")
        forkserver.set_forkserver_preload(PRELOADED)
        os.environ.clear()
        os.environ |= {**self._environment, "PYTHONPATH": path}
        try:
            forkserver.ensure_running()
        finally:
            os.environ.clear()
            os.environ |= before
        ForkServer._imported_in = _comparable(self._environment)

    def run(self, arguments: Sequence[str], module: str = KILLING) -> Ended:
        """Do what `python -m MODULE ARGUMENTS` does; return how it ended."""
        if _comparable(self._environment) == ForkServer._imported_in:
            return self._fork(module, arguments, self._environment)
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            capture_output=True, text=True, check=False, env=self._environment,
        )  # fmt: skip

    def _fork(self, module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Ended:
        ours, theirs = multiprocessing.Pipe()
        with tempfile.TemporaryDirectory(prefix="toolkit-") as folder, ours, theirs:
            asked = (module, list(arguments), dict(environment), folder, theirs)
            fork = multiprocessing.get_context("forkserver").Process(target=_become, args=asked)
            with ForkServer._lock:
                fork.start()
                self._running.add(fork)
            theirs.close()
            # A fork's own server would have to import all again: it requests further forks here.
            with suppress(EOFError, OSError):
                while fork.sentinel not in connection.wait([fork.sentinel, ours]):
                    ours.send(self._fork(*ours.recv()))
            connection.wait([fork.sentinel])
            with ForkServer._lock:
                self._running.discard(fork)
                code = fork.exitcode
            files = [Path(folder, name) for name in ("out", "err")]
            out, err = (p.read_text("utf-8", "replace") if p.exists() else "" for p in files)
        return subprocess.CompletedProcess(list(arguments), int(code or 0), out, err)

    def close(self) -> None:
        """Kill the forks that still run."""
        with ForkServer._lock:
            for fork in self._running:
                fork.kill()


def _comparable(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in UNLIKE}


def _become(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: str,
    server: connection.Connection[Any, Any],
) -> None:
    """Become the requested process: its arguments, and files for what it prints."""
    for place, name in ((1, "out"), (2, "err")):
        file = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(file, place)
        os.close(file)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ |= environment
    added = [p for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p not in _PATH]
    sys.path[:] = [*added, *_PATH]
    if added:  # as the interpreter does when it starts; the kit blocks the network there
        sys.modules.pop("sitecustomize", None)
        with suppress(ImportError):
            importlib.import_module("sitecustomize")
    from toolkit.runs import verify
    from toolkit.utils import distributed

    def in_a_fork(arguments: Sequence[str]) -> Ended:
        server.send((verify.__name__, list(arguments), distributed.alone_environment()))
        done: Ended = server.recv()
        return done

    verify.in_a_fresh_process = in_a_fork
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__")
    finally:  # which multiprocessing leaves out
        atexit._run_exitfuncs()
