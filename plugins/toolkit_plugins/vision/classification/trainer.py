"""The Trainer of images: training batches arrive as 8-bit canvases and are augmented."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import transformers
from torch import nn

BatchNorm = nn.modules.batchnorm._BatchNorm
FOLLOWS_LAST = 0.5  # a momentum above this makes running statistics those of the last few batches

Change = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class ImageTrainer(transformers.Trainer):
    """Augments training batches on the device, and freezes BatchNorm statistics if asked to."""

    change: Change
    freeze_batch_norm = False

    def compute_loss(self, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        """Return the loss of a batch after augmentation."""
        if model.training:
            if self.freeze_batch_norm:
                freeze(model)
            inputs = self.change(inputs)
        return super().compute_loss(model, inputs, *rest, **named)


def freeze(model: nn.Module) -> None:
    """Let BatchNorm layers use the statistics that they have, without updating them."""
    for layer in model.modules():
        if isinstance(layer, BatchNorm):
            layer.eval()


def mend_momentum(model: nn.Module) -> None:
    """Turn a momentum in TensorFlow's convention (0.997 is slow) into PyTorch's."""
    for layer in model.modules():
        if isinstance(layer, BatchNorm) and layer.momentum and layer.momentum > FOLLOWS_LAST:
            layer.momentum = 1 - layer.momentum
