"""The smallest run that writes checkpoints, for attacks on its folder."""

from __future__ import annotations

import json
from pathlib import Path

from text_rows import csv_of, sentences

TRAINING = {
    "max_steps": 4, "per_device_train_batch_size": 8, "learning_rate": 1e-3, "report_to": "none",
    "save_strategy": "steps", "save_steps": 2, "eval_strategy": "steps", "eval_steps": 2,
}  # fmt: skip


def rows(folder: Path) -> Path:
    """Write the rows, and return their file."""
    file = folder / "rows.csv"
    file.write_text(csv_of(sentences(60)), encoding="utf-8")
    return file


def words(data: Path, model: Path, method: str = "full") -> list[str]:
    """Return the arguments of `toolkit run` but for --out."""
    return [
        "text-classification", "--data", str(data), "--model", str(model), "--method", method,
        "--set", f"training={json.dumps(TRAINING)}", "--set", "report.metrics=[accuracy]",
    ]  # fmt: skip


def record(run: Path) -> dict[str, object]:
    """Return what run.json holds."""
    found: dict[str, object] = json.loads((run / "run.json").read_text(encoding="utf-8"))
    return found
