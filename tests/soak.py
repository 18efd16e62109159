"""Kill a run at random moments, resume it until it is done, and compare with one left in peace.

    python tests/soak.py [KILLS] [SEED]

Prints one JSON line: the kills, how many were survived, the runs that were lost (must be 0), and
the most steps that a kill has cost (at most those between two checkpoints).
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 100
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 0
EVERY = 5  # steps between checkpoints
SETTINGS = {
    "num_train_epochs": 4, "per_device_train_batch_size": 8, "learning_rate": 1e-3,
    "eval_strategy": "steps", "save_strategy": "steps", "eval_steps": EVERY, "save_steps": EVERY,
}  # fmt: skip
STEPS = "steps.txt"


def small(folder: Path) -> list[str]:
    """Write rows and a tiny model; return the arguments of a run on them, but for --out."""
    from conftest import sentences, tiny_bert

    lines = "\n".join(f"{text},{label}" for text, label in sentences(160))
    (folder / "rows.csv").write_text(f"text,label\n{lines}\n")
    return [
        "text-classification", "--data", str(folder / "rows.csv"), "--model",
        str(tiny_bert(folder / "model")), "--set", f"training={json.dumps(SETTINGS)}",
    ]  # fmt: skip


def start(arguments: list[str], out: Path) -> int:
    """Start (or go on with) a run in a process group of its own; return its process.

    It is forked from this process, which has imported already what a run needs.
    """
    child = os.fork()
    if child:
        return child
    os.setsid()
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    _count_steps(out.parent / f"{out.name}.{STEPS}")
    from toolkit.cli.main import outcome

    os._exit(outcome(["run", *arguments, "--out", str(out), "--resume"]))


def _count_steps(file: Path) -> None:
    """Write every step that is done to a file, which a kill does not take back."""
    from toolkit.progress import TrainingProgress

    usual = TrainingProgress.on_step_end

    def counted(self: TrainingProgress, args: object, state: object, *rest: object, **kw: object):
        with file.open("a") as steps:
            steps.write(f"{state.global_step}\n")
        return usual(self, args, state, *rest, **kw)

    TrainingProgress.on_step_end = counted  # type: ignore[method-assign]  # in this child alone


def ends_within(process: int, seconds: float | None) -> int | None:
    """Return the exit code of a process, or None where it does not end in time."""
    end = None if seconds is None else time.monotonic() + seconds
    while end is None or time.monotonic() < end:
        ended, status = os.waitpid(process, 0 if end is None else os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    return None


def lost_steps(out: Path) -> int:
    """Return how many steps of a killed and resumed run had to be done once more, at most."""
    file = out.parent / f"{out.name}.{STEPS}"
    steps = [int(line) for line in file.read_text().split()] if file.exists() else []
    again = [before - after + 1 for before, after in pairwise(steps)]
    return max([0, *again])


def main() -> None:
    """Kill, resume, compare, and say how it went."""
    import conftest  # noqa: F401 - sets the environment, and imports what a run needs

    from toolkit import job
    from toolkit.testing.killing import assert_same_end

    job.import_heavy()
    chance = random.Random(SEED)
    rounds = kills = survived = lost = most = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        arguments = small(folder)
        begun = time.monotonic()
        if ends_within(start(arguments, folder / "whole"), None):
            sys.exit("the run that nothing disturbs fails")
        seconds = time.monotonic() - begun
        while kills < KILLS:
            rounds += 1
            out = folder / f"run-{rounds}"
            process = start(arguments, out)
            killed, code = 0, None
            # Once for certain; the runs that go on are killed again now and then.
            while killed == 0 or chance.random() < 0.3:
                code = ends_within(process, chance.uniform(0.02, 1.0) * seconds)
                if code is not None:
                    break
                os.killpg(process, signal.SIGKILL)
                ends_within(process, None)
                killed += 1
                process = start(arguments, out)
            kills += killed
            try:
                code = ends_within(process, None) if code is None else code
                assert code == 0, f"exit code {code}"
                assert_same_end(out, folder / "whole")
                survived += killed
            except AssertionError as error:
                lost += 1
                print(f"run {rounds}: {error}", file=sys.stderr)  # noqa: T201
            most = max(most, lost_steps(out))
    print(json.dumps({"soak": "resume", "rounds": rounds, "kills": kills,  # noqa: T201
                      "survived": survived, "lost_runs": lost, "most_steps_lost": most,
                      "steps_between_checkpoints": EVERY, "seconds": seconds}))  # fmt: skip
    sys.exit(bool(lost or most > EVERY))


if __name__ == "__main__":
    main()
