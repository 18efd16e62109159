"""What packages bring, tried: those of each package in a process of their own, within a limit.

So one that hangs, exits or crashes at import is told like any other, and the rest is tried all the
same, in a further process. `python -m toolkit.testing.isolation ENTRIES` is that process; it answers with one
line of JSON an entry.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import IO

from toolkit import registry
from toolkit.errors import ToolkitError
from toolkit.plugin import get
from toolkit.registry import Entry

SECONDS = 60.0  # torch and transformers take ten, and more from a cold disk
POLLED = 0.1
OWN = "toolkit"  # what comes with the toolkit is no stranger's, and tried in this process
Asked = tuple[str, Entry]
Answer = tuple[bool, str]
#: Group -> the function that says of an entry what it is, or raises what is wrong with it.
TRIED_BY = {
    "toolkit.plugins": "toolkit.testing.isolation:scenario",
    "toolkit.models": "toolkit.models.find:describe_mirror",
    "toolkit.data": "toolkit.data.plugin_source:describe_source",
    "toolkit.metrics": "toolkit.evaluation.metrics.plugin_metrics:describe_metric",
    "toolkit.commands": "toolkit.cli.plugin_commands:describe_command",
}


@dataclass(frozen=True)
class ProbeResult:
    """An entry of a group, whether it works, and what it is or what is wrong with it."""

    group: str
    entry: Entry
    good: bool
    detail: str

    @property
    def what(self) -> str:
        """How it is called: kind, name and distribution."""
        by = f"{self.entry.distribution} {self.entry.version}".strip()
        return f"{registry.KINDS[self.group]} {self.entry.name} ({by})"


def scenario(entry: Entry) -> str:
    """Return that a scenario works.

    Raises:
        PluginError: why it does not.
    """
    get(entry.name)
    return "works"


def everything(seconds: float = SECONDS) -> Iterator[ProbeResult]:
    """Yield what came of trying all that is installed, in the order of groups and names.

    Args:
        seconds: that each may take to import.
    """
    asked = [(group, entry) for group in TRIED_BY for entry in registry.entries(group)]
    bringing: dict[str, list[Asked]] = defaultdict(list)
    for group, entry in asked:
        bringing[entry.distribution].append((group, entry))
    # Not more at once than there are cores: each may import torch, and is timed.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool, _Processes(seconds) as processes:
        answers = {
            distribution: pool.submit(processes.ask, entries)
            for distribution, entries in bringing.items()
            if distribution != OWN
        }
        try:
            for one in asked:
                away = answers.get(one[1].distribution)
                yield ProbeResult(*one, *(away.result()[one] if away else _answer(*one)))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _answer(group: str, entry: Entry) -> tuple[bool, str]:
    module, _, function = TRIED_BY[group].partition(":")
    try:
        return True, str(getattr(importlib.import_module(module), function)(entry))
    except ToolkitError as error:
        return False, str(error)
    except Exception as error:  # a stranger's object may do anything when it is looked at
        return False, f"{type(error).__name__}: {error}"


@dataclass
class _Processes:
    """The processes that are under way; none outlives the trial."""

    seconds: float
    alive: list[subprocess.Popen[bytes]] = field(default_factory=list)
    ended: bool = False

    def __enter__(self) -> _Processes:
        return self

    def __exit__(self, *raised: object) -> None:
        self.ended = True
        for process in list(self.alive):
            _kill(process)

    def ask(self, entries: Sequence[Asked]) -> dict[Asked, Answer]:
        """Return for each entry whether it works, and what it says or what is wrong with it."""
        found: dict[Asked, Answer] = {}
        left = list(entries)
        while left and not self.ended:
            answers, why = self._start(left)
            found.update(zip(left, answers, strict=False))
            left = left[len(answers) :]
            if left:
                group, entry = left.pop(0)
                found[group, entry] = (
                    False,
                    f"{registry.describe(group, entry)} {why}",
                )
        return found

    def _start(self, entries: Sequence[Asked]) -> tuple[list[Answer], str]:
        """Return the answers of a new process, and how it ended where they are too few."""
        named = json.dumps([(group, asdict(entry)) for group, entry in entries])
        command = [sys.executable, "-m", "toolkit.testing.isolation", named]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
            # Files and not pipes: what an import leaves running would hold those open.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=said, start_new_session=True
            )
            self.alive.append(process)
            try:
                code = self._wait(process, out)
            finally:
                _kill(process)
                self.alive.remove(process)
            why = f"did not finish importing in {self.seconds:g} s"
            return _read(out), why if code is None else _died(code, said)

    def _wait(self, process: subprocess.Popen[bytes], out: IO[bytes]) -> int | None:
        """Return the exit code, or None where an answer took too long."""
        size, since = 0, time.monotonic()
        while time.monotonic() - since < self.seconds:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(POLLED)
            now = os.fstat(out.fileno()).st_size
            if now != size:
                size, since = now, time.monotonic()
        return None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it has started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        elif process.poll() is None:
            process.kill()
    process.wait()


def _read(out: IO[bytes]) -> list[Answer]:
    out.seek(0)
    return [(bool(good), str(detail)) for good, detail in map(json.loads, out)]


def _died(code: int, said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    last = f": {lines[-1]}" if lines else ""
    return f"ended the process that imported it ({how}){last}"


def main(named: str) -> None:
    """Try entries, and print the answers alone, whatever their imports print."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for group, entry in json.loads(named):
        out.write(json.dumps(_answer(group, Entry(**entry))) + "\n")
        out.flush()
    os._exit(0)  # whatever the imports have left running


if __name__ == "__main__":
    main(sys.argv[1])
