"""Runs in copies of one warm process: `multiprocessing`'s fork server with preloaded libraries.

Importing them is most of what a short run costs. A copy does what `python -m MODULE ARGUMENTS` does
in a process of its own.
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
PRELOADED = ("toolkit.testing.forked_runs", "toolkit.runner.run", "datasets", "sklearn.linear_model",
             "torch", "transformers.trainer")  # fmt: skip
#: Variables that may differ between copies: each sets its own path; pytest and libraries the rest.
UNLIKE = ("PYTHONPATH", "PYTEST_CURRENT_TEST", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK")
#: In the warm process, where a process finds modules that is not started by a test.
_PATH = list(sys.path)

Ended = subprocess.CompletedProcess[str]


class ForkServer:
    """Runs in copies of one warm process; several at a time, each asked for from its own thread.

    The warm process is multiprocessing's, so there is one in all, which ends with this process.
    Before `start`, outside Linux, and in another environment than its libraries were imported in,
    each run is a fresh process.

    Args:
        environment: of the runs.
    """

    _imported_in: Mapping[str, str] | None = None
    _lock = threading.Lock()  # multiprocessing keeps its list of children for one thread

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._running = set[process.BaseProcess]()

    def start(self) -> None:
        """Begin to import the libraries, beside this process."""
        if sys.platform != "linux" or ForkServer._imported_in is not None:
            return
        before, path = dict(os.environ), os.environ.get("PYTHONPATH", "")
        forkserver.set_forkserver_preload(list(PRELOADED))
        os.environ.clear()
        os.environ |= {**self._environment, "PYTHONPATH": path}
        try:
            forkserver.ensure_running()
        finally:
            os.environ.clear()
            os.environ |= before
        ForkServer._imported_in = _alike(self._environment)

    def run(self, arguments: Sequence[str], module: str = KILLING) -> Ended:
        """Do what `python -m MODULE ARGUMENTS` does; return how it ended."""
        if _alike(self._environment) == ForkServer._imported_in:
            return self._copy(module, arguments, self._environment)
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            capture_output=True, text=True, check=False, env=self._environment,
        )  # fmt: skip

    def _copy(self, module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Ended:
        ours, theirs = multiprocessing.Pipe()
        with tempfile.TemporaryDirectory(prefix="toolkit-") as folder, ours, theirs:
            asked = (module, list(arguments), dict(environment), folder, theirs)
            copy = multiprocessing.get_context("forkserver").Process(target=_become, args=asked)
            with ForkServer._lock:
                copy.start()
                self._running.add(copy)
            theirs.close()
            # A copy's own fork server would be a cold one: it asks here for a further copy.
            with suppress(EOFError, OSError):
                while copy.sentinel not in connection.wait([copy.sentinel, ours]):
                    ours.send(self._copy(*ours.recv()))
            connection.wait([copy.sentinel])
            with ForkServer._lock:
                self._running.discard(copy)
                code = copy.exitcode
            said = [Path(folder, name) for name in ("out", "err")]
            out, err = (p.read_text("utf-8", "replace") if p.exists() else "" for p in said)
        return subprocess.CompletedProcess(list(arguments), int(code or 0), out, err)

    def close(self) -> None:
        """End the copies that still run."""
        with ForkServer._lock:
            for copy in self._running:
                copy.kill()


def _alike(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in UNLIKE}


def _become(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: str,
    server: connection.Connection[Any, Any],
) -> None:
    """Be the process that was asked for: its arguments, and files for what it prints."""
    for place, name in ((1, "out"), (2, "err")):
        file = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(file, place)
        os.close(file)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ |= environment
    added = [p for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p not in _PATH]
    sys.path[:] = [*added, *_PATH]
    if added:  # as the interpreter does when it starts; the kit takes the network away there
        sys.modules.pop("sitecustomize", None)
        with suppress(ImportError):
            importlib.import_module("sitecustomize")
    from toolkit.runs import verify
    from toolkit.utils import distributed

    def in_a_copy(arguments: Sequence[str]) -> Ended:
        server.send((verify.__name__, list(arguments), distributed.alone_environment()))
        done: Ended = server.recv()
        return done

    verify.in_a_fresh_process = in_a_copy
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__")
    finally:  # which multiprocessing leaves out
        atexit._run_exitfuncs()
