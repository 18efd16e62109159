"""Processes that import nothing: forked from a server that has the libraries (forkserver)."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import connection, forkserver
from pathlib import Path

import budget

#: What is read when it is needed, and so may change after the libraries were imported.
READ_LATE = {"COLUMNS", "HF_TOKEN", "LINES", "MLFLOW_TRACKING_URI", "PYTHONPATH", "TOOLKIT_API_KEY",
             "TOOLKIT_DEBUG", "TRACKIO_DIR"}  # fmt: skip
# What pytest says of the test at hand, and what libraries set when they are imported.
UNLIKE = {"PYTEST_CURRENT_TEST", "PYTEST_VERSION", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK",
          "TORCHINDUCTOR_CACHE_DIR", "_RJEM_MALLOC_CONF"}  # fmt: skip
HERE = str(Path(__file__).parent)


def _kept(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in UNLIKE}


def _paths(environment: Mapping[str, str]) -> list[str]:
    return [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]


BEGAN = _kept(os.environ)  # before any test
_started: list[bool] = []
_children = threading.Lock()  # multiprocessing keeps its list of them for one thread


def serves(environment: Mapping[str, str]) -> bool:
    """Say whether a forked process behaves as one that is started in that environment."""
    if sys.platform != "linux":
        return False
    changed = {name for name, _ in _kept(environment).items() ^ BEGAN.items()}
    return changed <= READ_LATE


def run(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Do what `python -m MODULE ARGUMENTS` does in that environment and folder.

    A saved model that it loads again is loaded in such a process, too.
    """
    environment = os.environ if environment is None else environment
    if not serves(environment):
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            capture_output=True, text=True, check=False, env=dict(environment), cwd=folder,
        )  # fmt: skip
    context = multiprocessing.get_context("forkserver")
    with _children:
        _start(context)
    with tempfile.TemporaryDirectory(prefix="toolkit-") as printed:
        mine, theirs = context.Pipe()
        given = (theirs, module, [*arguments], {**environment}, str(folder or Path.cwd()), printed)
        process = context.Process(target=_become, args=given)
        with _children:
            process.start()
        theirs.close()
        while mine in connection.wait([process.sentinel, mine]):
            with suppress(EOFError, OSError):  # it has ended, or was killed
                mine.send(run(*mine.recv()))
                continue
            break
        connection.wait([process.sentinel])
        mine.close()
        out, err = (
            path.read_text("utf-8", "replace") if path.exists() else ""
            for path in (Path(printed, "out"), Path(printed, "err"))
        )
        with _children:
            code = process.exitcode or 0
            process.close()
    return subprocess.CompletedProcess([module, *arguments], code, out, err)


def _start(context: multiprocessing.context.ForkServerContext) -> None:
    """Start the server, unless it runs, in the environment that tests begin with."""
    if _started:
        return
    context.set_forkserver_preload(["libraries"])
    now = dict(os.environ)
    with budget.shared():
        try:
            os.environ.clear()
            os.environ.update(BEGAN, PYTHONPATH=os.pathsep.join([HERE, *_paths(BEGAN)]))
            forkserver.ensure_running()
        finally:
            os.environ.clear()
            os.environ.update(now)
        first = context.Process(target=_started.clear)
        first.start()  # answered when the libraries are imported
        first.join()
    _started.append(True)


def _become(
    asked: connection.Connection, module: str, arguments: list[str],
    environment: dict[str, str], folder: str, printed: str,
) -> None:  # fmt: skip
    """Be the process that was asked for; runs in the forked one."""
    from toolkit.runs import verify

    for place, path in ((0, os.devnull), (1, f"{printed}/out"), (2, f"{printed}/err")):
        file = os.open(path, os.O_RDONLY if place == 0 else os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(file, place)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    # The modules of the tests are nothing to it; its PYTHONPATH comes first.
    sys.path[:] = [*_paths(environment), *(p for p in sys.path if p not in ("", HERE))]
    importlib.invalidate_caches()
    if any(Path(path, "sitecustomize.py").exists() for path in _paths(environment)):
        # As the interpreter does when it starts: the conformance kit blocks the network there.
        sys.modules.pop("sitecustomize", None)
        importlib.import_module("sitecustomize")
    os.chdir(folder)

    def in_the_parent(module, arguments, environment):
        asked.send((module, list(arguments), dict(environment), folder))
        return asked.recv()

    verify.FreshProcess = in_place_of_fresh(verify.FreshProcess, in_the_parent)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__")


def in_place_of(usual, module, run=run):
    """Return what runs `python -m MODULE` as `usual` does, forked where that is the same."""

    def fresh(arguments, environment=None):
        from toolkit.utils import distributed

        alone = distributed.alone_environment() if environment is None else environment
        if not serves(alone):
            return usual(arguments, *([] if environment is None else [environment]))
        return run(module, arguments, alone)

    return fresh


def in_place_of_fresh(usual, run=run):
    """Return what does as `verify.FreshProcess`, forked where that is the same."""
    from toolkit.runs import verify
    from toolkit.utils import distributed

    class Forked:
        """Begins when its answer is wanted, as there is nothing that it has to import."""

        def __init__(self):
            self.arguments = []

        def ask(self, arguments):
            self.arguments = arguments

        def answer(self):
            return run(verify.__name__, self.arguments, distributed.alone_environment())

        def close(self):
            pass

    return lambda: Forked() if serves(distributed.alone_environment()) else usual()
