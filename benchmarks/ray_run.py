"""What `--on ray` costs a run: its start, and its steps.

    python benchmarks/ray_run.py [STEPS] [ROWS]

The same recipe (text classification of made rows with a small model from scratch) runs with two
processes, and with two workers on a Ray cluster that is started for it, STEPS (200) steps of ROWS
(32) rows each. start_seconds: by how much longer the command took, apart from the phases of the run
itself. steps_ratio: seconds of training on Ray / without, of optimizer steps alone. Goals: at most
15 s, at most 1.03. The processor's time of a busy machine is shared: measure on an idle one.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import say, timed

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
ROWS = int(sys.argv[2]) if len(sys.argv) > 2 else 32
WORDS = {"fruit": "apple pear plum cherry", "tool": "hammer saw drill wrench"}
FILLERS = ["the", "a", "old", "new"]


def rows(folder: Path) -> Path:
    """Write rows whose label is in their words."""
    drawn = random.Random(0)
    lines = ["text,label"]
    for _ in range(2000):
        label = drawn.choice([*WORDS])
        words = [
            *drawn.choices(WORDS[label].split(), k=2),
            *drawn.choices(["the", "a", "old", "new"], k=8),
        ]
        lines.append(f"{' '.join(words)},{label}")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    return folder / "rows.csv"


def measured(folder: Path, data: Path, *how: str) -> tuple[float, dict[str, Any]]:
    """Return the seconds of a command, and of its run by the run's own clock."""
    training = {"max_steps": STEPS, "per_device_train_batch_size": ROWS // 2, "bf16": False,
                "eval_strategy": "no", "save_strategy": "no"}  # fmt: skip
    model = {"from_config": {"model_type": "bert", "hidden_size": 128, "num_hidden_layers": 2,
                             "num_attention_heads": 2, "intermediate_size": 512}}  # fmt: skip
    seconds = timed([
        sys.executable, "-m", "toolkit", "run", "text-classification", "--quiet",
        "--data", str(data), "--out", str(folder), "--set", f"training={json.dumps(training)}",
        "--set", f"model={json.dumps(model)}", *how,
    ])  # fmt: skip
    return seconds, json.loads((folder / "run.json").read_text())["speed"]


def main() -> None:
    """Run both, one after the other."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = rows(folder)
        plain, own = measured(folder / "plain", data, "--processes", "2")
        start = time.time()
        ray, on_ray = measured(folder / "ray", data, "--on", "ray", "--workers", "2",
                               "--cpus-per-worker", "1")  # fmt: skip
        say("ray_run", steps=STEPS, rows=ROWS, plain_seconds=plain, ray_seconds=ray,
            start_seconds=(ray - on_ray["total_seconds"]) - (plain - own["total_seconds"]),
            steps_ratio=own["train_samples_per_second"] / on_ray["train_samples_per_second"],
            at=time.strftime("%Y-%m-%d", time.localtime(start)))  # fmt: skip


if __name__ == "__main__":
    main()
