"""What `toolkit run` costs besides training, scoring and baselines, and where that goes.

    python benchmarks/fixed_cost.py [KEY=VALUE...]

The default recipe; KEY=VALUE are settings (`training.max_steps=2` leaves the fixed cost as it is).
Goal: at most 9 s on two idle cores, the reload check in a fresh process included, and the first
line within 2 s. `processor_seconds` (of all processes, training included) says more than seconds
where other work runs.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import say

GOAL = 9

with tempfile.TemporaryDirectory() as folder:
    out = Path(folder) / "run"
    command = [sys.executable, "-m", "toolkit", "run", "text-classification", "--out", str(out)]
    for setting in sys.argv[1:]:
        command += ["--set", setting]
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        first_line = time.perf_counter() - start
        process.stdout.read()
    whole = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"the run ended with exit code {process.returncode}")
    speed = json.loads((out / "run.json").read_text())["speed"]
phases = speed["phases"]
fixed = whole - phases["train"] - phases["score"] - phases["baselines"]
used = resource.getrusage(resource.RUSAGE_CHILDREN)
say(
    "fixed_cost",
    ratio=fixed / GOAL,
    fixed_seconds=fixed,
    goal=GOAL,
    first_line_seconds=first_line,
    whole_seconds=whole,
    processor_seconds=used.ru_utime + used.ru_stime,
    phases={name: round(value, 2) for name, value in phases.items()},
    outside_of_phases=round(whole - sum(phases.values()), 2),
)
