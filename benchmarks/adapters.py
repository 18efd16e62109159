"""LoRA against full fine-tuning, MiniLM on Banking77 texts: throughput and memory.

    python benchmarks/adapters.py [EPOCHS] [REPEATS] ['{"name": "dora"}' ...]

Each method (full, lora, and what is named besides) trains on 1,280 texts in a process of its own,
with the batch, length and precision of the Banking77 recipe; methods take turns, REPEATS times, and
the median counts. Every epoch begins with the longest batch, so from the second on that batch meets
the optimizer's state. Goals: throughput of lora at least 1.3 times that of full, memory below 60%.

Throughput is rows a second of the steps after the first five; `cpu_throughput` counts processor
seconds instead, for a machine that others use, too.

Memory is what training adds: the highest resident memory of the process from the moment when data
and model are loaded, less the resident memory at that moment (on a GPU, allocated memory alike). It
holds gradients, optimizer state, activations and what libraries take on the way, not the model's
own weights. `memory`, which the goal is about (`resident` in the table), is measured with glibc as
it comes, which keeps freed blocks for itself; for `in_use`, and for `whole_process` (the ratio with
the weights and all), a second process makes it give them back at once (MALLOC_MMAP_THRESHOLD_).
"""

from __future__ import annotations

import csv
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import banking77, say

FIRST = 5
ROWS = 1280
BATCH = 64


def child(method: str) -> None:
    """Train a few steps and print rows a second, and MiB before and at most."""
    import psutil
    import torch
    import transformers

    from toolkit.recipe.library import find_recipe
    from toolkit.runner.fit import apply_method, make_trainer
    from toolkit.runner.prepare import prepare
    from toolkit.runs.writer import RunWriter
    from toolkit.training.train import train

    folder, steps = sys.argv[1], int(sys.argv[2]) * ROWS // BATCH

    class Clock(transformers.TrainerCallback):
        start = processor = 0.0

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == FIRST:
                self.start, self.processor = time.perf_counter(), time.process_time()
            elif state.global_step == steps:
                self.start = time.perf_counter() - self.start
                self.processor = time.process_time() - self.processor

    with tempfile.TemporaryDirectory() as out:
        draft = find_recipe(
            "text-classification/banking77",
            [
                (("data", "source"), folder),
                (("method",), json.loads(method)),
                (("training", "max_steps"), steps),
                (("training", "per_device_train_batch_size"), BATCH),
                (("training", "eval_strategy"), "no"),
            ],
        )
        job = prepare(draft)
        gc.collect()
        gpu = torch.cuda.is_available()
        process, clock = psutil.Process(), Clock()
        if gpu:
            torch.cuda.reset_peak_memory_stats()
        else:
            Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts here
        before = torch.cuda.memory_allocated() if gpu else process.memory_info().rss
        applied, _ = apply_method(job)
        with applied.while_training(job.plugin.model):
            train(make_trainer(job, RunWriter(Path(out)), clock))
        status = Path("/proc/self/status").read_text()
        high = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        peak = torch.cuda.max_memory_allocated() if gpu else int(high) * 1024
    rows = (steps - FIRST) * BATCH
    print(json.dumps({"rate": rows / clock.start, "cpu_rate": rows / clock.processor,
                      "before": before / 2**20, "peak": peak / 2**20}))  # fmt: skip


def measured(folder: str, epochs: int, method: dict[str, Any]) -> dict[str, float]:
    """Return the speed of one child process, and the memory of it and of a second one."""
    usual = trained(folder, epochs, method)
    frugal = trained(folder, min(epochs, 2), method, MALLOC_MMAP_THRESHOLD_="262144")
    return {
        "rate": usual["rate"],
        "cpu_rate": usual["cpu_rate"],
        "before": frugal["before"],
        "peak": frugal["peak"],
        "resident_before": usual["before"],
        "resident_peak": usual["peak"],
    }


def trained(folder: str, epochs: int, method: dict[str, Any], **setting: str) -> dict[str, float]:
    """Return what a child process measured."""
    done = subprocess.run(
        [sys.executable, __file__, folder, str(epochs)],
        env={**os.environ, "ADAPTERS_CHILD": json.dumps(method), **setting},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def some_rows(folder: Path) -> None:
    """Write a sample of Banking77 as a data source: train, dev and test."""
    rng = random.Random(0)
    for name, count in (("train", ROWS), ("test", 200)):
        with (banking77() / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        chosen = rng.sample(rows, count + 100)
        parts = {name: chosen[:count]} | ({"dev": chosen[count:]} if name == "train" else {})
        for part, lines in parts.items():
            with (folder / f"{part}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(lines)


def main() -> None:
    """Let the methods take turns, and print the one line."""
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    others = [json.loads(text) for text in sys.argv[3:]]
    chosen = [{"name": "full"}, {"name": "lora"}, *others]
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        some_rows(Path(folder))
        for _ in range(repeats):
            for method in chosen:
                key = json.dumps(method)
                found.setdefault(key, []).append(measured(folder, epochs, method))
    middle = {
        key: {part: statistics.median(run[part] for run in runs) for part in runs[0]}
        for key, runs in found.items()
    }
    full = middle[json.dumps(chosen[0])]
    ratios = {
        key: {
            "throughput": round(one["rate"] / full["rate"], 3),
            "cpu_throughput": round(one["cpu_rate"] / full["cpu_rate"], 3),
            "in_use": round((one["peak"] - one["before"]) / (full["peak"] - full["before"]), 3),
            "resident": round(
                (one["resident_peak"] - one["resident_before"])
                / (full["resident_peak"] - full["resident_before"]),
                3,
            ),
            "whole_process": round(one["peak"] / full["peak"], 3),
        }
        for key, one in middle.items()
        if one is not full
    }
    lora = ratios[json.dumps(chosen[1])]
    say(
        "adapters",
        ratio=lora["throughput"],
        memory=lora["resident"],
        memory_in_use=lora["in_use"],
        goals=[1.3, 0.6],
        ratios=ratios,
        measured={k: {p: round(v, 1) for p, v in one.items()} for k, one in middle.items()},
        epochs=epochs,
        repeats=repeats,
    )


if __name__ == "__main__":
    if "ADAPTERS_CHILD" in os.environ:
        child(os.environ["ADAPTERS_CHILD"])
    else:
        main()
