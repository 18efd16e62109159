"""Runs that are killed at a chosen moment, and what they end with once they are resumed.

A plugin's tests call `assert_resumes` with a small recipe. As a script it is one such run:
`python -m toolkit.testing.interruptions MOMENT COUNT SIGNAL run RECIPE ...`.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from toolkit.utils.processes import python

FILE = "file"  # the moment before something changes in the folder of --out
#: What Python tells of before it does so -> the places of paths and their folders' handles.
CHANGES = {"open": (0, None), "os.mkdir": (0, 2), "os.rename": (1, 3), "os.remove": (0, 1),
           "os.rmdir": (0, 1), "os.truncate": (0, None)}  # fmt: skip
#: Moment -> module, class (or none) and function that begins then; and FILE.
MOMENTS = {
    "step": ("transformers.trainer_callback", "CallbackHandler", "on_step_end"),
    "evaluation": ("toolkit.evaluation.predicting", "_Work", "share"),
    "checkpoint": ("transformers", "Trainer", "_save_rng_state"),  # weights written, state not
    "rename": ("toolkit.training.checkpoints", None, "_move"),  # written, not under its final name
    "save": ("toolkit.runner.run", None, "save"),
    "reload": ("toolkit.runs.verify", "Reload", "result"),
    "tidy": ("toolkit.runs.writer", "RunWriter", "tidy"),  # finished, checkpoints still there
}


def killed(moment: str, count: int, arguments: Sequence[str], number: int = signal.SIGKILL) -> int:
    """Run `toolkit run ...` in a process that gets a signal at the `count`-th such moment.

    Returns its exit code, negative for a signal.
    """
    return _echo(alone(arguments, None, moment, count, number))


def undisturbed(arguments: Sequence[str]) -> int:
    """Run `toolkit run ...` in a process of its own; return its exit code."""
    return _echo(alone(arguments))


def alone(
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    moment: str = "step",
    count: int = 0,
    number: int = signal.SIGKILL,
) -> subprocess.CompletedProcess[str]:
    """Do as `killed` does (0: it gets no signal), and return what the process has printed, too."""
    return process([moment, str(count), str(int(number)), "run", *arguments], environment)


def assert_resumes(
    arguments: Sequence[str],
    folder: Path,
    moments: Mapping[str, int] = MappingProxyType({"step": 2, "evaluation": 1, "reload": 1}),
) -> None:
    """Kill a run at each of some moments, resume it, and compare its end with an undisturbed one.

    Args:
        arguments: of `toolkit run`, but for --out and --resume.
        folder: where the runs go.
        moments: a key of MOMENTS, or FILE -> the process is killed at this occurrence of it, from
            1 on.

    Raises:
        AssertionError: the ends differ, and how; or a run was not killed, as it has fewer such
            moments.
    """
    whole = folder / "undisturbed"
    code = undisturbed([*arguments, "--out", str(whole)])
    assert code == 0, f"the uninterrupted run ends with exit code {code}"
    for moment, count in moments.items():
        out = folder / f"killed-{moment}"
        code = killed(moment, count, [*arguments, "--out", str(out)])
        assert code == -signal.SIGKILL, f"there is no {moment} {count}: exit code {code}"
        code = undisturbed([*arguments, "--out", str(out), "--resume"])
        assert code == 0, f"resumed after {moment} {count}: exit code {code}"
        assert_same_end(out, whole)


def assert_same_end(run: Path, other: Path) -> None:
    """Compare weights (to the bit), scores and predictions of two finished runs."""
    import torch
    from safetensors.torch import load_file

    for file in sorted((other / "model").glob("*.safetensors")):
        mine, theirs = load_file(run / "model" / file.name), load_file(file)
        assert mine.keys() == theirs.keys(), f"{file.name}: other weights"
        different = [name for name in mine if not torch.equal(mine[name], theirs[name])]
        assert not different, f"{file.name}: {different}"
    mine, theirs = (json.loads((path / "run.json").read_text()) for path in (run, other))
    for key in ("status", "metrics"):
        assert mine[key] == theirs[key], f"{key}: {mine[key]}, not {theirs[key]}"
    assert mine["status"] == "finished", mine["status"]
    predictions = [(path / "predictions.jsonl").read_bytes() for path in (run, other)]
    assert predictions[0] == predictions[1], "predictions.jsonl: other predictions"


def process(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run this module as a script."""
    command = python("-m", "toolkit.testing.interruptions", *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def _echo(done: subprocess.CompletedProcess[str]) -> int:
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def arm(moment: str, count: int, number: int = signal.SIGKILL) -> None:
    """Send this process a signal when a function begins for the `count`-th time."""

    def send(calls: int) -> None:
        if calls == count:
            os.kill(os.getpid(), number)

    watch(moment, send)


def watch(moment: str, call: Callable[[int], None]) -> None:
    """Call a function with 1, 2, ... whenever such a moment comes in this process."""
    if moment == FILE:
        return _watch_files(call)
    module, owner, name = MOMENTS[moment]
    place: Any = importlib.import_module(module)
    place = getattr(place, owner) if owner else place
    original, calls = getattr(place, name), itertools.count(1)

    def counted(*args: object, **kwargs: object) -> object:
        call(next(calls))
        return original(*args, **kwargs)

    setattr(place, name, counted)


def _watch_files(call: Callable[[int], None]) -> None:
    """Call a function before each change of a file in the folder that the command line names."""
    folder = os.path.realpath(sys.argv[sys.argv.index("--out") + 1])
    calls = itertools.count(1)

    def heard(event: str, details: tuple[Any, ...]) -> None:
        if event not in CHANGES or (event == "open" and not details[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        at, below = CHANGES[event]
        path, handle = details[at], -1 if below is None else details[below]
        if handle != -1:  # as shutil.rmtree names what it removes
            path = os.path.join(os.readlink(f"/proc/self/fd/{handle}"), os.fsdecode(path))
        if isinstance(path, str | bytes | os.PathLike):
            path = os.path.abspath(os.fsdecode(path))
            if path == folder or path.startswith(f"{folder}{os.sep}"):
                call(next(calls))

    sys.addaudithook(heard)


if __name__ == "__main__":
    asked, sys.argv[1:] = sys.argv[1:4], sys.argv[4:]
    if asked[1] != "0":
        arm(asked[0], int(asked[1]), int(asked[2]))
    runpy.run_module("toolkit", run_name="__main__")
