"""Processor seconds until a mistake on the command line is said.

    python benchmarks/mistakes.py [RUN]

RUN is a finished run, for predict and evaluate. Goal: a mistyped path within 1 s.
"""

from __future__ import annotations

import resource
import subprocess
import sys

from common import say

NAME, NOWHERE = "text-classification", "/no/such.csv"
MISTAKES = {
    "data": ["run", NAME, "--data", NOWHERE],
    "data of another scenario": ["run", "fraud-detection", "--data", NOWHERE],
    "data, check": ["check", NAME, "--data", NOWHERE],
    "model's folder": ["run", NAME, "--model", "./no/such"],
    "model's name": ["run", NAME, "--model", "no/such", "--offline"],
    "recipe": ["run", "text-clasification"],
    "option": ["run", NAME, "--set", "options.txt=a"],
    "column": ["run", NAME, "--set", "options.label=lable"],
    "training key": ["run", NAME, "--set", "training.lerning_rate=1"],
    "run": ["predict", "/no/run", NOWHERE],
    "run, serve": ["serve", "/no/run"],
}
for run in sys.argv[1:]:
    MISTAKES["rows, predict"] = ["predict", run, NOWHERE, "--out", "never-written.csv"]
    MISTAKES["rows, evaluate"] = ["evaluate", run, NOWHERE]


def seconds(arguments: list[str]) -> float:
    """Return the processor seconds of a command that must end with exit code 2."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 2:
        sys.exit(f"{arguments}: exit code {done.returncode}: {done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


found = {name: round(min(seconds(words) for _ in range(2)), 2) for name, words in MISTAKES.items()}
paths = [name for name in found if name.startswith(("data", "model's folder", "r"))]
worst = max(found[name] for name in paths)
say("mistakes", ratio=worst, goal=1, worst_path_seconds=worst, processor_seconds=found)
