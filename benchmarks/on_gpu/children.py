"""The toolkit in processes of its own, as users start it, for `gpu.py`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CHECK = """
import json, sys, toolkit
found = toolkit.check(sys.argv[1]).estimate
print(json.dumps({"memory": found.memory, "total": found.total_seconds, "parts": found.seconds}))
"""


@dataclass(frozen=True)
class Trained:
    """A finished run: its folder, run.json, and the seconds of its process."""

    path: Path
    record: dict[str, Any]
    wall: float

    @property
    def rate(self) -> float:
        """Rows a second in training."""
        return float(self.record["speed"]["train_samples_per_second"])

    @property
    def memory(self) -> int:
        """Peak bytes of the accelerator, or of the process where there is none."""
        peaks = self.record["resources"]["peak_memory_bytes"]
        return int(peaks.get("accelerator", peaks["process"]))

    @property
    def fixed(self) -> float:
        """Seconds of all but training, scoring and baselines."""
        phases = self.record["speed"]["phases"]
        return self.wall - sum(phases.get(name, 0.0) for name in ("train", "score", "baselines"))


@contextmanager
def started(words: Sequence[Any], **pipes: Any) -> Iterator[subprocess.Popen[str]]:
    """Start Python with such words in a group of its own, all of which ends with the block."""
    command = [sys.executable, *map(str, words)]
    child = subprocess.Popen(command, text=True, start_new_session=True, **pipes)
    try:
        yield child
    finally:
        with_group(child, signal.SIGKILL)
        child.communicate()


def with_group(child: subprocess.Popen[str], number: int) -> None:
    """Send a signal to a child and all that it has started, if any of it is left."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def run(words: Sequence[Any], seconds: float) -> tuple[str, float]:
    """Run Python with such words; return what it printed, and the seconds it took.

    Raises:
        RuntimeError: it failed (with the end of its output), or took longer than allowed.
    """
    begin = time.perf_counter()
    with started(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            printed, errors = child.communicate(timeout=max(seconds, 1))
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{_name(words)}: no end within {seconds:.0f} s") from None
        if child.returncode:
            end = (printed + errors).strip()[-1500:]
            raise RuntimeError(f"{_name(words)}: exit code {child.returncode}: {end}")
    return printed, time.perf_counter() - begin


def _name(words: Sequence[Any]) -> str:
    return " ".join(str(word) for word in words)[:200]


def toolkit(*words: Any, seconds: float) -> tuple[str, float]:
    """Run a command of the toolkit; see `run`."""
    return run(["-m", "toolkit", *words], seconds)


def train(recipe: Path, out: Path, seconds: float, *more: Any) -> Trained:
    """Run a recipe."""
    _, wall = toolkit("run", recipe, "--out", out, *more, seconds=seconds)
    return Trained(out, json.loads((out / "run.json").read_text(encoding="utf-8")), wall)


def check(recipe: Path, seconds: float) -> tuple[dict[str, Any], float]:
    """Return what `check` predicts of a recipe, and the seconds that took."""
    printed, wall = run(["-c", CHECK, recipe], seconds)
    return json.loads(printed.splitlines()[-1]), wall


def train_interrupted(recipe: Path, out: Path, seconds: float) -> int:
    """Run a recipe, kill it soon after its first checkpoint, resume it; return the step from which.

    Raises:
        RuntimeError: there was no checkpoint in time, or training ended before the kill.
    """
    words, end = ["-m", "toolkit", "run", recipe, "--out", out], time.monotonic() + seconds
    with started(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        while not any((out / "checkpoints").glob("checkpoint-*")):
            if child.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{_name(words)}: no checkpoint was written")
            time.sleep(0.02)
    train(recipe, out, end - time.monotonic(), "--resume")
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    if not record.get("resumed"):
        raise RuntimeError(f"{_name(words)}: it had ended before it was killed")
    return int(record["resumed"][-1]["step"])


@contextmanager
def served(run_folder: Path, seconds: float) -> Iterator[str]:
    """Give the address of a server of a run."""
    words = ["-m", "toolkit", "serve", run_folder, "--port", "0"]
    with (
        tempfile.TemporaryFile("w+") as log,
        started(words, stdout=subprocess.PIPE, stderr=log) as server,
    ):
        assert server.stdout is not None
        timer = threading.Timer(max(seconds, 1), with_group, (server, signal.SIGKILL))
        timer.start()
        found = re.search(r"http://\S+", server.stdout.readline())  # or nothing, where it ends
        timer.cancel()
        if found is None:
            log.seek(0)
            raise RuntimeError(f"{_name(words)}: it did not start: {log.read()[-1500:]}")
        yield found[0]


def load(url: str, texts: Path, seconds: int, clients: int, processes: int) -> dict[str, Any]:
    """Return the milliseconds of good requests, sorted, and the number of failed ones."""
    words = [HERE / "clients.py", url, texts, seconds, clients // processes]
    command = [sys.executable, *map(str, words)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
                for _ in range(processes)]  # fmt: skip
    found = [json.loads(child.communicate()[0]) for child in children]
    return {"milliseconds": sorted(ms for one in found for ms in one["milliseconds"]),
            "failed": sum(one["failed"] for one in found)}  # fmt: skip
