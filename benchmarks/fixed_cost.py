"""What `toolkit run` costs besides training, scoring and baselines, and where that goes.

    python benchmarks/fixed_cost.py

Goal: at most 20 s on two cores, the reload check in a fresh process included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import say

with tempfile.TemporaryDirectory() as folder:
    out = Path(folder) / "run"
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "toolkit", "run", "text-classification", "--out", str(out)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    whole = time.perf_counter() - start
    speed = json.loads((out / "run.json").read_text())["speed"]
phases = speed["phases"]
fixed = whole - phases["train"] - phases["score"] - phases["baselines"]
say(
    "fixed_cost",
    ratio=fixed / 20,
    fixed_seconds=fixed,
    goal=20,
    whole_seconds=whole,
    phases={name: round(value, 2) for name, value in phases.items()},
)
