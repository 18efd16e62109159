"""The Trainer of detectors: rates of the backbone, and losses by object over a whole step."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch

from toolkit.training.trainer import scale_groups
from toolkit.utils import distributed
from toolkit_plugins.vision.detection.models import backbone_parameters
from toolkit_plugins.vision.trainer import ImageTrainer

#: Of these, the loss is divided by the objects of all ranks; of others by those of the rank.
TOGETHER = ("detr", "conditional_detr", "dab-detr", "deformable_detr", "yolos", "lw_detr", "deimv2")


class DetectionTrainer(ImageTrainer):
    """Learns from each object alike, however a step's images are spread over batches and ranks.

    backbone_rate: learning rate of the backbone, relative to the rest. still: names of parameters
    that are not trained.
    """

    backbone_rate = 1.0
    still: Collection[str] = ()
    _parts = 1

    def create_optimizer(self, model: Any = None) -> Any:
        """Make the optimizer, with a rate of its own for the backbone."""
        whole: Any = self.model
        for name, parameter in whole.named_parameters():
            if name in self.still:
                parameter.requires_grad_(False)
        optimizer = super().create_optimizer(model)
        if self.backbone_rate != 1:
            slow = {id(one) for one in backbone_parameters(whole).values()}
            factors = {
                one: self.backbone_rate if id(one) in slow else 1.0
                for group in optimizer.param_groups
                for one in group["params"]
            }
            scale_groups(optimizer, factors)
        return optimizer

    def _get_num_items_in_batch(self, batch_samples: Any, device: Any) -> Any:
        """Return the objects in all batches of a step, of all ranks."""
        self._parts = len(batch_samples)
        return self._summed(sum(count(batch["labels"]) for batch in batch_samples))

    def _summed(self, number: int) -> float:
        """Return the sum of a number over all ranks."""
        if distributed.size() == 1:
            return float(number)
        own = torch.tensor([float(number)], device=self.args.device)
        return float(self.accelerator.gather(own).sum())

    def compute_loss(self, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        """Return the loss of a batch, weighed by its share of the objects of the step.

        Models divide by the objects of a batch, at least 1, and Trainer takes the mean over batches
        and ranks. Objects are counted before augmentation, which may drop some.
        """
        whole = named.pop("num_items_in_batch", None)
        found = super().compute_loss(model, inputs, *rest, **named)
        if whole is None or not model.training:
            return found
        parts, ranks = self._parts, distributed.size()
        if parts == ranks == 1:
            return found
        own = count(inputs["labels"])
        kind = getattr(getattr(self.model, "config", None), "model_type", "")
        if kind in TOGETHER and ranks > 1:
            divisor = max(self._summed(own) / ranks, 1.0)
        else:
            divisor = max(float(own), 1.0)
        weight = divisor * ranks * parts / max(float(whole), 1.0)
        if isinstance(found, tuple):
            return found[0] * weight, *found[1:]
        return found * weight


def count(labels: Any) -> int:
    """Return the objects in the labels of a batch."""
    return sum(len(one["class_labels"]) for one in labels)


def accepts(model: Any) -> frozenset[str]:
    """Return the names of what the `forward` of a model, below its adapter, takes."""
    import inspect

    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return frozenset(inspect.signature(inner.forward).parameters)
