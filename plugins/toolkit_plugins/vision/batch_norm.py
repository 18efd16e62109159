"""BatchNorm in fine-tuning: pretrained statistics that stay, momenta, and batches of one image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

from toolkit.models.structure import head_modules

BatchNorm = nn.modules.batchnorm._BatchNorm
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


def mend_momentum(model: nn.Module) -> None:
    """Turn a momentum in TensorFlow's convention (0.997 is slow) into PyTorch's."""
    for layer in layers(model):
        momentum = getattr(layer, "momentum", None)
        if momentum and momentum > FOLLOWS_LAST:
            layer.momentum = 1 - momentum
