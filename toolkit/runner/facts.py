"""What run.json holds about a run, before training and after it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.data import LoadedData, groups
from toolkit.data.columns import numbers
from toolkit.models import adapters, methods
from toolkit.models.structure import training_flops
from toolkit.models.truncation import CutNote
from toolkit.reporting import card_facts
from toolkit.runner.join import lone_process_note
from toolkit.runner.prepare import Job
from toolkit.runner.resolve import headline
from toolkit.runs.saved_model import digests
from toolkit.training import batching
from toolkit.training.arguments import is_sharded
from toolkit.training.train import Trained
from toolkit.utils import distributed, hardware
from toolkit.utils import resources as measured


def before_training(job: Job) -> dict[str, Any]:
    """Return what run.json holds before training starts."""
    loaded, best = job.loaded, headline(job.plugin)
    return {
        "recipe": job.name,
        "scenario": job.recipe.scenario,
        "model": {name: getattr(job.files, name) for name in ("id", "revision", "source")},
        "data": data(loaded, job.recipe.data.source),
        "devices": devices(job),
        "headline": best and {"metric": best[0], "greater_is_better": best[1]},
        "seed": job.recipe.seed,
        "environment": hardware.describe(),
        "failed_parts": [],
    }


def data(loaded: LoadedData, source: Any) -> dict[str, Any]:
    """Return what run.json holds about the rows."""
    return {
        "source": source,
        "fingerprint": loaded.fingerprint,
        "test_digest": loaded.digests.get("test"),
        "validation_digest": loaded.digests.get("validation"),
        "rows": {str(name): len(rows) for name, rows in loaded.splits.items()},
        "skipped": loaded.skipped,
        "overlap": loaded.overlap,
        "known": loaded.known.record() if loaded.known else None,
        "duplicates": loaded.duplicates,
        "group": _groups(loaded),
        "notes": loaded.notes,
        "cut": [dict(note.numbers) for note in loaded.notes if isinstance(note, CutNote)],
    }


def _groups(loaded: LoadedData) -> dict[str, Any] | None:
    """Return which columns name the groups, and how many each split has, the fewest of them."""
    columns = {name: {column: len(set(groups.codes(of))) for column, of in found.items()}
               for name, found in loaded.groups.items()}  # fmt: skip
    if not columns:
        return None
    fewest = {name: min(counts.values()) for name, counts in columns.items()}
    return {"column": " and ".join(columns["test"]), "groups": fewest, "columns": columns}


def after_training(job: Job, trained: Trained, saved: Path) -> dict[str, Any]:
    """Return what the method did, to how many parameters, and what the card needs beside scores."""
    found: dict[str, Any] = {
        "model_files": digests(saved),
        "method": trained.report,
        "parameters": parameters(job, trained),
        "card": card_facts.collect(job.plugin, job.loaded.splits["train"], job.files.path, saved),
    }
    if adapters.is_adapter(job.plugin.model):
        note = methods.method_for(job.recipe.method).card_note
        found["adapter"] = {"usage": adapters.usage(saved), "note": note}
    return found


def parameters(job: Job, trained: Trained) -> dict[str, int]:
    """Return how many parameters were trained, and how many there are."""
    weights = list(job.plugin.model.parameters())
    counted = {
        "trained": sum(p.numel() for p in weights if p.requires_grad),
        "all": sum(p.numel() for p in weights),
    }
    return {**counted, **trained.report.get("parameters", {})}


def devices(job: Job) -> dict[str, Any]:
    """Return where the run computes, how many rows a step takes, and what was changed for it."""
    import torch

    arguments = job.arguments
    rows, times = arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps
    note = lone_process_note()
    return {
        "type": arguments.device.type,
        "processes": distributed.size(),
        "processes_per_machine": distributed.local_size(),
        "threads": torch.get_num_threads(),
        "batch": {
            "per_device": rows,
            "max_tokens": job.recipe.training.get(batching.TOKENS),
            "accumulated": times,
            "rows_per_step": rows * times * distributed.size(),
            "reduced": job.reductions,
        },
        "notes": [note] if note else [],
    }


def speed(job: Job, trained: Trained) -> dict[str, Any]:
    """Return seconds and rates; `fixed_seconds` is all but training, scoring and baselines."""
    seconds = job.clock.seconds
    share = (trained.steps - trained.start) / max(trained.steps, 1) if trained.start else 1.0
    rows = len(job.prepared["train"]) * (trained.epochs * share if trained.steps else 1)
    pure = seconds["train"] if trained.seconds is None else trained.seconds
    total = job.clock.spent()
    return {
        "train_seconds": seconds["train"],
        "train_samples_per_second": rows / max(pure, 1e-9),
        "total_seconds": total,
        "fixed_seconds": total - sum(seconds[part] for part in ("train", "score", "baselines")),
        "phases": dict(seconds),
        "epochs": trained.epochs,
        "steps": trained.steps,
        "rows_seen": round(len(job.prepared["train"]) * trained.epochs),
        "tokens_seen": _tokens(job, trained.epochs),
    }


def resources(job: Job, speed: Mapping[str, Any], energy: Mapping[str, float]) -> dict[str, Any]:
    """Return peak memory, energy in joules, and on a GPU the share of its peak that training used.

    The share (MFU) is of the matrix products that this GPU does a second, measured now. It is left
    out where lengths of rows are unknown, a part of the model is trained, or a process holds one.

    Args:
        speed: what the function of that name returns.
    """
    found = {"peak_memory_bytes": measured.peak_memory(), "energy_joules": energy}
    work, tokens = training_flops(job.plugin.model), speed["tokens_seen"]
    whole = job.arguments.device.type == "cuda" and not is_sharded(job.arguments)
    if not (whole and work and tokens and speed["steps"]):
        return found
    peak = measured.matrix_peak()
    rate = speed["train_samples_per_second"] * tokens / speed["rows_seen"] / distributed.size()
    return {**found, "matrix_peak_flops": peak, "mfu": work * rate / peak} if peak else found


def _tokens(job: Job, epochs: float) -> int | None:
    """Return how many tokens training has seen; None where rows have no length."""
    rows = job.prepared["train"]
    if "length" not in rows.column_names:
        return None
    return round(int(numbers(rows, "length").sum()) * epochs)
