"""What `toolkit check` predicts of a run, against what the run then takes.

    python benchmarks/estimates.py [ROWS] [EPOCHS]

Two jobs: the default recipe as it is, and ROWS (2,000) rows of Banking77 for EPOCHS (2). Goal:
within 20%. Prediction and run follow each other, so that both meet the machine in one state.
"""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from common import banking77, peak_memory, say

PREDICT = """
import json, sys
from toolkit.recipe.overrides import parse_override
from toolkit.recipe.library import find_recipe
from toolkit.runner.estimating.estimate import estimate
from toolkit.runner.prepare import prepare

draft = find_recipe(sys.argv[1], [parse_override(s) for s in sys.argv[2:]])
found = estimate(prepare(draft))
print(json.dumps({"train": found.seconds["train"], "total": found.total_seconds,
                  "memory": found.memory, "parts": found.seconds, "spent": found.spent}))
"""


def few_rows(folder: Path, rows: int) -> None:
    """Write some rows of Banking77's train.csv, and its test.csv, into a folder."""
    with (banking77() / "train.csv").open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    with (folder / "train.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *random.Random(0).sample(lines, rows)])
    (folder / "test.csv").write_bytes((banking77() / "test.csv").read_bytes())


def compared(recipe: str, settings: list[str], out: Path) -> dict[str, object]:
    """Predict a run, run it, and return both with their ratios."""
    answer = subprocess.run(
        [sys.executable, "-c", PREDICT, recipe, *settings],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    predicted = json.loads(answer.stdout.splitlines()[-1])
    command = ["run", recipe, "--out", str(out)]
    peak, _ = peak_memory(command + [part for s in settings for part in ("--set", s)])
    speed = json.loads((out / "run.json").read_text())["speed"]
    actual = {
        "train": speed["train_seconds"], "total": speed["total_seconds"], "memory": peak * 1024,
    }  # fmt: skip
    ratios = {name: round(predicted[name] / actual[name], 3) for name in actual}
    phases = {name: round(value, 1) for name, value in speed["phases"].items()}
    parts = {name: round(value, 1) for name, value in predicted.pop("parts").items()}
    return {"ratio": ratios, "predicted": {**predicted, **parts}, "actual": {**actual, **phases}}


given = [int(number) for number in sys.argv[1:3]]
rows, epochs = [*given, *(2000, 2)[len(given) :]]
with tempfile.TemporaryDirectory() as name:
    work = Path(name)
    (work / "data").mkdir()
    few_rows(work / "data", rows)
    small = [f"data.source={work / 'data'}", f"training.num_train_epochs={epochs}"]
    jobs = {
        "default": compared("text-classification", [], work / "default"),
        "banking77": compared("text-classification/banking77", small, work / "banking77"),
    }
worst = max(abs(ratio - 1) for job in jobs.values() for ratio in job["ratio"].values())
say("estimates", ratio=1 + worst, goal=1.2, rows=rows, epochs=epochs, jobs=jobs)
