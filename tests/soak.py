"""Kill runs, resume them until they are done, and compare with one left in peace.

    python tests/soak.py [KILLS] [SEED] [--scenario NAME]... [--method NAME]...
    python tests/soak.py --moments [SEED] [--scenario NAME]... [--method NAME]...

The first kills at random moments in time. The second kills once at each of the moments that
`toolkit.testing.interruptions` names (in a step, in evaluation, while a checkpoint is written,
...), of several such moments in a run at a random one. Prints one JSON line per scenario and
method: the kills, how many were survived, the runs that were lost (must be 0), and the most steps
that a kill has cost (at most those between two checkpoints).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

EVERY = 5  # steps between checkpoints
OFTEN = {"num_train_epochs": 4, "eval_strategy": "steps", "save_strategy": "steps",
         "eval_steps": EVERY, "save_steps": EVERY}  # fmt: skip
STEPS = "steps.txt"
MOST_ROUNDS = 3  # to a kill that is asked for: a run that has ended before is no kill


@dataclass
class Tally:
    """What came of the kills of one kind of run."""

    rounds: int = 0
    kills: int = 0
    survived: int = 0
    lost: list[str] = field(default_factory=list)
    most_steps_lost: int = 0
    moments: dict[str, str] = field(default_factory=dict)


def start(arguments: list[str], out: Path, before: Callable[[], None] = lambda: None) -> int:
    """Start (or go on with) a run in a process group of its own; return its process.

    It is forked from this process, which has imported already what a run needs.

    Args:
        before: is called in the child.
    """
    child = os.fork()
    if child:
        return child
    os.setsid()
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(os.open(out.parent / f"{out.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    _count_steps(out.parent / f"{out.name}.{STEPS}")
    _reload_here()
    before()
    from toolkit.cli.main import outcome

    os._exit(outcome(["run", *arguments, "--out", str(out), "--resume"]))


def _count_steps(file: Path) -> None:
    """Write every step that is done to a file, which a kill does not take back."""
    from toolkit.training.callbacks.progress import RichProgressCallback

    usual = RichProgressCallback.on_step_end

    def counted(
        self: RichProgressCallback, args: object, state: object, *rest: object, **kw: object
    ):
        with file.open("a") as steps:
            steps.write(f"{state.global_step}\n")
        return usual(self, args, state, *rest, **kw)

    RichProgressCallback.on_step_end = counted  # type: ignore[method-assign]  # in this child alone


def _reload_here() -> None:
    """Let the saved model be loaded again in the run's own process: a new one costs the imports."""
    from toolkit.runs import verify

    class Here(verify.Reload):
        def start(self) -> None:
            pass

        def result(self) -> verify.Comparison:
            return verify.main(self._run, self._run / "logs" / "reload")

    verify.Reload = Here  # type: ignore[misc]  # in this child alone


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


def at_random(
    arguments: list[str], folder: Path, seconds: float, wanted: int, chance: random.Random
) -> Iterator[tuple[Path, int, int | None]]:
    """Kill runs at random moments; yield each run with its kills, and its exit code in the end."""
    kills = rounds = 0
    while kills < wanted and rounds < MOST_ROUNDS * wanted:
        rounds += 1
        out = folder / f"run-{rounds}"
        process = start(arguments, out)
        killed, code = 0, None
        # Once for certain; the runs that go on are killed again now and then.
        while killed == 0 or (kills + killed < wanted and chance.random() < 0.3):
            code = ends_within(process, chance.uniform(0.02, 1.0) * seconds)
            if code is not None:
                break
            os.killpg(process, signal.SIGKILL)
            ends_within(process, None)
            killed += 1
            process = start(arguments, out)
        kills += killed
        yield out, killed, ends_within(process, None) if code is None else code


