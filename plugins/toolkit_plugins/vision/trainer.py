"""The Trainer of images: training batches arrive as 8-bit canvases and are augmented."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import transformers
from torch import nn

from toolkit.utils import distributed
from toolkit_plugins.vision import batch_norm

Change = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class ImageTrainer(transformers.Trainer):
    """Augments training batches on the device, and keeps statistics of BatchNorm if asked to.

    change: from a batch of the training collator to what the model takes. frozen: BatchNorm layers
    whose running statistics stay. lone: all BatchNorm layers of a model that cannot normalise a
    batch of one image (after global pooling there is one value per channel): in such a batch they
    use their running statistics, as in prediction.
    """

    change: Change
    frozen: Sequence[nn.Module] = ()
    lone: Sequence[nn.Module] = ()

    def compute_loss(self, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        """Return the loss of a batch after augmentation."""
        if model.training:
            if self.lone:
                alone = len(inputs["pixel_values"]) == 1
                for layer in self.lone:
                    layer.train(not alone)
            batch_norm.freeze(self.frozen)
            inputs = self.change(inputs)
        return super().compute_loss(model, inputs, *rest, **named)


class EpochTold(transformers.TrainerCallback):
    """Tells a collator the epoch that begins, also in the middle of it when a run is resumed."""

    def __init__(self, collator: Any) -> None:
        self.collator = collator

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        """Set the collator's epoch, from 0."""
        self.collator.epoch = int(state.epoch or 0)


def workers(device: str) -> int:
    """Return how many processes read images: on a GPU's machine all cores but one, up to eight."""
    own = distributed.cores() // distributed.local_size()
    return min(4, os.cpu_count() or 1) if device == "cpu" else max(1, min(8, own - 1))
