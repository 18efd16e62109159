"""An exported model that onnxruntime runs, with the interface of the torch model."""

from __future__ import annotations

import inspect
import json
from functools import partial
from pathlib import Path

import torch
from transformers.utils.generic import ModelOutput

from toolkit.errors import UserError
from toolkit.models.find import weights_digest
from toolkit.utils.packages import extra

FILE = "model.onnx"
FACTS = "export.json"
#: On CPUs, addition and normalization apart took a fifth of the time of the fused operation.
SLOWER = ["SkipLayerNormFusion"]


class OnnxModel(torch.nn.Module):
    """Takes a batch of tensors and returns the outputs of the torch model that was exported.

    Args:
        folder: where model.onnx stands.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        require()
        import onnxruntime
        from transformers import AutoConfig

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        usable = onnxruntime.get_available_providers()
        wanted = [p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in usable]
        self.session = onnxruntime.InferenceSession(
            str(folder / FILE), options, providers=wanted, disabled_optimizers=SLOWER
        )
        self.inputs = [item.name for item in self.session.get_inputs()]
        self.outputs = [item.name for item in self.session.get_outputs()]
        self.config = AutoConfig.from_pretrained(folder)
        # The device of a model is read from its parameters.
        self.none = torch.nn.Parameter(torch.empty(0), requires_grad=False)
        # Batches are reduced to the parameters of `forward`.
        named = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in self.inputs]
        self.forward = partial(self._outputs)
        self.forward.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]  # read by inspect

    def _outputs(self, **batch: torch.Tensor) -> ModelOutput:
        given = {name: batch[name].cpu().numpy() for name in self.inputs}
        found = self.session.run(self.outputs, given)
        outputs = {n: torch.from_numpy(v) for n, v in zip(self.outputs, found, strict=True)}
        return ModelOutput(outputs)  # type: ignore[no-untyped-call]  # untyped there


def require() -> None:
    """Raise UserError where the extra is not installed."""
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        raise UserError(f"this needs onnxruntime: {extra('onnx')}") from None


def load_export(run: Path, form: str) -> OnnxModel:
    """Return a run's export.

    Raises:
        UserError: there is none, or it is of another model than the run has now.
    """
    folder = run / form
    if not (folder / FILE).is_file():
        raise UserError(f"{folder} holds no {FILE}: `toolkit export {run} --to {form}` writes it")
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / FACTS} cannot be read: {error}") from None
    if facts.get("weights") != weights_digest(run / "model"):
        raise UserError(f"{folder} is of another model than {run / 'model'}: export it again")
    return OnnxModel(folder)
