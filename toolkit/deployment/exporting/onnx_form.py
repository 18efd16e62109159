"""ONNX, in fp32 and in int8: written by torch's exporter, verified on the test split."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.deployment.exporting.merged import copy_beside, plain_model
from toolkit.deployment.exporting.quantizing import quantize, quiet
from toolkit.deployment.exporting.verification import compare_export, rows_of, summary
from toolkit.errors import ToolkitError, UserError
from toolkit.models.find import weights_digest
from toolkit.plugin import Plugin
from toolkit.runs.folder import Run
from toolkit.runs.onnx_model import FACTS, FILE, require
from toolkit.runs.predictor import Predictor, plugin_of
from toolkit.utils import jsonable

if TYPE_CHECKING:
    import datasets
    import numpy as np

OPSET = 23  # the first with an operator for attention: it took 4 ms where its parts took 35
CALIBRATION_ROWS = 128  # by which the range of activations is estimated
UNCHECKED = "TRANSFORMERS_DISABLE_TORCH_CHECK"  # read by transformers at each assertion
ROWS = ((0, 2), (2, 5))  # of two batches that show which sizes change


def write(run: Run, folder: Path, form: str) -> str:
    """Write the run's model as ONNX, and compare it with the run; return a summary.

    Args:
        form: "onnx" (fp32), or "int8": 8-bit weights and activations, see `quantizing`.

    Raises:
        UserError: the rows are no longer available, or the scenario generates its predictions.
        ToolkitError: torch cannot write it, or a prediction in fp32 differs from the run's.
    """
    restored = in_torch(run)
    splits = rows_of(run, restored)
    folder.mkdir(parents=True)
    write_graph(restored, splits["test"], folder / FILE)
    restored.plugin.model.config.save_pretrained(folder)
    copy_beside(run.path / "model", folder)
    if form == "int8":
        quantize(folder / FILE, calibration_batches(restored, splits))
    found, examples = compare_export(run, restored, splits["test"], folder)
    if form == "onnx" and found["different"]:
        raise ToolkitError(
            f"the exported model predicts {found['different']} of {found['compared']} test rows "
            f"differently:\n" + "\n".join(examples)
        )
    facts = {"form": form, "weights": weights_digest(run.path / "model"), **found}
    text = json.dumps(jsonable.finite(facts), indent=2) + "\n"
    (folder / FACTS).write_text(text, encoding="utf-8")
    return summary(found)


def in_torch(run: Run) -> Predictor:
    """Return the run's plugin with its model in float32 on the CPU, adapters merged."""
    require()
    restored = Predictor(plugin_of(run.path))
    plugin = restored.plugin
    plugin.model = plain_model(run).eval().cpu().float()
    if type(plugin).infer is not Plugin.infer and getattr(plugin.model, "can_generate", bool)():
        what = f"{type(plugin).__name__} generates its predictions, and cannot be exported"
        raise UserError(f"{run.path}: {what} to ONNX; --to merged gives plain weights")
    if not hasattr(plugin.model, "get_memory_footprint"):
        what = f"ONNX is for models of transformers, and {type(plugin.model).__name__} is none"
        raise UserError(f"{run.path}: {what}")
    return restored


def calibration_batches(
    restored: Predictor, splits: datasets.DatasetDict
) -> list[dict[str, np.ndarray[Any, Any]]]:
    """Return batches of rows outside the test split where the export is verified."""
    rows = splits.get("validation", splits["train"])
    places = range(min(CALIBRATION_ROWS, len(rows)))
    batches = (_batch(restored, rows.select(places[n : n + 32])) for n in places[::32])
    return [{name: value.numpy() for name, value in batch.items()} for batch in batches]


def write_graph(restored: Predictor, rows: datasets.Dataset, file: Path) -> None:
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
        with quiet(), _without_checks(), torch.inference_mode():
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


@contextmanager
def _without_checks() -> Iterator[None]:
    """Switch off what transformers asserts of tensors (`torch_compilable_check`).

    A traced assertion on values, as in deformable attention, has no operator in ONNX.
    """
    before = os.environ.get(UNCHECKED)
    os.environ[UNCHECKED] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[UNCHECKED]
        else:
            os.environ[UNCHECKED] = before


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
