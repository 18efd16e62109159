"""How slow this machine is: a short piece of work is timed. Imports nothing that takes long."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

#: Seconds of `work` on both cores, both busy, of the machine that limits of tests are meant for.
REFERENCE = 0.025
#: Who is slower by more than that has another trouble than being slow.
SLOWEST = 4.0
ROUNDS = 15


def work() -> None:
    """Do what tests mostly do: small objects, texts and numbers, in the interpreter and in C."""
    rows = [{"id": i, "text": f"row {i * 7919 % 1009}", "of": [i / 3, i / 7]} for i in range(2500)]
    words: dict[str, float] = {}
    for row in sorted(json.loads(json.dumps(rows)), key=lambda row: (row["text"], row["id"])):
        for word in row["text"].split():
            words[word] = words.get(word, 0.0) + sum(row["of"])


def timed() -> float:
    """Return the processor's seconds that `work` takes in this process: the median of a few."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def slowness(processes: int) -> float:
    """Return how many times as long as the reference this machine takes, from 1 to SLOWEST.

    It is timed in as many processes as will run tests: cores that share their parts are slower
    when all are busy.
    """
    begun = [
        subprocess.Popen([sys.executable, "-I", "-S", __file__], stdout=subprocess.PIPE)
        for _ in range(processes)
    ]
    took = [float(process.communicate()[0]) for process in begun]
    return min(max(statistics.mean(took) / REFERENCE, 1.0), SLOWEST)


if __name__ == "__main__":
    sys.stdout.write(str(timed()))
