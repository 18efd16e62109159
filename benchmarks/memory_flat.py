"""Peak memory of `toolkit run` as the rows grow tenfold, at the same number of steps.

    python benchmarks/memory_flat.py [ROWS]

Goal: flat within 10%.
"""

from __future__ import annotations

import csv
import random
import sys
import tempfile
from pathlib import Path

from common import peak_memory, say

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
WORDS = [f"{a}{b}" for a in "bdfgklmnprst" for b in ("ap", "en", "il", "or", "ub", "ate", "ing")]


def write(path: Path, count: int) -> None:
    """Write so many rows of random words whose first word tells the class."""
    rng = random.Random(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for _ in range(count):
            words = rng.choices(WORDS, k=rng.randint(8, 24))
            writer.writerow([" ".join(words), words[0][0]])


peaks = {}
with tempfile.TemporaryDirectory() as folder:
    for count in (ROWS, 10 * ROWS):
        table = Path(folder) / f"{count}.csv"
        write(table, count)
        peaks[count], _ = peak_memory(
            ["run", "text-classification", "--data", str(table), "--out", f"{folder}/{count}",
             "--set", "training.max_steps=20", "--set", "training.eval_strategy=no",
             "--set", "data.split.test=1000", "--set", "data.split.validation=500"]
        )  # fmt: skip
small, large = peaks[ROWS], peaks[10 * ROWS]
say("memory_flat", ratio=large / small, goal=1.1, mib={k: v // 1024 for k, v in peaks.items()})
