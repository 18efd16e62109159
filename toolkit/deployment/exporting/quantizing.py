"""8-bit ONNX: activations scaled batch by batch, or, of convolutions, by a calibration set.

Where most weights are those of convolutions, scales found at run time cost accuracy, and
onnxruntime has no fast kernel for them: its own advice is a calibration set. Elsewhere the few
convolutions (the patches of a vision transformer) stay in fp32.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.deployment.exporting.smoothing import smooth

Batch = Mapping[str, np.ndarray[Any, Any]]
CONVOLUTIONS = {"Conv", "ConvTranspose"}
#: onnxruntime's "Attention" is an operator of its own, older than ONNX's.
LEFT = {"Attention", *CONVOLUTIONS}
PRODUCTS = {"MatMul", "Gemm"}


def quantize(file: Path, batches: Sequence[Batch]) -> None:
    """Replace a graph by one with 8-bit weights and activations.

    Args:
        batches: inputs of the model, by which the ranges of activations are estimated.
    """
    import onnx

    graph = onnx.load(str(file), load_external_data=False).graph
    kinds = Counter(node.op_type for node in graph.node)
    convolutions, others = (sum(kinds[k] for k in names) for names in (CONVOLUTIONS, PRODUCTS))
    with quiet():
        if convolutions > others:
            _statically(file, batches)
        else:
            _dynamically(file, batches)


def _dynamically(file: Path, batches: Sequence[Batch]) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.registry import IntegerOpsRegistry

    smoothed = file.with_name("smoothed.onnx")
    smooth(file, smoothed, batches)
    quantize_dynamic(
        smoothed, file, weight_type=QuantType.QInt8, per_channel=True,
        reduce_range=True,  # 7 bits of weights: processors without VNNI saturate at 8
        op_types_to_quantize=[name for name in IntegerOpsRegistry if name not in LEFT],
    )  # fmt: skip
    smoothed.unlink()


def _statically(file: Path, batches: Sequence[Batch]) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # untyped there
        def __init__(self) -> None:
            self.rest = iter(batches)

        def get_next(self) -> Batch | None:
            return next(self.rest, None)

    folded = file.with_name("folded.onnx")
    # BatchNorm becomes part of the convolution before it, and is rounded once with it.
    quant_pre_process(str(file), str(folded), skip_symbolic_shape=True)
    quantize_static(
        folded, file, Reader(), per_channel=True, reduce_range=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    folded.unlink()


@contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings of exporter and quantizer about versions and missing operators."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)
