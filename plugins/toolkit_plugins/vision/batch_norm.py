"""BatchNorm in fine-tuning: pretrained statistics that stay, momenta, and batches of one image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from toolkit.models.structure import head_modules

BatchNorm = nn.modules.batchnorm._BatchNorm
FROZEN = "FrozenBatchNorm2d"  # how transformers calls its layers without a running average
EPSILON = 1e-5  # theirs
USUAL = 0.1  # PyTorch's momentum
FOLLOWS_LAST = 0.5  # a momentum above this makes running statistics those of the last few batches


def layers(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the BatchNorm layers of a model."""
    return (layer for layer in model.modules() if isinstance(layer, BatchNorm))


def of_body(model: Any) -> list[nn.Module]:
    """Return the BatchNorm layers below the head, whose statistics a pretrained body brings."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model  # of an adapter
    head = {id(one) for name in head_modules(inner) for one in layers(inner.get_submodule(name))}
    return [layer for layer in layers(inner) if id(layer) not in head]


def freeze(chosen: Iterable[nn.Module]) -> None:
    """Let BatchNorm layers use the statistics that they have, without updating them."""
    for layer in chosen:
        layer.eval()


def mend_momentum(model: nn.Module, scratch: bool = False) -> None:
    """Turn a momentum in TensorFlow's convention (0.997 is slow) into PyTorch's.

    Args:
        scratch: whether the model has random weights. Its statistics begin at 0 and 1, and would
            still be near them after hundreds of steps: they follow as PyTorch's do.
    """
    for layer in layers(model):
        momentum: Any = getattr(layer, "momentum", None)
        if momentum and momentum > FOLLOWS_LAST:
            setattr(layer, "momentum", USUAL if scratch else 1 - momentum)  # noqa: B010 - its type


def fuse_frozen(model: nn.Module) -> None:
    """Let the frozen BatchNorm layers of detectors compute in one operation instead of two.

    Names and values of weights stay as they are; a layer whose outputs would differ is left alone.
    """
    for layer in model.modules():
        kind: Any = type(layer)
        if kind.__name__.endswith(FROZEN) and _is_usual(kind):
            layer.__class__ = _fused(kind)


@cache
def _fused(kind: Any) -> type[nn.Module]:
    class Fused(kind):  # type: ignore[misc]  # of transformers, which has one for each model
        def forward(self, images: Any) -> Any:
            """Return what the layer's own `forward` does, to rounding."""
            return functional.batch_norm(images, self.running_mean, self.running_var, self.weight,
                                         self.bias, False, 0.0, EPSILON)  # fmt: skip

    Fused.__name__ = Fused.__qualname__ = kind.__name__
    return Fused


@cache
def _is_usual(kind: Any) -> bool:
    """Return whether layers of a class compute what `_fused` does."""
    values = torch.linspace(0.1, 1.0, 8).reshape(2, 2, 2, 1)
    layer = kind(2)
    for shift, name in enumerate(("weight", "bias", "running_mean", "running_var")):
        getattr(layer, name).data.copy_(torch.tensor([0.001, 0.7]) + shift)
    with torch.no_grad():
        return torch.allclose(layer(values), _fused(kind).forward(layer, values), atol=1e-6)
