"""What packages bring, tried: each entry point imported in a process of its own, within a limit.

So one that hangs, exits or crashes at import is told like any other, and the rest is tried all the
same. `python -m toolkit.trying GROUP ENTRY` is that process; its answer is one JSON object.
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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import IO

from toolkit import registry
from toolkit.errors import ToolkitError
from toolkit.registry import Entry

SECONDS = 60.0  # torch and transformers take ten, and more from a cold disk
OWN = "toolkit"  # what comes with the toolkit is no stranger's, and tried in this process
#: Group -> the function that says of an entry what it is, or raises what is wrong with it.
TRIED_BY = {
    "toolkit.plugins": "toolkit.trying:scenario",
    "toolkit.models": "toolkit.models:tried",
    "toolkit.data": "toolkit.data.brought:tried",
    "toolkit.metrics": "toolkit.evaluation.metrics.brought:tried",
    "toolkit.commands": "toolkit.cli.brought_commands:tried",
}


@dataclass(frozen=True)
class Tried:
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
    registry.get(entry.name)
    return "works"


def everything(seconds: float = SECONDS) -> Iterator[Tried]:
    """Yield what came of trying all that is installed, in the order of groups and names.

    Args:
        seconds: that each may take to import.
    """
    asked = [(group, entry) for group in TRIED_BY for entry in registry.entries(group)]
    # Not more at once than there are cores: each may import torch, and is timed.
    with _Processes(seconds) as processes, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        apart = {
            place: pool.submit(processes.ask, group, entry)
            for place, (group, entry) in enumerate(asked) if entry.distribution != OWN
        }  # fmt: skip
        try:
            for place, (group, entry) in enumerate(asked):
                found = apart[place].result() if place in apart else _answer(group, entry)
                yield Tried(group, entry, *found)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.end()


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
        self.end()

    def ask(self, group: str, entry: Entry) -> tuple[bool, str]:
        """Return whether an entry works, and what it says or what is wrong with it."""
        named = json.dumps(asdict(entry))
        command = [sys.executable, "-m", "toolkit.trying", group, named]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
            if self.ended:
                return False, "not tried"
            # Files and not pipes: what an import leaves running would hold those open.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=said, start_new_session=True
            )
            self.alive.append(process)
            try:
                code = process.wait(self.seconds)
            except subprocess.TimeoutExpired:
                what = registry.side(registry.KINDS[group], entry)
                return False, f"{what} did not finish importing in {self.seconds:g} s"
            finally:
                _kill(process)
                self.alive.remove(process)
            return _read(out) or (False, _died(group, entry, code, said))

    def end(self) -> None:
        """Kill what is still running."""
        self.ended = True
        for process in list(self.alive):
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it has started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        elif process.poll() is None:
            process.kill()
    process.wait()


def _read(out: IO[bytes]) -> tuple[bool, str] | None:
    out.seek(0)
    try:
        found = json.loads(out.read())
        return bool(found["good"]), str(found["detail"])
    except (ValueError, TypeError, KeyError):
        return None


def _died(group: str, entry: Entry, code: int, said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    last = f": {lines[-1]}" if lines else ""
    what = registry.side(registry.KINDS[group], entry)
    return f"{what} ended the process that imported it ({how}){last}"


def main(arguments: Sequence[str]) -> None:
    """Try the entry of a group and name, and print the answer alone, whatever the import prints."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    group, named = arguments
    good, detail = _answer(group, Entry(**json.loads(named)))
    json.dump({"good": good, "detail": detail}, out)
    out.flush()
    os._exit(0)  # whatever the import has left running


if __name__ == "__main__":
    main(sys.argv[1:])
