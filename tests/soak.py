"""Kill a run at random moments, resume it until it is done, and compare with one left in peace.

    python tests/soak.py [ROUNDS] [SEED]

Prints one JSON line: the kills, how many were survived, and the runs that were lost (must be 0).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 100
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 0
EVERY = 5  # steps between checkpoints
SETTINGS = {
    "num_train_epochs": 4, "per_device_train_batch_size": 8, "learning_rate": 1e-3,
    "eval_strategy": "steps", "save_strategy": "steps", "eval_steps": EVERY, "save_steps": EVERY,
}  # fmt: skip


def small(folder: Path) -> list[str]:
    """Write rows and a tiny model; return the arguments of a run on them, but for --out."""
    from conftest import sentences, tiny_bert

    lines = "\n".join(f"{text},{label}" for text, label in sentences(160))
    (folder / "rows.csv").write_text(f"text,label\n{lines}\n")
    return [
        "text-classification", "--data", str(folder / "rows.csv"), "--model",
        str(tiny_bert(folder / "model")), "--set", f"training={json.dumps(SETTINGS)}",
    ]  # fmt: skip


def start(arguments: list[str], out: Path) -> subprocess.Popen[bytes]:
    """Start (or go on with) a run in a process group of its own."""
    command = [sys.executable, "-m", "toolkit", "run", *arguments, "--out", str(out), "--resume"]
    silent = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=silent, stderr=silent, start_new_session=True)


def main() -> None:
    """Kill, resume, compare, and say how it went."""
    from killing import assert_same_end

    chance = random.Random(SEED)
    kills = survived = lost = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        arguments = small(folder)
        begun = time.monotonic()
        if start(arguments, folder / "whole").wait():
            sys.exit("the run that nothing disturbs fails")
        seconds = time.monotonic() - begun
        for number in range(ROUNDS):
            out = folder / f"run-{number}"
            process = start(arguments, out)
            killed = 0
            # Once for certain; the runs that go on are killed again now and then.
            while killed == 0 or chance.random() < 0.3:
                try:
                    process.wait(timeout=chance.uniform(0.3, 1.0) * seconds)
                    break
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    killed += 1
                    process = start(arguments, out)
            kills += killed
            try:
                if process.wait():
                    raise AssertionError(f"exit code {process.returncode}")
                assert_same_end(out, folder / "whole")
                survived += killed
            except AssertionError as error:
                lost += 1
                print(f"run {number}: {error}", file=sys.stderr)  # noqa: T201
    print(json.dumps({"soak": "resume", "rounds": ROUNDS, "kills": kills,  # noqa: T201
                      "survived": survived, "lost_runs": lost, "seconds": seconds}))  # fmt: skip
    sys.exit(bool(lost))


if __name__ == "__main__":
    main()
