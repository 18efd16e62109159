"""Verification of a saved model: reloaded in a fresh process, it must give the same predictions.

`python -m toolkit.runs.verify RUN ARROW` is that process: it predicts the test rows with the saved
model, compares with predictions.jsonl, and prints one JSON object.
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
from toolkit.utils import distributed
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
        python("-m", "toolkit.runs.verify", *arguments),
        capture_output=True, text=True, check=False, env=distributed.alone_environment(),
    )  # fmt: skip


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


if __name__ == "__main__":
    print(json.dumps(asdict(main(Path(sys.argv[1]), Path(sys.argv[2])))))  # noqa: T201 - the answer