def at_moments(
    arguments: list[str], folder: Path, counts: dict[str, int], chance: random.Random
) -> Iterator[tuple[Path, int, int | None]]:
    """Kill a run at each kind of moment that there is in it; yield as `at_random` does."""
    from toolkit.testing.interruptions import arm

    for moment, most in counts.items():
        at = chance.randint(1, most)
        out = folder / f"run-{moment}-{at}-of-{most}"
        code = ends_within(start(arguments, out, lambda m=moment, n=at: arm(m, n)), None)
        assert code == -signal.SIGKILL, f"{out.name}: was to be killed, ends with {code}"
        yield out, 1, ends_within(start(arguments, out), None)


def counting(file: Path) -> Callable[[], None]:
    """Return what lets a run count its moments of each kind, and keep the counts in a file."""
    from toolkit.testing.interruptions import MOMENTS, watch

    counts: dict[str, int] = {}

    def told(moment: str, count: int) -> None:
        counts[moment] = count
        file.write_text(json.dumps(counts))

    def begin() -> None:
        for moment in MOMENTS:
            watch(moment, lambda count, moment=moment: told(moment, count))

    return begin


def soak(arguments: list[str], folder: Path, kills: int | None, chance: random.Random) -> Tally:
    """Kill and compare; `kills` at random, or one at each moment where it is None."""
    from toolkit.testing.interruptions import assert_same_end

    whole, moments = folder / "whole", folder / "moments.json"
    begun, found = time.monotonic(), Tally()
    if ends_within(start(arguments, whole, counting(moments)), None):
        found.lost.append("the run that nothing disturbs: " + (folder / "whole.log").read_text())
        return found
    seconds, counts = time.monotonic() - begun, json.loads(moments.read_text())
    rounds = (
        at_moments(arguments, folder, counts, chance) if kills is None
        else at_random(arguments, folder, seconds, kills, chance)
    )  # fmt: skip
    for out, killed, code in rounds:
        found.rounds += 1
        found.kills += killed
        try:
            assert code == 0, f"exit code {code}: {(folder / f'{out.name}.log').read_text()}"
            assert_same_end(out, whole)
            found.survived += killed
        except AssertionError as error:
            found.lost.append(f"{out.name}: {error}")
        found.most_steps_lost = max(found.most_steps_lost, lost_steps(out))
        if kills is None:
            _, moment, at = out.name.split("-", 2)
            found.moments[moment] = at.replace("-", " ")
    return found


def main() -> None:
    """Kill, resume, compare, and say how it went."""
    import conftest  # noqa: F401 - sets the environment, and imports what a run needs
    import small_runs

    from toolkit.runner.prepare import import_libraries

    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("numbers", nargs="*", type=int, metavar="[KILLS] [SEED]")
    reader.add_argument("--moments", action="store_true")
    reader.add_argument("--scenario", action="append", choices=list(small_runs.SCENARIOS))
    reader.add_argument("--method", action="append", choices=small_runs.METHODS)
    asked = reader.parse_args()
    kills = None if asked.moments else (asked.numbers[:1] or [100])[0]
    seed = (asked.numbers[0 if asked.moments else 1 :] or [0])[0]
    kinds = asked.scenario or list(small_runs.SCENARIOS)[: None if asked.moments else 1]
    import_libraries()
    bad = False
    for scenario in kinds:
        for method in asked.method or (small_runs.METHODS if asked.moments else ["full"]):
            if (scenario, method) in small_runs.UNFIT:
                continue
            with tempfile.TemporaryDirectory() as place:
                words = small_runs.arguments(scenario, method, Path(place) / "data", **OFTEN)
                found = soak(words, Path(place), kills, random.Random(seed))
            bad |= bool(found.lost) or found.most_steps_lost > EVERY
            line = {"soak": "moments" if asked.moments else "random", "scenario": scenario,
                    "method": method, "seed": seed, **vars(found),
                    "steps_between_checkpoints": EVERY}  # fmt: skip
            print(json.dumps(line), flush=True)  # noqa: T201 - the line that is asked for
    sys.exit(bad)


if __name__ == "__main__":
    main()
