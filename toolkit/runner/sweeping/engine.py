"""What runs trials: one at a time, each score on validation reported, which may end the trial.

`Engine` is all that a sweep knows of it. Here trials run in a process of this machine, apart from
the sweep: what ends that process (want of memory, a crash of a library) ends one trial. It is kept
for the next trial, as importing the libraries takes seconds, and replaced where a trial has failed.
"""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from toolkit.errors import Interrupted
from toolkit.runner.trial import Validation
from toolkit.utils import distributed
from toolkit.utils.processes import python
from toolkit.utils.signals import ShutdownSignal

POLL = 0.2  # seconds between looks at signals
LAST_WORDS = 120.0  # seconds in which an interrupted trial writes its checkpoint
MODULE = "toolkit.runner.sweeping.worker"


@dataclass(frozen=True)
class Task:
    """A trial to run: the recipe's values, its folder, and by what trials are compared.

    whole: the chosen trial, which goes on as an ordinary run, test split included.
    """

    name: str
    values: Mapping[str, Any]
    folder: str
    metric: str | None
    whole: bool = False
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Ended:
    """How a trial ended.

    state: validated, pruned, failed or (of a whole run) finished. reason, error: of a failed one,
    see `toolkit.runs.sweep_folder.TrialRecord`. faults: where and what, of wrong input.
    """

    state: str
    reason: str = ""
    error: str = ""
    faults: list[tuple[str, str]] = field(default_factory=list)


class Watcher(Protocol):
    """Who is told how a trial goes."""

    def begun(self, about: Mapping[str, Any]) -> None:
        """Take metric, greater_is_better and the data that trials are compared on.

        Raises:
            UserError: these rows are not those of the other trials.
        """

    def goes_on(self, validation: Validation) -> bool:
        """Take a score on validation; return whether training goes on."""


class Engine(Protocol):
    """Runs trials one after another."""

    def run(self, task: Task, watcher: Watcher) -> Ended:
        """Run a trial to its end, from its last checkpoint where its folder has one.

        Raises:
            Interrupted: a signal came; the trial has written a checkpoint, if it could.
        """


class LocalEngine:
    """Trials in a process of this machine; a context manager, which ends it."""

    def __init__(self, log: Path, shutdown: ShutdownSignal) -> None:
        self._log, self._shutdown = log, shutdown
        self._process: subprocess.Popen[str] | None = None
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._close()

    def run(self, task: Task, watcher: Watcher) -> Ended:
        """Run a trial, as `Engine` says."""
        ended = None
        try:
            self._tell(asdict(task))
            while ended is None:
                message = self._heard()
                if message is None:
                    code = self._close()
                    return Ended("failed", "killed", _death(code))
                ended = self._answered(message, watcher)
            return ended
        except KeyboardInterrupt as error:
            raise Interrupted(self._pause(str(error))) from None
        finally:
            if ended is None or ended.state == "failed":  # what is left in memory is unknown
                self._close()

    def _answered(self, message: Mapping[str, Any], watcher: Watcher) -> Ended | None:
        """Pass a message of the process on, and answer it; return how the trial ended, if so."""
        if "ended" in message:
            ended = message["ended"]
            if ended["state"] == "interrupted":
                raise KeyboardInterrupt(self._shutdown.asked or "ended from outside")
            return Ended(**ended)
        if "begun" in message:
            watcher.begun(message["begun"])
            self._tell({"goes_on": True})
        elif "validation" in message:
            self._tell({"goes_on": watcher.goes_on(Validation(**message["validation"]))})
        return None

    def _heard(self) -> dict[str, Any] | None:
        """Return the next message; None when the process has ended.

        Raises:
            KeyboardInterrupt: a signal has come.
        """
        while True:
            if self._shutdown.asked:  # first, as messages may come without a pause
                raise KeyboardInterrupt(self._shutdown.asked)
            with suppress(queue.Empty):
                return self._said.get(timeout=POLL)

    def _pause(self, why: str) -> str:
        """Let the trial write a checkpoint and end, and return why it did."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(queue.Empty):
                while (message := self._said.get(timeout=LAST_WORDS)) is not None:
                    if "ended" in message:
                        break
                    self._tell({"goes_on": True})
        return f"ended from outside ({why})" if why.startswith("SIG") else why or "stopped"

    def _tell(self, message: Mapping[str, Any]) -> None:
        process = self._process = self._process or self._start()
        if process.stdin is not None:
            with suppress(BrokenPipeError):  # it has ended, which is heard next
                process.stdin.write(json.dumps(message) + "\n")
                process.stdin.flush()

    def _start(self) -> subprocess.Popen[str]:
        self._log.parent.mkdir(exist_ok=True)
        self._said = queue.Queue()
        with self._log.open("a", encoding="utf-8") as log:
            # A session of its own: a Ctrl-C is for the sweep, which passes it on.
            process = subprocess.Popen(
                python("-m", MODULE), text=True, encoding="utf-8", start_new_session=True,
                env=distributed.alone_environment(),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        threading.Thread(target=_listen, args=(process, self._said), daemon=True).start()
        return process

    def _close(self) -> int | None:
        """End the process, and return its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.kill()
        code = process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        return code


def _listen(process: subprocess.Popen[str], said: queue.Queue[dict[str, Any] | None]) -> None:
    """Put each message of a process into a queue, and None at its end."""
    with suppress(ValueError, OSError):  # closed meanwhile
        for line in process.stdout or ():
            said.put(json.loads(line))
    said.put(None)


def _death(code: int | None) -> str:
    if code is None or code >= 0:
        return f"its process ended with exit code {code}"
    name = signal.Signals(-code).name
    why = "; that is what happens when memory runs out" if name == "SIGKILL" else ""
    return f"its process was ended from outside by {name}{why}"
