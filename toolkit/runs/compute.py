"""How a saved model computes: runtime, data type, devices."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

from toolkit.errors import Fault, UserError
from toolkit.utils import hardware

log = logging.getLogger("toolkit.runs")
RUNTIMES = ("torch", "onnx", "int8")
PRECISIONS = ("float32", "bfloat16")
DTYPES = (*PRECISIONS, "auto")


@dataclass(frozen=True)
class ComputeConfig:
    """How a model computes.

    runtime: "torch", or an export that onnxruntime runs: "onnx" or "int8".
    dtype: "float32" reproduces the run's predictions; "bfloat16" rounds, and is faster on hardware
    that has instructions for it; "auto" is float32 on CPUs, and on GPUs bfloat16 where the answers
    are the same (see `two_precisions`).
    devices: as torch names them ("cuda:1"); several share the batches. Empty: the first GPU, or the
    CPU.
    """

    runtime: str = "torch"
    dtype: str = "float32"
    devices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Accept one device, or a list of them."""
        given = (self.devices,) if isinstance(self.devices, str) else tuple(self.devices)
        object.__setattr__(self, "devices", given)

    def check(self) -> None:
        """Raise UserError with everything that is not available here."""
        known = ("runtime", self.runtime, RUNTIMES), ("dtype", self.dtype, DTYPES)
        faults = [Fault(name, f"{given!r} is none of {', '.join(values)}")
                  for name, given, values in known if given not in values]  # fmt: skip
        if self.runtime != "torch" and (self.dtype == "bfloat16" or self.devices):
            faults.append(Fault(f"runtime {self.runtime}", "an export has its own numbers and "
                                "device: dtype and device are for torch"))  # fmt: skip
        elif self.dtype == "bfloat16" and not hardware.bf16_supported(
            on_cpu=any(name.startswith("cpu") for name in self.devices)
        ):
            faults.append(Fault("dtype bfloat16", "this machine has no instructions for it and "
                                "would take many times as long: float32 is faster"))  # fmt: skip
        faults += [fault for name in dict.fromkeys(self.devices) for fault in _absent(name)]
        if faults:
            raise UserError(faults)

    def on_all_devices(self) -> ComputeConfig:
        """Return the same with every GPU as devices, if there are several and none is named."""
        import torch

        count = torch.cuda.device_count()
        if self.devices or self.runtime != "torch" or count < 2:
            return self
        return replace(self, devices=tuple(f"cuda:{n}" for n in range(count)))

    def replicas(self, model: Any) -> list[Any]:
        """Return the model in this data type, once for each of these devices."""
        import copy

        models = {}
        for place, device in enumerate(dict.fromkeys(self.devices)):
            models[device] = (copy.deepcopy(model) if place else model).to(device)
        if self.dtype == "bfloat16":  # after copying: the copy of a changed forward would be shared
            for each in models.values() or [model]:
                compute_in_bfloat16(each)
        return [models[device] for device in self.devices] or [model]


def rounded(models: Sequence[Any]) -> list[Any]:
    """Return copies that compute in bfloat16 of models on GPUs with instructions for it, or [].

    [] also where a model cannot be copied: there is no memory for two, or it is quantized.
    """
    import copy

    on_gpus = all(next(model.parameters()).device.type == "cuda" for model in models)
    if not on_gpus or not hardware.bf16_supported():
        return []
    try:
        copies = [copy.deepcopy(model) for model in models]
        for each in copies:
            compute_in_bfloat16(each)
    except Exception as error:  # whatever memory and quantized layers raise
        log.warning("dtype auto: float32, as the model cannot be copied: %s", error)
        return []
    return copies


def _absent(name: str) -> list[Fault]:
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError):
        there = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        return [Fault(f"device {name}", f"is not here: there is {', '.join(there)}")]
    return []


def compute_in_bfloat16(model: Any) -> None:
    """Let a model compute in bfloat16 where autocast considers it safe, with float32 outputs.

    The weights that autocast would round in every pass are rounded once, here.
    """
    import torch
    from accelerate.utils import convert_outputs_to_fp32

    for module in model.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv1d | torch.nn.Conv2d):
            for name, weight in list(module.named_parameters(recurse=False)):
                if weight.dtype == torch.float32:  # not the packed ones of 4-bit layers
                    rounded = weight.detach().to(torch.bfloat16)
                    setattr(module, name, torch.nn.Parameter(rounded, requires_grad=False))
    kind = next(model.parameters()).device.type

    def wrapped(forward: Any) -> Any:
        @wraps(forward)  # batches are made by its signature
        def rounded_forward(*args: Any, **batch: Any) -> Any:
            with torch.autocast(kind, torch.bfloat16):
                return forward(*args, **batch)

        return wraps(forward)(convert_outputs_to_fp32(rounded_forward))

    parts, config = [model], getattr(model, "config", None)
    if getattr(config, "is_encoder_decoder", False):  # `generate` calls the encoder by itself
        parts.append(model.get_encoder())
    for part in parts:
        part.forward = wrapped(part.forward)
