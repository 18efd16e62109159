"""Proof that what was saved is what was scored: loaded in a fresh process, predicted again.

`python -m toolkit.runs.verify RUN ARROW` is that process: it predicts the test rows with the saved
model and compares with predictions.jsonl; it prints one JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import ReloadError
from toolkit.utils import distributed

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin
    from toolkit.plugin_types import Prediction

MARGIN = 1e-3  # a prediction nearer than this to another one may become it
TOLERANCE = 1e-2  # of each number in a prediction
SHOWN = 5


@dataclass
class Comparison:
    """How many predictions were compared, and the rows that differ."""

    compared: int = 0
    different: int = 0
    rows: list[int] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)


def check(run: Path, rows: datasets.Dataset) -> Comparison:
    """Load the saved model in a fresh process and compare its predictions of the test rows.

    Raises:
        ReloadError: the process fails, or a prediction differs (with the rows).
    """
    folder = run / "logs" / "reload"
    rows.save_to_disk(str(folder))
    done = in_a_fresh_process([str(run), str(folder)])
    if done.returncode:
        raise ReloadError(f"the saved model cannot be loaded again:\n{done.stderr.strip()[-2000:]}")
    found = Comparison(**json.loads(done.stdout.strip().splitlines()[-1]))
    if found.different:
        examples = "\n".join(found.examples)
        raise ReloadError(
            f"the saved model, loaded again, predicts {found.different} of {found.compared} test "
            f"rows differently (rows {', '.join(map(str, found.rows))}):\n{examples}"
        )
    return found


def in_a_fresh_process(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run this module as a script."""
    return subprocess.run(
        [sys.executable, "-m", "toolkit.runs.verify", *arguments],
        capture_output=True, text=True, check=False, env=distributed.alone_environment(),
    )  # fmt: skip


def compare(
    plugin: Plugin[Any], first: Sequence[Prediction], second: Sequence[Prediction], start: int = 0
) -> Comparison:
    """Compare predictions row by row: decimal numbers within 1e-2, everything else equal.

    Another text, list or whole number is let pass only where the prediction stood within 1e-3 of
    it.
    """
    found = Comparison(compared=len(first))
    for row, (one, other) in enumerate(zip(first, second, strict=True), start):
        if not _same_prediction(one, other, plugin.margin(one), plugin.margin(other)):
            found.different += 1
            if len(found.rows) < SHOWN:
                found.rows.append(row)
                found.examples.append(f"row {row}: saved {_short(one)}, loaded {_short(other)}")
    return found


def _same_prediction(one: Prediction, other: Prediction, margin: Any, others: Any) -> bool:
    """Compare two predictions, each key by its own margin where there is one."""
    if not isinstance(margin, Mapping) or not isinstance(others, Mapping):
        return _same(one, other, bool(min(margin, others) <= MARGIN))

    def close(key: str) -> bool:
        return bool(min(found.get(key, found[""]) for found in (margin, others)) <= MARGIN)

    return one.keys() == other.keys() and all(_same(one[k], other[k], close(k)) for k in one)


def _same(one: Any, other: Any, close: bool) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other or close
    if isinstance(one, int) and isinstance(other, int):  # a place or a count, nothing measured
        return one == other or close
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= TOLERANCE or one == other or (one != one and other != other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[k], other[k], close) for k in one)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return all(_same(a, b, close) for a, b in zip(one, other, strict=True))
    return bool(one == other) or close


def _short(prediction: Prediction) -> str:
    return json.dumps(prediction, ensure_ascii=False, default=str)[:300]


def main(run: Path, folder: Path) -> Comparison:
    """Predict the rows saved in `folder` with the run's model, and compare."""
    import datasets

    from toolkit.evaluation.predicting import predict
    from toolkit.runs.folder import read_predictions
    from toolkit.runs.predictor import load_predictor

    restored = load_predictor(run)
    raw = datasets.load_from_disk(str(folder))
    prepared = restored.plugin.prepare(raw, "test")
    saved = (p for predictions, _ in read_predictions(run / "predictions.jsonl")
             for p in predictions)  # fmt: skip
    total = Comparison()
    for batch in predict(restored.plugin, restored.plugin.model, raw, prepared,
                         restored.batch_size):  # fmt: skip
        first = [next(saved) for _ in batch.predictions]
        part = compare(restored.plugin, first, batch.predictions, batch.start)
        total.compared += part.compared
        total.different += part.different
        total.rows = (total.rows + part.rows)[:SHOWN]
        total.examples = (total.examples + part.examples)[:SHOWN]
    if next(saved, None) is not None:
        raise ReloadError("predictions.jsonl holds more rows than the test split")
    return total


if __name__ == "__main__":
    print(json.dumps(asdict(main(Path(sys.argv[1]), Path(sys.argv[2])))))  # noqa: T201 - the answer
