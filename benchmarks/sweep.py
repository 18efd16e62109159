"""A sweep of the default recipe; and what ASHA spares of it.

    python benchmarks/sweep.py [TRIALS] [REPEATS] [RECIPE]

For each repeat (a seed), TRIALS (8) trials at random, and the same trials with ASHA: seconds of a
whole sweep, and after how many of the random search's steps ASHA has a trial whose validation score
is at least the best one of the random search (null: in none). Goals: at most 600 s for 8 trials on
two cores, and at most half of the steps over REPEATS (3).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import say, timed

SPACE = ["--set", "training.learning_rate=loguniform(1e-5, 3e-3)",
         "--set", "training.weight_decay=uniform(0, 0.1, 0.01)",
         "--set", "training.per_device_train_batch_size=choice(8, 16, 32)"]  # fmt: skip


def sweep(recipe: str, out: Path, trials: int, seed: int, prune: str) -> tuple[float, Any]:
    """Run a sweep; return its seconds and its record."""
    command = [sys.executable, "-m", "toolkit", "sweep", recipe, *SPACE, "--quiet", "--seed",
               str(seed), "--trials", str(trials), "--prune", prune, "--out", str(out)]  # fmt: skip
    try:
        seconds = timed(command)
    except subprocess.CalledProcessError:
        sys.exit(f"{command} failed: run it to see why")
    return seconds, json.loads((out / "sweep.json").read_text())


def best_score(record: Any) -> float:
    """Return the validation score of the chosen trial, more of which is better."""
    score = record["trials"][record["chosen"]]["score"]
    return float(score if record["greater_is_better"] else -score)


def steps_to(record: Any, goal: float) -> int | None:
    """Return the steps of all trials until one had that score; None if none had."""
    spent, sign = 0, 1 if record["greater_is_better"] else -1
    for trial in record["trials"]:
        spent += trial["steps"]
        if trial["state"] == "validated" and sign * trial["score"] >= goal:
            return spent
    return None


given = [int(word) for word in sys.argv[1:3]]
trials, repeats = [*given, *(8, 3)[len(given) :]]
recipe = sys.argv[3] if len(sys.argv) > 3 else "text-classification"
found = []
with tempfile.TemporaryDirectory() as name:
    for seed in range(repeats):
        seconds, whole = sweep(recipe, Path(name, f"random-{seed}"), trials, seed, "none")
        spared, asha = sweep(recipe, Path(name, f"asha-{seed}"), trials, seed, "asha")
        steps = sum(trial["steps"] for trial in whole["trials"])
        reached = steps_to(asha, best_score(whole))
        default = next((one["score"] for one in whole["trials"] if one["default"]), None)
        found.append({
            "seed": seed, "seconds": round(seconds, 1), "asha_seconds": round(spared, 1),
            "default": default, "best": best_score(whole), "asha_best": best_score(asha),
            "steps": steps, "asha_steps": sum(trial["steps"] for trial in asha["trials"]),
            "asha_steps_to_best": reached, "share": reached and round(reached / steps, 3),
        })  # fmt: skip
say("sweep", recipe=recipe, trials=trials, seconds=max(one["seconds"] for one in found),
    at_most_half=all(one["share"] is not None and one["share"] <= 0.5 for one in found),
    repeats=found)  # fmt: skip
