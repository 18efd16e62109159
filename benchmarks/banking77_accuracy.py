"""Test accuracy on Banking77 with the recipe's own settings, and the baselines beside it.

    python benchmarks/banking77_accuracy.py [--set key=value ...]

About ten minutes on two cores. Goal: accuracy >= 0.935.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from common import banking77, say

import toolkit
from toolkit.recipe.overrides import parse_override

settings = {".".join(keys): value for keys, value in map(parse_override, sys.argv[2::2])}
with tempfile.TemporaryDirectory() as folder:
    run = toolkit.run("text-classification/banking77", data=banking77(), out=Path(folder) / "run",
                      settings=settings)  # fmt: skip
    record = run.record
    accuracy = record["metrics"]["test"]["accuracy"]
    say(
        "banking77_accuracy",
        accuracy=accuracy["value"],
        low=accuracy["low"],
        high=accuracy["high"],
        goal=0.935,
        ratio=accuracy["value"] / 0.935,
        **{name: scores["accuracy"]["value"] for name, scores in record["baselines"].items()},
        train_seconds=record["speed"]["train_seconds"],
        train_samples_per_second=record["speed"]["train_samples_per_second"],
        baselines_seconds=record["speed"]["phases"]["baselines"],
        fixed_seconds=record["speed"]["fixed_seconds"],
        reload=record["reload"],
    )
