"""Run folders as a report reads them, written in code: nothing is trained."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from toolkit import Run
from toolkit.runs.writer import RunWriter

SCORE = {"value": 0.8, "low": 0.7, "high": 0.9}


def record(rows: int, **changes: Any) -> dict[str, Any]:
    """Return the least that run.json of a finished run holds, and some changes."""
    return {
        "status": "finished",
        "recipe": "things",
        "scenario": "text-classification",
        "model": {"id": "some/model", "revision": "sha256:0", "source": "folder"},
        "data": {
            "source": "things.csv", "fingerprint": "0" * 64, "test_digest": None,
            "rows": {"train": 10, "validation": 5, "test": rows}, "skipped": {},
            "overlap": {"train-test": {"exact": 0, "normalised": 0}}, "duplicates": {}, "notes": [],
        },
        "devices": {"type": "cpu", "processes": 1, "notes": [],
                    "batch": {"rows_per_step": 8, "reduced": []}},
        "headline": {"metric": "accuracy", "greater_is_better": True},
        "seed": 1,
        "environment": {"python": "3.11", "hardware": {"processor": "p", "cores": 2},
                        "packages": {"toolkit": "0", "torch": "2", "transformers": "5"}},
        "metrics": {"test": {"accuracy": SCORE}, "validation": {"accuracy": SCORE}},
        "slices": {},
        "baselines": {"majority": {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6}}},
        "baseline_rows": {"majority": {"train": 10, "test": rows}},
        "reload": {"compared": rows, "different": 0},
        "speed": {"total_seconds": 9.0, "fixed_seconds": 4.0, "train_samples_per_second": 50.0,
                  "phases": {"train": 3.0, "score": 1.0, "baselines": 1.0}},
        **changes,
    }  # fmt: skip


def folder(
    path: Path,
    pairs: Iterable[tuple[Mapping[str, Any], Any]],
    examples: Mapping[str, Any] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    **changes: Any,
) -> Run:
    """Write a finished run of (prediction, reference) pairs, and return it."""
    path.mkdir(parents=True)
    made = RunWriter(path)
    pairs = list(pairs)
    made.write_predictions([([p for p, _ in pairs], [r for _, r in pairs])])
    made.write(**record(len(pairs), **changes))
    (path / "recipe.yaml").write_text("scenario: text-classification\n")
    (path / "logs").mkdir()
    if examples is not None:
        (path / "logs" / "examples.json").write_text(json.dumps(examples))
    (path / "logs" / "history.json").write_text(json.dumps(list(history)))
    return Run(path)


def classified(
    names: Sequence[str], rows: int, seed: int = 0, sharp: float = 4.0
) -> list[tuple[dict[str, Any], str]]:
    """Return pairs of a model that is right more often than not.

    Of `sharp` 2 its probabilities are what they say; of 4 the temperature 2 mends them.
    """
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(names), rows)
    logits = rng.normal(size=(rows, len(names)))
    logits[np.arange(rows), truth] += 2.0
    odds = np.exp(sharp * logits)
    found = []
    for row, true in zip(odds / odds.sum(axis=1, keepdims=True), truth, strict=True):
        best = int(row.argmax())
        scores = dict(zip(names, row.tolist(), strict=True))
        found.append(
            ({"label": names[best], "score": float(row[best]), "scores": scores}, names[int(true)])
        )
    return found
