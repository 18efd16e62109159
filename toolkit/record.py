"""What run.json says of a run, before training and after it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import adapter_folder, environment
from toolkit.job import headline

if TYPE_CHECKING:
    from toolkit.job import Job
    from toolkit.methods import Method


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


def trained(model: Any, method: Method, saved: Path) -> dict[str, Any]:
    """Return how many parameters were trained, and how an adapter is loaded without toolkit."""
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    found: dict[str, Any] = {
        "parameters": {
            "trained": sum(count for count, moved in counts if moved),
            "all": sum(count for count, _ in counts),
        }
    }
    if adapter_folder.is_adapter(model):
        found["adapter"] = {"usage": adapter_folder.usage(saved), "note": method.card_note}
    return found


def speed(job: Job, trained: Mapping[str, float], trainer: Any) -> dict[str, Any]:
    """Return seconds and rates; `fixed_seconds` is all but training, scoring and floors."""
    seconds = job.clock.seconds
    rows = len(job.prepared["train"]) * float(trainer.state.epoch or 0)
    total = time.monotonic() - job.clock.started
    return {
        "train_seconds": seconds["train"],
        "train_samples_per_second": rows / max(_pure_training(trainer, trained), 1e-9),
        "total_seconds": total,
        "fixed_seconds": total - sum(seconds[part] for part in ("train", "score", "floors")),
        "phases": dict(seconds),
        "epochs": trainer.state.epoch,
        "steps": trainer.state.global_step,
    }


def _pure_training(trainer: Any, trained: Mapping[str, float]) -> float:
    """Return the seconds of training without those of validation in between."""
    return float(trained["train_runtime"]) - float(getattr(trainer, "toolkit_eval_seconds", 0.0))


def _named(found: tuple[str, bool] | None) -> dict[str, Any] | None:
    return {"metric": found[0], "greater_is_better": found[1]} if found else None
