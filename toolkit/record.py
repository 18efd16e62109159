"""What run.json says of a run, before training and after it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from toolkit import environment
from toolkit.job import headline

if TYPE_CHECKING:
    from toolkit.job import Job
    from toolkit.trainer import Trained


def opening(job: Job) -> dict[str, Any]:
    """Return what run.json says before training starts."""
    loaded = job.loaded
    return {
        "recipe": job.name,
        "scenario": job.recipe.scenario,
        "model": {
            "id": job.files.id,
            "revision": job.files.revision,
            "source": job.files.source,
        },
        "data": {
            "source": job.recipe.data.source,
            "fingerprint": loaded.fingerprint,
            "rows": {str(name): len(rows) for name, rows in loaded.splits.items()},
            "set_aside": loaded.set_aside,
            "overlap": loaded.overlap,
            "duplicates": loaded.duplicates,
            "notes": loaded.notes,
        },
        "headline": _named(headline(job.plugin)),
        "seed": job.recipe.seed,
        "environment": environment.describe(),
    }


def speed(job: Job, trained: Trained) -> dict[str, Any]:
    """Return seconds and rates; `fixed_seconds` is all but training, scoring and floors."""
    seconds = job.clock.seconds
    rows = len(job.prepared["train"]) * (trained.epochs if trained.steps else 1)
    pure = seconds["train"] if trained.seconds is None else trained.seconds
    total = time.monotonic() - job.clock.started
    return {
        "train_seconds": seconds["train"],
        "train_samples_per_second": rows / max(pure, 1e-9),
        "total_seconds": total,
        "fixed_seconds": total - sum(seconds[part] for part in ("train", "score", "floors")),
        "phases": dict(seconds),
        "epochs": trained.epochs,
        "steps": trained.steps,
    }


def _named(found: tuple[str, bool] | None) -> dict[str, Any] | None:
    return {"metric": found[0], "greater_is_better": found[1]} if found else None
