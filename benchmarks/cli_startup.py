"""Start-up of the listing commands against the bare imports of click and yaml.

    python benchmarks/cli_startup.py

Goal: at most 3x, and none of torch, transformers, datasets imported.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from common import say, timed

RUNS = 15
HEAVY = ("torch", "transformers", "datasets", "sklearn", "numpy")
COMMANDS = {
    "bare": ["-c", "import click, yaml"],
    "help": ["-m", "toolkit", "--help"],
    "list": ["-m", "toolkit", "list"],
}

seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
for _ in range(RUNS):  # interleaved, so that a slow moment of the machine hits all alike
    for name, arguments in COMMANDS.items():
        seconds[name].append(timed([sys.executable, *arguments]))
best = {name: statistics.median(times) for name, times in seconds.items()}
imported = {}
for name in ("help", "list"):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *COMMANDS[name]], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    imported[name] = sorted(modules & set(HEAVY))
say(
    "cli_startup",
    ratio=max(best["help"], best["list"]) / best["bare"],
    goal=3,
    ratio_help=best["help"] / best["bare"],
    ratio_list=best["list"] / best["bare"],
    seconds=best["bare"],
    heavy_imports=imported,
)
