"""ONNX, in fp32 and in int8: written by torch's exporter, verified on the test split."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.deployment.exporting.merged import copy_beside, plain_model
from toolkit.deployment.exporting.smoothing import smooth
from toolkit.deployment.exporting.verification import ExportComparison, compare_export, rows_of
from toolkit.errors import ToolkitError, UserError
from toolkit.models.find import weights_digest
from toolkit.plugin import Plugin
from toolkit.runs.folder import Run
from toolkit.runs.onnx_model import FACTS, FILE, require
from toolkit.runs.predictor import Predictor, plugin_of
from toolkit.utils import jsonable

if TYPE_CHECKING:
    import datasets

OPSET = 23  # the first with an operator for attention: it took 4 ms where its parts took 35
CALIBRATION_ROWS = 128  # by which the range of activations is estimated
ROWS = ((0, 2), (2, 5))  # of two batches that show which sizes change


def onnx(run: Run, folder: Path) -> str:
    """Write model.onnx in fp32: its predictions of the test split are the run's."""
    source = _Source(run)
    facts = source.write(folder, "onnx")
    found = compare_export(run, source.restored, source.splits["test"], folder)
    if different := found.facts["different"]:
        raise ToolkitError(
            f"the exported model predicts {different} of {found.facts['compared']} test rows "
            f"differently:\n" + "\n".join(found.examples)
        )
    return _write_facts(folder, facts, found)


def int8(run: Run, folder: Path) -> str:
    """Write model.onnx with 8-bit weights and dynamically quantized activations."""
    source = _Source(run)
    from onnxruntime.quantization import QuantType, quantize_dynamic  # known to be installed now
    from onnxruntime.quantization.registry import IntegerOpsRegistry

    facts = source.write(folder, "int8")
    smoothed = folder / "smoothed.onnx"
    with _quiet():
        smooth(folder / FILE, smoothed, source.calibration_batches())
        quantize_dynamic(
            smoothed, folder / FILE, weight_type=QuantType.QInt8, per_channel=True,
            reduce_range=True,  # 7 bits of weights: processors without VNNI saturate at 8
            # Its "Attention" is an operator of its own, older than ONNX's.
            op_types_to_quantize=[name for name in IntegerOpsRegistry if name != "Attention"],
        )  # fmt: skip
    smoothed.unlink()
    return _write_facts(
        folder, facts, compare_export(run, source.restored, source.splits["test"], folder)
    )


class _Source:
    """The run's model in torch, and the splits of its data.

    Raises:
        UserError: the rows are no longer available, or the scenario generates its predictions.
    """

    def __init__(self, run: Run) -> None:
        require()
        self.folder = run.path / "model"
        self.restored = Predictor(plugin_of(run.path))
        plugin = self.restored.plugin
        if type(plugin).infer is not Plugin.infer:
            what = f"{type(plugin).__name__} generates its predictions, and cannot be exported"
            raise UserError(f"{run.path}: {what} to ONNX; --to merged gives plain weights")
        self.splits = rows_of(run, self.restored)
        plugin.model = plain_model(run).eval().cpu().float()
        if not hasattr(plugin.model, "get_memory_footprint"):
            what = f"ONNX is for models of transformers, and {type(plugin.model).__name__} is none"
            raise UserError(f"{run.path}: {what}")

    def write(self, folder: Path, form: str) -> dict[str, Any]:
        """Write model.onnx, config, tokenizer and so on; return facts for export.json."""
        folder.mkdir(parents=True)
        _write(self.restored, self.splits["test"], folder / FILE)
        self.restored.plugin.model.config.save_pretrained(folder)
        copy_beside(self.folder, folder)
        return {"form": form, "weights": weights_digest(self.folder)}

    def calibration_batches(self) -> list[dict[str, Any]]:
        """Return batches of rows outside the test split where the export is verified."""
        rows = self.splits.get("validation", self.splits["train"])
        starts = range(0, min(CALIBRATION_ROWS, len(rows)), 32)
        parts = (range(start, min(start + 32, len(rows))) for start in starts)
        batches = (_batch(self.restored, rows.select(part)) for part in parts)
        return [{k: v.numpy() for k, v in batch.items()} for batch in batches]


def _write(restored: Predictor, rows: datasets.Dataset, file: Path) -> None:
    """Trace the model with two rows, and write its graph.

    Raises:
        ToolkitError: torch cannot trace it.
    """
    import torch

    # torch treats a size of 1 as fixed.
    batches = [_batch(restored, rows.select(n % len(rows) for n in range(*part))) for part in ROWS]
    model = restored.plugin.model.eval()
    for name in ("use_cache", "output_hidden_states", "output_attentions"):  # outputs are tensors
        if hasattr(model.config, name):
            setattr(model.config, name, False)
    sizes = {name: _changing(name, batches) for name in batches[0]}
    try:
        with _quiet(), torch.inference_mode():
            outputs = model(**batches[0])
            program = torch.onnx.export(
                model, (), kwargs=batches[0], dynamo=True, verbose=False, opset_version=OPSET,
                input_names=list(sizes), output_names=list(outputs), dynamic_shapes=sizes,
            )  # fmt: skip
            assert program is not None  # noqa: S101 - only with a file it returns None
            program.save(file, external_data=model.get_memory_footprint() > 1.5e9)
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        why = f"{type(cause).__name__}: {str(cause).strip()[:300]}"
        raise ToolkitError(f"torch cannot write this model as ONNX: {why}") from error


def _batch(restored: Predictor, rows: datasets.Dataset) -> dict[str, Any]:
    """Return rows as the model takes them."""
    from toolkit.evaluation.batches import batch_maker, records

    plugin = restored.plugin
    prepared = plugin.prepare(rows, "predict")
    made = batch_maker(plugin, plugin.model, False)(records(prepared, range(len(prepared))))
    return {name: value for name, value in made.items() if hasattr(value, "shape")}


def _changing(name: str, batches: list[dict[str, Any]]) -> dict[int, Any]:
    """Return the sizes of an input that are not fixed: rows, and those of ids and masks."""
    import torch

    first, second = (batch[name] for batch in batches)
    whole = not first.is_floating_point()
    return {
        place: torch.export.Dim.DYNAMIC if not place else torch.export.Dim.AUTO
        for place, (one, other) in enumerate(zip(first.shape, second.shape, strict=True))
        if not place or one != other or whole
    }


def _write_facts(folder: Path, facts: dict[str, Any], compared: ExportComparison) -> str:
    """Write export.json, and return the summary."""
    text = json.dumps(jsonable.finite(facts | compared.facts), indent=2) + "\n"
    (folder / FACTS).write_text(text, encoding="utf-8")
    return compared.summary()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings of exporter and quantizer about versions and missing operators."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)
