"""LoRA on a base in 4 bits (Dettmers et al. 2023, "QLoRA", arXiv 2305.14314), by bitsandbytes."""

from __future__ import annotations

import importlib.util
from typing import Any, ClassVar

from toolkit.errors import Fault, RecipeError
from toolkit.models import structure
from toolkit.models.methods.lora import Lora
from toolkit.utils.packages import extra


class Qlora(Lora):
    """As lora; the linear layers of the blocks are kept in NF4, with doubly quantised scales.

    They compute in the precision of what is around them: bf16 in training where the hardware has
    it, fp32 for predictions.
    """

    card_note: ClassVar[str] = (
        "The base was in 4 bits (NF4, double quantisation) while training and scoring. In full "
        "precision, as above, predictions differ a little; the exported model has the 4-bit values."
    )

    def check(self, model: Any) -> None:
        """Try a 4-bit layer on the model's device, and find the layers that the settings name.

        Raises:
            RecipeError: bitsandbytes is missing, does not run here, or finds nothing to quantise.
        """
        import torch

        if importlib.util.find_spec("bitsandbytes") is None:
            raise _fault(f"qlora needs bitsandbytes: {extra('qlora')}; lora does not")
        super().check(model)
        if not _linear(model):
            raise _fault(f"{type(model).__name__} has no linear layers in its blocks to quantise")
        device = next(model.parameters()).device
        try:
            with torch.no_grad():
                _quantised(torch.nn.Linear(64, 64).to(device))(torch.zeros(1, 64, device=device))
        except Exception as error:  # whatever a library built for other hardware raises
            raise _fault(
                f"bitsandbytes does not run 4-bit layers on this machine's {device.type} "
                f"({type(error).__name__}: {error}); take lora"
            ) from error

    def base(self, model: Any) -> Any:
        """Return the model with the linear layers of its blocks in 4 bits."""
        for name in _linear(model):
            model.set_submodule(name, _quantised(model.get_submodule(name)))
        model.is_loaded_in_4bit = True  # peft looks for it
        return model

    def dense(self, model: Any) -> Any:
        """Return the model with fp32 layers that hold the dequantised weights."""
        import torch
        from bitsandbytes.functional import dequantize_4bit

        for name, module in list(model.named_modules()):
            state = getattr(getattr(module, "weight", None), "quant_state", None)
            if state is not None:
                layer = torch.nn.Linear(module.in_features, module.out_features, device="meta")
                weight = dequantize_4bit(module.weight.data, state).float()
                layer.weight, layer.bias = torch.nn.Parameter(weight, False), module.bias
                model.set_submodule(name, layer)
        model.is_loaded_in_4bit = False
        return model


def _linear(model: Any) -> list[str]:
    """Return the linear layers of the blocks; bitsandbytes has nothing for Conv1D."""
    from torch import nn

    names = structure.linear_layers(model, structure.find_structure(model).blocks)
    return [name for name in names if isinstance(model.get_submodule(name), nn.Linear)]


def _quantised(linear: Any) -> Any:
    """Return a 4-bit layer with a linear layer's weights."""
    import bitsandbytes
    import torch

    class FourBit(bitsandbytes.nn.Linear4bit):  # type: ignore[misc]  # no type information
        """Without what Linear4bit does on the way.

        It takes the precision of its first input for good, rounds the bias in place, and on CPUs
        repacks weights at the first evaluation into a form that gives no gradients.
        """

        def forward(self, x: Any) -> Any:
            at, weight = x.device.type, self.weight
            dtype = torch.get_autocast_dtype(at) if torch.is_autocast_enabled(at) else x.dtype
            product = bitsandbytes.matmul_4bit(x.to(dtype), weight, quant_state=weight.quant_state)
            return product if self.bias is None else product + self.bias.to(dtype)

    layer = FourBit(linear.in_features, linear.out_features, quant_type="nf4", device="meta")
    weight = linear.weight.detach().to("cpu").contiguous()
    layer.weight = bitsandbytes.nn.Params4bit(weight, quant_type="nf4", module=layer)
    layer.bias = linear.bias
    return layer.to(linear.weight.device)


def _fault(what: str) -> RecipeError:
    return RecipeError(Fault("method", what))
