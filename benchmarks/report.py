"""What a report costs: seconds, peak memory and size, for a run folder of so many test rows.

    python benchmarks/report.py 100000 [classes]

The folder's predictions are made in code; the report is written from it in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

BATCH = 1000
MEASURED = """
import json, resource, sys, time
start = time.monotonic()
from toolkit.cli.main import outcome
assert outcome(["report", sys.argv[1]]) == 0
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "seconds": round(time.monotonic() - start, 2),
    "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
    "peak_mb": round(used.ru_maxrss * 1024 / 1e6),
}))
"""


def main(rows: int, classes: int) -> None:
    """Make a folder, write its report, and print one JSON line."""
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        run.mkdir()
        start = time.monotonic()
        _folder(run, rows, classes)
        made = time.monotonic() - start
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, str(run)], capture_output=True, text=True, check=True
        )
        found = {
            "rows": rows,
            "classes": classes,
            **json.loads(done.stdout.splitlines()[-1]),
            "report_kb": round((run / "report.html").stat().st_size / 1e3),
            "predictions_mb": round((run / "predictions.jsonl").stat().st_size / 1e6),
            "seconds_of_making_the_folder": round(made, 1),
        }
        print(json.dumps(found))


def _folder(run: Path, rows: int, classes: int) -> None:
    rng = np.random.default_rng(0)
    names = [f"a class called {place}" for place in range(classes)]
    with (run / "predictions.jsonl").open("w", encoding="utf-8") as file:
        for start in range(0, rows, BATCH):
            truth = rng.integers(0, classes, min(BATCH, rows - start))
            logits = 2 * rng.normal(size=(len(truth), classes))
            logits[np.arange(len(truth)), truth] += 6
            odds = np.exp(logits)
            scores = odds / odds.sum(axis=1, keepdims=True)
            for place, (row, true) in enumerate(zip(scores.tolist(), truth.tolist(), strict=True)):
                said = int(np.argmax(row))
                prediction = {"label": names[said], "score": row[said],
                              "scores": dict(zip(names, row, strict=True))}  # fmt: skip
                line = {"row": start + place, "reference": names[true], "prediction": prediction}
                file.write(json.dumps(line) + "\n")
    score = {"accuracy": {"value": 0.8, "low": 0.79, "high": 0.81}}
    slices = {f"column {n}": {f"value {m}": {"rows": 100, **score} for m in range(20)}
              for n in range(5)}  # fmt: skip
    same = {"exact": 0, "normalised": 0}
    record = {
        "schema_version": 1, "status": "finished", "recipe": "made in code",
        "scenario": "text-classification", "seed": 0,
        "model": {"id": "none", "revision": "none", "source": "folder"},
        "data": {"fingerprint": "none", "test_digest": None, "notes": [], "skipped": {},
                 "rows": {"train": rows, "validation": rows, "test": rows},
                 "overlap": {"train-test": same}, "duplicates": {}},
        "devices": {"type": "cpu", "processes": 1, "notes": [],
                    "batch": {"rows_per_step": 32, "reduced": []}},
        "headline": {"metric": "accuracy", "greater_is_better": True},
        "environment": {"python": "", "hardware": {}, "packages": dict.fromkeys(
            ("toolkit", "torch", "transformers"), "")},
        "metrics": {"test": score, "validation": score}, "slices": slices,
        "baselines": {"majority": score},
        "baseline_rows": {"majority": {"train": rows, "test": rows}},
        "reload": {"compared": rows, "different": 0},
        "calibration": {"temperature": 1.3, "fitted_rows": rows},
        "speed": {"total_seconds": 3.0, "fixed_seconds": 0.0, "train_samples_per_second": 1.0,
                  "phases": {"train": 1.0, "score": 1.0, "baselines": 1.0}},
    }  # fmt: skip
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
    log = [{"step": n, "loss": 1 / (n + 1), "learning_rate": 1e-4, "seconds": float(n)}
           for n in range(2000)]  # fmt: skip
    (run / "logs").mkdir()
    (run / "logs" / "history.json").write_text(json.dumps(log), encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 77)
