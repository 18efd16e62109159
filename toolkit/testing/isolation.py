"""Entry points of installed packages, each imported in a process of its own within a time limit.

So one that hangs, exits or crashes at import is reported like any other, and disturbs none.
`python -m toolkit.testing.isolation GROUP ENTRY` is that process; it answers with a line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from toolkit import registry
from toolkit.errors import ToolkitError
from toolkit.plugin import get
from toolkit.registry import Entry
from toolkit.utils.packages import DISTRIBUTION
from toolkit.utils.processes import python

SECONDS = 60.0  # torch and transformers take ten, and more from a cold disk
POLLED = 0.1
#: Group -> the function that describes an entry, or raises what is wrong with it.
DESCRIBED_BY = {
    "toolkit.plugins": "toolkit.testing.isolation:describe_scenario",
    "toolkit.models": "toolkit.models.find:describe_mirror",
    "toolkit.data": "toolkit.data.plugin_source:describe_source",
    "toolkit.metrics": "toolkit.evaluation.run_metrics:describe_metric",
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
        """Its category, name and distribution."""
        by = f"{self.entry.distribution} {self.entry.version}".strip()
        return f"{registry.KINDS[self.group]} {self.entry.name} ({by})"


def describe_scenario(entry: Entry) -> str:
    """Return that a scenario works.

    Raises:
        PluginError: why it does not.
    """
    get(entry.name)
    return "works"


def everything(seconds: float = SECONDS) -> Iterator[ProbeResult]:
    """Import all that is installed and yield the results, in the order of groups and names.

    Args:
        seconds: that each entry of another package may take to import.
    """
    entries = [(group, entry) for group in DESCRIBED_BY for entry in registry.entries(group)]
    ended = threading.Event()
    # Not more at once than there are cores: each may import torch, and is timed.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        answers = {
            one: pool.submit(_in_a_process, *one, seconds, ended)
            for one in entries
            if one[1].distribution != DISTRIBUTION  # our own are imported in this process
        }
        try:
            for one in entries:
                yield ProbeResult(
                    *one, *(answers[one].result() if one in answers else _probe(*one))
                )
        finally:
            ended.set()
            pool.shutdown(cancel_futures=True)


def _probe(group: str, entry: Entry) -> tuple[bool, str]:
    """Return whether an entry works, and its description or what is wrong with it."""
    try:
        return True, str(pkgutil.resolve_name(DESCRIBED_BY[group])(entry))
    except ToolkitError as error:
        return False, str(error)
    except Exception as error:  # a stranger's object may do anything when it is looked at
        return False, f"{type(error).__name__}: {error}"


def _in_a_process(
    group: str, entry: Entry, seconds: float, ended: threading.Event
) -> tuple[bool, str]:
    command = python("-m", "toolkit.testing.isolation", group, json.dumps(asdict(entry)))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        # Files and not pipes: what an import leaves running would hold those open.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        deadline = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < deadline and not ended.is_set():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLLED)
        code = process.poll()
        _kill(process)
        out.seek(0)
        err.seek(0)
        answer, lines = out.read(), err.read().decode(errors="replace").strip().splitlines()
    if answer:
        good, detail = json.loads(answer)
        return good, detail
    if code is None:
        why = f"did not finish importing in {seconds:g} s"
    else:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        why = f"ended the process that imported it ({how})" + "".join(f": {s}" for s in lines[-1:])
    return False, f"{registry.describe(group, entry)} {why}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it has started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def main(group: str, entry: str) -> None:
    """Import an entry, and print the answer alone, whatever the import prints."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        out.write(json.dumps(_probe(group, Entry(**json.loads(entry)))))
    os._exit(0)  # whatever the import has left running


if __name__ == "__main__":
    main(*sys.argv[1:])
