"""`toolkit predict` against `transformers.pipeline`, and the int8 export against torch.

    python benchmarks/predict.py [TEXTS] [EPOCHS] [RUN]

A model is trained on Banking77 first (EPOCHS, 2), or that of a finished RUN is taken. Both sides
then predict the same test texts (all 3,080, in the file's order) with the same weights in one
process, in turn, twice; the better time counts. toolkit: the whole of
`toolkit.deployment.predict_file.predict` but for loading the model: read a csv, check, tokenize,
predict, write a csv; in float32, and in bfloat16 where the machine has it. pipeline: texts in a
list, predictions in a list; with batch_size 1, and 32. Goals: 5x and 2x; int8 2x of torch's fp32
at 0.005 of accuracy or less.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import banking77, banking77_rows, quiet, say

import toolkit
from toolkit.deployment import exporting, predict_file
from toolkit.runs.compute import ComputeConfig
from toolkit.runs.predictor import load_predictor
from toolkit.utils.hardware import bf16_supported

TEXTS = int(sys.argv[1]) if len(sys.argv) > 1 else 3080
EPOCHS = float(sys.argv[2]) if len(sys.argv) > 2 else 2
RUN = sys.argv[3] if len(sys.argv) > 3 else None

quiet()


def trained(folder: Path) -> toolkit.Run:
    """Return a run on all rows."""
    if RUN is not None:
        return toolkit.load_run(RUN)
    return toolkit.run("text-classification/banking77", data=banking77(), out=folder,
                       settings={"training.num_train_epochs": EPOCHS})  # fmt: skip


def pipelined(run: toolkit.Run, texts: list[str], batch_size: int) -> Callable[[], list[str]]:
    """Return a function that gives the labels of a pipeline with the run's model."""
    import transformers

    model = str(run.path / "model")
    pipe = transformers.pipeline("text-classification", model=model, truncation=True,
                                 max_length=128)  # fmt: skip
    return lambda: [found["label"] for found in pipe(texts, batch_size=batch_size)]


def bulk_of(
    run: toolkit.Run, file: Path, folder: Path, computing: ComputeConfig
) -> Callable[[], list[str]]:
    """Return a function that gives the labels that `toolkit predict` has written."""
    import csv

    restored = load_predictor(run.path, computing)

    def predict() -> list[str]:
        predict_file.load_predictor = lambda *_: restored  # type: ignore[attr-defined]  # once, as pipelines are
        out = folder / f"{time.monotonic_ns()}.csv"
        predict_file.predict(run, str(file), out)
        with out.open(encoding="utf-8", newline="") as lines:
            return [row["prediction.label"] for row in csv.DictReader(lines)]

    return predict


def main() -> None:
    """Print the line."""
    import csv

    _, test, _ = banking77_rows(1)
    texts: list[str] = test["text"][:TEXTS]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = trained(folder / "run")
        with (folder / "texts.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([["text"], *([text] for text in texts)])
        sides: dict[str, Callable[[], list[str]]] = {
            "toolkit": bulk_of(run, folder / "texts.csv", folder, ComputeConfig()),
            "pipeline_1": pipelined(run, texts, 1),
            "pipeline_32": pipelined(run, texts, 32),
        }
        if bf16_supported():
            rounded = ComputeConfig(dtype="bfloat16")
            sides["toolkit_bfloat16"] = bulk_of(run, folder / "texts.csv", folder, rounded)
        seconds, labels = dict.fromkeys(sides, float("inf")), {}
        for _ in range(2):
            for side, predict in sides.items():
                start = time.perf_counter()
                labels[side] = predict()
                seconds[side] = min(seconds[side], time.perf_counter() - start)
        equal = {
            side: sum(a == b for a, b in zip(found, labels["pipeline_1"], strict=True))
            for side, found in labels.items()
        }
        ratios = {
            f"{side}_to_{other}": round(seconds[other] / seconds[side], 3)
            for side in sides if side.startswith("toolkit")
            for other in sides if other.startswith("pipeline")
        }  # fmt: skip
        int8 = _facts(exporting.export(run, "int8", folder / "int8")[0])
        accuracy = int8["scores"]["accuracy"]
        say("predict", texts=len(texts), equal=equal,
            ratios=ratios,
            rows_per_second={side: round(len(texts) / took, 1) for side, took in seconds.items()},
            int8_ratio=int8["speedup"], int8_accuracy=accuracy["export"],
            accuracy=accuracy["run"], int8_bytes=int8["bytes"])  # fmt: skip


def _facts(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    main()
