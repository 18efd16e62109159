"""The Trainer of pictures: training batches arrive as 8-bit canvases and are changed at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import transformers
from torch import nn

BatchNorm = nn.modules.batchnorm._BatchNorm
FOLLOWS_LAST = 0.5  # a momentum above this makes running statistics those of the last few batches

Change = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class PictureTrainer(transformers.Trainer):
    """Changes training batches on the device, and keeps statistics of BatchNorm where asked to."""

    change: Change
    freeze_batch_norm = False

    def compute_loss(self, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        """Return the loss of a batch after its pictures have been changed."""
        if model.training:
            if self.freeze_batch_norm:
                freeze(model)
            inputs = self.change(inputs)
        return super().compute_loss(model, inputs, *rest, **named)


def freeze(model: nn.Module) -> None:
    """Let BatchNorm layers use the statistics that they have, and leave them as they are."""
    for layer in model.modules():
        if isinstance(layer, BatchNorm):
            layer.eval()


def mend_momentum(model: nn.Module) -> None:
    """Turn a momentum that was meant as TensorFlow reads it (0.997 is slow) into PyTorch's."""
    for layer in model.modules():
        if isinstance(layer, BatchNorm) and layer.momentum and layer.momentum > FOLLOWS_LAST:
            layer.momentum = 1 - layer.momentum


def loss(weights: list[float] | None, smoothing: float) -> Callable[..., Any]:
    """Return cross-entropy with class ids, or shares of the classes, as labels."""
    from torch.nn import functional

    given = None if weights is None else torch.tensor(weights, dtype=torch.float32)

    def cross_entropy(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        logits = outputs.logits.float()
        total = functional.cross_entropy(
            logits,
            labels,
            weight=None if given is None else given.to(logits.device),
            reduction="sum",
            label_smoothing=smoothing,
        )
        rows = len(labels) if labels.ndim == 2 else (labels >= 0).sum()
        return total / (rows if num_items_in_batch is None else num_items_in_batch)

    return cross_entropy
