"""Smoothed activations against onnxruntime's own ways to 8 bits: labels kept, and speed.

    python benchmarks/int8_ways.py RUN TEXTS.csv [COLUMN] [TURNS]

RUN: of text-classification. The labels of fp32 that each form keeps, on up to 600 texts, best such
as the model was not trained on; the mean distance of its probabilities (total variation); speed by
processor time on one thread, in turns. Goals for "smoothed" (`toolkit export --to int8`): the most
labels kept of all that are at least 1.5x as fast as fp32.
"""

from __future__ import annotations

import csv
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from common import quiet, say
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.quantization.registry import IntegerOpsRegistry
from onnxruntime.quantization.shape_inference import quant_pre_process

from toolkit.deployment.exporting import onnx_form
from toolkit.deployment.exporting.smoothing import smooth
from toolkit.deployment.exporting.verification import rows_of
from toolkit.runs.folder import Run
from toolkit.runs.onnx_model import FILE

COLUMN = sys.argv[3] if len(sys.argv) > 3 else "text"
TURNS = int(sys.argv[4]) if len(sys.argv) > 4 else 3
OPS = [name for name in IntegerOpsRegistry if name != "Attention"]

quiet()
logging.disable(logging.WARNING)
run = Run(sys.argv[1])
source = onnx_form.in_torch(run)
splits = rows_of(run, source)
calibration = onnx_form.calibration_batches(source, splits)
place = tempfile.TemporaryDirectory()
folder = Path(place.name)
fp32 = folder / FILE
onnx_form.write_graph(source, splits["test"], fp32)


class Calibration(CalibrationDataReader):
    """The same batches that smoothing gets."""

    def __init__(self) -> None:
        self.left = iter(calibration)

    def get_next(self) -> Any:
        return next(self.left, None)


def dynamic(file: Path, out: Path, **changed: Any) -> None:
    """Quantize as the export does."""
    settings = {"per_channel": True, "reduce_range": True, "op_types_to_quantize": OPS} | changed
    quantize_dynamic(file, out, weight_type=QuantType.QInt8, **settings)


def between(first: Callable[[Path, Path], None], then: Callable[[Path, Path], None]) -> Any:
    """Return one way made of two."""

    def both(file: Path, out: Path) -> None:
        first(file, folder / "between.onnx")
        then(folder / "between.onnx", out)

    return both


def prepared(file: Path, out: Path) -> None:
    """Fold and infer shapes, as onnxruntime advises."""
    quant_pre_process(file, out, skip_symbolic_shape=True)


def static(file: Path, out: Path) -> None:
    """Quantize with fixed ranges of activations."""
    quantize_static(file, out, Calibration(), per_channel=True, reduce_range=True,
                    op_types_to_quantize=["MatMul", "Gemm", "Gather"])  # fmt: skip


def blockwise(file: Path, out: Path) -> None:
    """Round the weights by blocks, and activations as they come."""
    made = MatMulNBitsQuantizer(onnx.load(str(file)), bits=8, block_size=32, is_symmetric=True,
                                accuracy_level=4, op_types_to_quantize=("MatMul",))  # fmt: skip
    made.process()
    made.model.save_model_to_file(str(out))


ways = {
    "fp32": lambda file, out: out.write_bytes(file.read_bytes()),
    "dynamic": dynamic,
    "pre-processed": between(prepared, dynamic),
    "static": between(prepared, static),
    "blockwise": between(
        blockwise, lambda f, out: dynamic(f, out, op_types_to_quantize=["Gather"])
    ),
    "smoothed": between(lambda f, out: smooth(f, out, calibration), dynamic),
}
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.log_severity_level = 1, 3
sessions = {}
for name, way in ways.items():
    way(fp32, folder / f"{name}.onnx")
    sessions[name] = onnxruntime.InferenceSession(folder / f"{name}.onnx", options)
with open(sys.argv[2], encoding="utf-8", newline="") as file:
    texts = [row[COLUMN] for row in csv.DictReader(file)]
texts = sorted(np.random.default_rng(0).permutation(texts)[:600].tolist(), key=len)
wanted = {given.name for given in sessions["fp32"].get_inputs()}
batches = [
    {name: value for name, value in source.plugin.processor(
        texts[start : start + 32], padding=True, truncation=True, max_length=128,
        return_tensors="np").items() if name in wanted}
    for start in range(0, len(texts), 32)
]  # fmt: skip
seconds: dict[str, list[float]] = {name: [] for name in ways}
found: dict[str, Any] = {}
for _ in range(TURNS):
    for name, session in sessions.items():
        start_time = time.process_time()
        logits = np.concatenate([session.run(["logits"], batch)[0] for batch in batches])
        seconds[name].append(time.process_time() - start_time)
        shares = np.exp(logits - logits.max(1, keepdims=True))
        found[name] = shares / shares.sum(1, keepdims=True)
same = {n: float((p.argmax(1) == found["fp32"].argmax(1)).mean()) for n, p in found.items()}
speed = {n: float(np.median(np.divide(seconds["fp32"], s))) for n, s in seconds.items()}
say(
    "int8_ways",
    labels_kept={name: round(value, 4) for name, value in same.items()},
    distance={n: round(float(np.abs(p - found["fp32"]).sum(1).mean() / 2), 4)
              for n, p in found.items()},
    speed={name: round(value, 2) for name, value in speed.items()},
    reached=max((n for n in ways if speed[n] >= 1.5), key=lambda n: same[n]) == "smoothed",
    texts=len(texts),
)  # fmt: skip
