"""What the hooks of contract 2 cost where a scenario uses none of them, as a share of a run.

    python benchmarks/contract_overhead.py [ROWS]

A run of `text-classification` with `method: head` on short made-up texts, profiled: the time in
what handles rows in other shapes, paths, kinds, groups, predicted files and what plugins show is
set in relation to the whole run. A profiler slows Python down more than libraries, so the share is
an upper bound. The rehearsal, which does not grow with the rows, is told apart.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import random
import sys
import tempfile
import time
from pathlib import Path

import toolkit

#: End of a file's path -> its functions that are there for the hooks; called within no other.
HOOKS = {
    "data/load.py": ("reshaped",),
    "data/columns.py": ("with_paths", "require_kinds"),
    "data/groups.py": ("by_split",),
    "runs/prediction_files.py": ("default", "restoring", "restore"),
    "reporting/examples.py": ("_shown",),
    "runner/score.py": ("tables",),
    "plugin/contract.py": ("training_statistics", "reshape_rows"),
}
WORDS = ["invoice", "parcel", "refund", "login", "error", "crash", "late", "price", "broken",
         "update", "order", "account"]  # fmt: skip


def main(rows: int) -> None:
    """Run, and print one JSON line."""
    draw = random.Random(0)
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "rows.jsonl"
        with data.open("w", encoding="utf-8") as file:
            for number in range(rows):
                words = [*draw.choices(WORDS, k=12), WORDS[number % 4], str(number)]
                row = {"text": " ".join(words), "label": WORDS[number % 4]}
                file.write(json.dumps(row) + "\n")
        profile, start = cProfile.Profile(), time.monotonic()
        with profile:
            run = toolkit.run(
                "text-classification", data=data, out=Path(place) / "run",
                settings={"method.name": "head"},
            )  # fmt: skip
        seconds = time.monotonic() - start
        spent = {
            f"{path}:{name}": times[3]
            for (where, _, name), times in pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]  # it has
            for path, names in HOOKS.items()
            if where.endswith(f"toolkit/{path}") and name in names
        }
        phases = run.record["speed"]["phases"]
    print(json.dumps({
        "rows": rows,
        "run_seconds": round(seconds, 1),
        "hooks_seconds": round(sum(spent.values()), 3),
        "share": round(sum(spent.values()) / seconds, 5),
        "rehearsal_seconds": round(phases["rehearsal"], 2),
        "largest": max(spent, key=spent.__getitem__),
    }))  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
