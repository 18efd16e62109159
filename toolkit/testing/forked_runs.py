"""One process that has imported the libraries, and is copied for every run that the kit makes.

Importing them is most of what a short run costs. As a script it is that process: it reads one JSON
object a line, {"module": .., "arguments": .., "folder": ..}, and for each starts a copy of itself,
which does what `python -m MODULE ARGUMENTS` does; it answers with the copy's exit code.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

KILLING = "toolkit.testing.interruptions"
TURN = 0.05  # seconds between two looks at who has ended


class ForkServer:
    """Runs in copies of one warm process; several at a time, each asked for from its own thread.

    Before `start`, where processes cannot be copied as they are (not on Linux), and should that
    process end, each run is a fresh one.

    Args:
        environment: of all of them.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._waiting: dict[int, Future[int | None]] = {}
        self._lock = threading.Lock()
        self._server: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Begin to import the libraries, beside this process."""
        if sys.platform != "linux":
            return
        self._server = subprocess.Popen(
            [sys.executable, "-m", "toolkit.testing.forked_runs"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=self._environment,
        )  # fmt: skip
        threading.Thread(target=self._listen, args=(self._server.stdout,), daemon=True).start()

    def run(
        self, arguments: Sequence[str], module: str = KILLING
    ) -> subprocess.CompletedProcess[str]:
        """Do what `python -m MODULE ARGUMENTS` does; return how it ended."""
        with tempfile.TemporaryDirectory(prefix="toolkit-") as folder:
            code = self._ask({"module": module, "arguments": arguments, "folder": folder})
            if code is not None:
                return _ended(arguments, code, Path(folder))
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=self._environment
        )

    def close(self) -> None:
        """End the process, and the copies that still run."""
        if self._server is not None and self._server.stdin is not None:
            with suppress(OSError):
                self._server.stdin.close()
            self._server.wait()

    def _ask(self, asked: Mapping[str, Any]) -> int | None:
        """Return a copy's exit code, or None where there is nothing to copy."""
        if self._server is None or self._server.stdin is None:
            return None
        answer: Future[int | None] = Future()
        with self._lock:
            number = len(self._waiting)
            self._waiting[number] = answer
            try:
                self._server.stdin.write(json.dumps({"number": number, **asked}) + "\n")
                self._server.stdin.flush()
            except (OSError, ValueError):  # it has ended, or was closed
                return None
        return answer.result()

    def _listen(self, answers: IO[str]) -> None:
        for line in answers:
            number, code = line.split()
            self._waiting[int(number)].set_result(int(code))
        with self._lock:
            answers.close()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_result(None)


def _next_copy() -> dict[str, Any] | None:
    """Start a copy for each line of stdin; return in the copy what it shall do, None at the end."""
    running: dict[int, int] = {}
    rest = b""
    while True:
        ready, _, _ = select.select([0], [], [], TURN)
        while running:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                break
            _answer(running.pop(child), os.waitstatus_to_exitcode(status))
        if not ready:
            continue
        chunk = os.read(0, 1 << 16)
        if not chunk:
            for child in running:
                os.kill(child, signal.SIGKILL)
            return None
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            asked: dict[str, Any] = json.loads(line)
            child = os.fork()
            if child == 0:
                return asked
            running[child] = asked["number"]


def _answer(number: int, code: int) -> None:
    sys.stdout.write(f"{number} {code}\n")
    sys.stdout.flush()


def _become(asked: Mapping[str, Any]) -> None:
    """Be the process that was asked for: its arguments, and files for what it prints."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    if asked["module"] == KILLING:
        asked = _keep_one_for_the_reload(asked)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for place, name in ((1, "out"), (2, "err")):
        file = os.open(os.path.join(asked["folder"], name), os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(file, place)
        os.close(file)
    sys.argv = [asked["module"], *asked["arguments"]]
    runpy.run_module(asked["module"], run_name="__main__")


def _keep_one_for_the_reload(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """Set a copy aside that knows nothing of the run, in which the saved model is loaded again.

    It waits, and ends when the run does. Returns what the process that returns shall do.
    """
    from toolkit.runs import verify
    from toolkit.utils import distributed

    fresh = verify.in_a_fresh_process
    questions, ask = os.pipe()
    spare = os.fork()
    if spare == 0:
        os.close(ask)
        with open(questions, encoding="utf-8") as file:
            question = file.readline()
        if not question:
            os._exit(0)
        asked = json.loads(question)
        os.environ.clear()
        os.environ.update(asked["environment"])
        return asked
    os.close(questions)

    def in_the_spare(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        nonlocal spare
        if not spare:
            return fresh(arguments)
        child, spare = spare, 0
        with tempfile.TemporaryDirectory(prefix="toolkit-") as folder:
            question = {"module": verify.__name__, "arguments": list(arguments), "folder": folder,
                        "environment": distributed.alone_environment()}  # fmt: skip
            with open(ask, "w", encoding="utf-8") as file:
                file.write(json.dumps(question) + "\n")
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            return _ended(arguments, code, Path(folder))

    verify.in_a_fresh_process = in_the_spare
    return asked


def _ended(arguments: Sequence[str], code: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """Return how a copy has ended that printed to files in `folder`."""
    said = [folder / name for name in ("out", "err")]
    out, err = (p.read_text("utf-8", "replace") if p.exists() else "" for p in said)
    return subprocess.CompletedProcess(list(arguments), code, out, err)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the kit, which then ends this
    from toolkit.runner import run  # noqa: F401 - so that the copies have it
    from toolkit.runner.prepare import import_libraries  # noqa: F401 - so that the copies have it

    import_libraries()
    gc.freeze()  # of what the copies share nothing is garbage
    found = _next_copy()
    if found is not None:
        _become(found)
