"""`toolkit predict --on ray` with two workers against one process on the same two cores.

    python benchmarks/ray_predict.py RUN [TEXTS]

RUN is a finished run of text classification whose column is `text`. TEXTS (20,000; the goal is for
1,000,000) short made texts are predicted by one process with two threads, and by two workers with
one each. ratio: seconds on Ray / without, the whole commands; ratio_without_start: apart from the
seconds that the same two commands take for 1 text. different: labels that are not the same. Goals:
at most 1.1 for a million texts, none different. Measure on an idle machine.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from pathlib import Path

from common import say, timed

RUN = sys.argv[1] if len(sys.argv) > 1 else sys.exit(__doc__)
TEXTS = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
WORDS = """my card was refused at the shop why is a payment still pending please help me
with it now""".split()  # noqa: SIM905 - so many words as a list are hard to read
RAY = ("--on", "ray", "--workers", "2", "--cpus-per-worker", "1")


def texts(path: Path, count: int) -> Path:
    """Write so many texts of 4 to 16 words."""
    drawn = random.Random(0)
    with path.open("w") as file:
        for _ in range(count):
            text = " ".join(drawn.choices(WORDS, k=drawn.randint(4, 16)))
            file.write(json.dumps({"text": text}) + "\n")
    return path


def seconds(data: Path, out: Path, threads: int, *how: str) -> float:
    """Return how long a prediction takes."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    return timed([sys.executable, "-m", "toolkit", "predict", RUN, str(data), "-o", str(out),
                  "--quiet", *how])  # fmt: skip


def labels(out: Path) -> list[str]:
    """Return the predicted labels of a file."""
    with out.open() as file:
        return [json.loads(line)["prediction"]["label"] for line in file]


def main() -> None:
    """Predict with both, a single text first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        single, many = texts(folder / "single.jsonl", 1), texts(folder / "many.jsonl", TEXTS)
        started = seconds(single, folder / "single-here.jsonl", 2)
        started_ray = seconds(single, folder / "single-ray.jsonl", 1, *RAY)
        here = seconds(many, folder / "here.jsonl", 2)
        there = seconds(many, folder / "ray.jsonl", 1, *RAY)
        pairs = zip(labels(folder / "here.jsonl"), labels(folder / "ray.jsonl"), strict=True)
        say("ray_predict", texts=TEXTS, seconds=here, ray_seconds=there, ratio=there / here,
            ratio_without_start=(there - started_ray) / (here - started),
            start_seconds=started_ray - started,
            different=sum(one != other for one, other in pairs))  # fmt: skip


if __name__ == "__main__":
    main()
