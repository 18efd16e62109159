"""Verification of a saved model: reloaded in a fresh process, it must give the same predictions.

`python -m toolkit.runs.verify RUN ARROW` is that process: it predicts the test rows with the saved
model, compares with predictions.jsonl, and prints one JSON object. Without arguments it imports the
libraries and waits for the two on a line of stdin, so that these seconds pass while a run still
trains or scores; when that line cannot come any more, it ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import ReloadError
from toolkit.utils import distributed, garbage
from toolkit.utils.processes import python

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin
    from toolkit.plugin_types import Prediction

SHOWN = 5


@dataclass
class Comparison:
    """How many predictions were compared, and the first rows that differ."""

    compared: int = 0
    different: int = 0
    rows: list[int] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)


class FreshProcess:
    """This module as a script, started before it is known what it will be asked for."""

    def __init__(self) -> None:
        # Two processes that use every core each slow each other down many times over: this one
        # takes half of them, and its idle threads sleep.
        half = {"OMP_NUM_THREADS": str(max(1, distributed.cores() // 2)),
                "OMP_WAIT_POLICY": "PASSIVE"}  # fmt: skip
        self._process = subprocess.Popen(
            python("-m", "toolkit.runs.verify"), text=True,
            env=half | distributed.alone_environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def ask(self, arguments: Sequence[str]) -> None:
        """Give the process its arguments; one that has ended says so in `answer`."""
        if self._process.stdin is not None:
            try:
                self._process.stdin.write(json.dumps(list(arguments)) + "\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                return

    def answer(self) -> subprocess.CompletedProcess[str]:
        """Wait for the end of the process, and return what it has printed."""
        out, err = self._process.communicate()
        return subprocess.CompletedProcess(self._process.args, self._process.returncode, out, err)

    def close(self) -> None:
        """End the process, if it has not ended."""
        self._process.kill()
        self._process.communicate()


class Reload:
    """The verification of one run: `start`, `compare` and `result`, in this order; then `close`.

    Between them this process can do something else. start: when there are cores to spare.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._process: FreshProcess | None = None

    def start(self) -> None:
        """Start the fresh process, which has nothing to read yet."""
        self._process = self._process or FreshProcess()

    def compare(self, rows: datasets.Dataset) -> None:
        """Let it load the saved model, predict the test rows and compare with predictions.jsonl."""
        self.start()
        folder = self._run / "logs" / "reload"
        rows.save_to_disk(str(folder))
        if self._process is not None:
            self._process.ask([str(self._run), str(folder)])

    def result(self) -> Comparison:
        """Wait for the comparison, and return it.

        Raises:
            ReloadError: the process fails, or a prediction differs (with the rows).
        """
        if self._process is None:
            raise ReloadError("nothing was compared")
        done = self._process.answer()
        if done.returncode:
            why = done.stderr.strip()[-2000:]
            raise ReloadError(f"the saved model cannot be loaded again:\n{why}")
        found = Comparison(**json.loads(done.stdout.strip().splitlines()[-1]))
        if found.different:
            examples = "\n".join(found.examples)
            raise ReloadError(
                f"the saved model, loaded again, predicts {found.different} of {found.compared} "
                f"test rows differently (rows {', '.join(map(str, found.rows))}):\n{examples}"
            )
        return found

    def close(self) -> None:
        """End the fresh process, however the run ends."""
        if self._process is not None:
            self._process.close()


def compare(
    plugin: Plugin[Any], first: Iterable[Prediction], second: Iterable[Prediction]
) -> Comparison:
    """Compare predictions row by row, as `Plugin.same` says.

    Raises:
        ValueError: there are not as many of both.
    """
    found = Comparison()
    for row, (one, other) in enumerate(zip(first, second, strict=True)):
        found.compared += 1
        if plugin.same(one, other):
            continue
        found.different += 1
        if len(found.rows) < SHOWN:
            saved, loaded = (json.dumps(each, ensure_ascii=False, default=str)[:300]
                             for each in (one, other))  # fmt: skip
            found.rows.append(row)
            found.examples.append(f"row {row}: saved {saved}, loaded {loaded}")
    return found


def main(run: Path, folder: Path) -> Comparison:
    """Predict the rows saved in `folder` with the run's model, and compare."""
    import datasets

    from toolkit.evaluation.predicting import predict
    from toolkit.runs.changed_answers import rows
    from toolkit.runs.folder import Run
    from toolkit.runs.predictor import load_predictor

    predictor = load_predictor(run)
    plugin, raw = predictor.plugin, datasets.load_from_disk(str(folder))
    prepared = plugin.prepare(raw, "test")
    batches = predict(plugin, plugin.model, raw, prepared, predictor.batch_size)
    saved = (prediction for prediction, _ in rows(Run(run)))
    return compare(plugin, saved, (p for batch in batches for p in batch.predictions))


@garbage.held()
def _import_libraries() -> None:
    """Import what loading a model and predicting take; what a scenario needs comes with it."""
    import datasets  # noqa: F401
    from transformers import PreTrainedModel  # noqa: F401

    from toolkit.runs import changed_answers, predictor  # noqa: F401


def _asked() -> list[str]:
    """Return the arguments from the command line, or those that come later; [] if none come."""
    if len(sys.argv) > 1:
        return sys.argv[1:]
    _import_libraries()
    line = sys.stdin.readline()
    return list(map(str, json.loads(line))) if line else []


if __name__ == "__main__":
    if given := _asked():
        print(json.dumps(asdict(main(*map(Path, given)))))  # noqa: T201 - the answer
    garbage.keep_to_the_end()
