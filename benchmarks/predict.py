"""`toolkit predict` against `transformers.pipeline`, and the int8 export against torch.

    python benchmarks/predict.py [TEXTS] [EPOCHS] [RUN]

A model is trained on Banking77 first (EPOCHS, 2), or that of a finished RUN is taken. Both sides
then predict the same test texts (all 3,080, in the file's order) with the same weights in one
process, in turn, twice; the better time counts. toolkit: the whole of
`toolkit.deployment.predict_file.predict` but for loading the model: read a csv, check, tokenize,
predict, write a csv; in float32, and in bfloat16 where the machine has it; on a GPU also with
`--dtype auto`. pipeline: texts in a list, predictions in a list; with batch_size 1, and 32; on the
GPU where there is one. processor: the same by the processor's time of this process, for a machine
that does other work. Goals: 5x and 2x, on a GPU 5x of batch 32; on a CPU, int8 2x of torch's fp32
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

import torch
from common import banking77, banking77_rows, quiet, say

import toolkit
from toolkit.deployment import exporting, predict_file
from toolkit.runs.compute import ComputeConfig
from toolkit.runs.predictor import load_predictor
from toolkit.utils.hardware import bf16_supported

TEXTS = int(sys.argv[1]) if len(sys.argv) > 1 else 3080
EPOCHS = float(sys.argv[2]) if len(sys.argv) > 2 else 2
RUN = sys.argv[3] if len(sys.argv) > 3 else None

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

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
                                 max_length=128, device=DEVICE)  # fmt: skip
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
        if DEVICE == "cuda":
            chosen = ComputeConfig(dtype="auto")
            sides["toolkit_auto"] = bulk_of(run, folder / "texts.csv", folder, chosen)
        seconds, labels = dict.fromkeys(sides, float("inf")), {}
        processor = dict(seconds)
        for _ in range(2):
            for side, predict in sides.items():
                start, used = time.perf_counter(), time.process_time()
                labels[side] = predict()
                seconds[side] = min(seconds[side], time.perf_counter() - start)
                processor[side] = min(processor[side], time.process_time() - used)
        equal = {
            side: sum(a == b for a, b in zip(found, labels["pipeline_1"], strict=True))
            for side, found in labels.items()
        }
        say("predict", device=DEVICE, threads=torch.get_num_threads(), texts=len(texts),
            equal=equal, ratios=_ratios(seconds), processor=_ratios(processor),
            rows_per_second={side: round(len(texts) / took, 1) for side, took in seconds.items()},
            **(_int8(run, folder) if DEVICE == "cpu" else {}))  # fmt: skip


def _ratios(took: dict[str, float]) -> dict[str, float]:
    """Return how many times as long the pipelines took."""
    return {
        f"{side}_to_{other}": round(took[other] / took[side], 3)
        for side in took if side.startswith("toolkit")
        for other in took if other.startswith("pipeline")
    }  # fmt: skip


def _int8(run: toolkit.Run, folder: Path) -> dict[str, Any]:
    """Export a run, and return what was found of the export."""
    made, *_ = exporting.export(run, "int8", folder / "int8")
    facts: dict[str, Any] = json.loads((made / "export.json").read_text(encoding="utf-8"))
    accuracy = facts["scores"]["accuracy"]
    return {"int8_ratio": facts["speedup"], "int8_accuracy": accuracy["export"],
            "accuracy": accuracy["run"], "int8_bytes": facts["bytes"]}  # fmt: skip


if __name__ == "__main__":
    main()
