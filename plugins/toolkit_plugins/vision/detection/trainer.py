"""The Trainer of detectors: rates of the backbone, and losses by object over a whole step."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import torch

from toolkit.training.trainer import scale_groups
from toolkit.utils import distributed
from toolkit_plugins.vision.detection.models import backbone_parameters
from toolkit_plugins.vision.trainer import ImageTrainer


class Counts(NamedTuple):
    """What losses are divided by: the objects of images, and how many images these are."""

    objects: float
    images: float

    @classmethod
    def of(cls, labels: Any) -> Counts:
        """Return those of a batch's labels."""
        return cls(float(sum(len(one["class_labels"]) for one in labels)), float(len(labels)))


class DetectionTrainer(ImageTrainer):
    """Learns from each object alike, however a step's images are spread over batches and ranks.

    backbone_rate: learning rate of the backbone, relative to the rest. still: names of parameters
    that are not trained.
    """

    backbone_rate = 1.0
    still: Collection[str] = ()
    loss_is_scaled_for_ga = False  # and hence not weighed by rows either

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
        """Return what is in all batches of a step, of all ranks."""
        own = [Counts.of(batch["labels"]) for batch in batch_samples]
        return self._summed(Counts(*map(sum, zip(*own, strict=True))) if own else Counts(0, 0))

    def _summed(self, counts: Counts) -> Counts:
        """Return the sum of counts over all ranks."""
        if distributed.size() == 1:
            return counts
        own = torch.tensor([list(counts)], device=self.args.device)
        return Counts(*self.accelerator.gather(own).sum(0).tolist())

    def compute_loss(
        self,
        model: Any,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return the loss of a batch, weighed by its share of the objects of the step.

        Models divide by the objects of a batch, at least 1 (`models.alone` sees to it that they ask
        no other rank), and Trainer takes the mean over batches and ranks. The cross entropy of
        models with an output for "no object" is divided by the weights of all queries instead.
        Objects are counted before augmentation, which may drop some.
        """
        whole = num_items_in_batch
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True)
        parts, ranks = self.current_gradient_accumulation_steps, distributed.size()
        if whole is not None and model.training and parts * ranks > 1:
            own, config = Counts.of(inputs["labels"]), self._config
            weight = ranks * parts / max(whole.objects, 1.0)
            boxes = max(own.objects, 1.0) * weight
            shape = outputs["logits"].shape
            if shape[-1] > config.num_labels:
                share = _weights(own, shape, config) / _weights(whole, shape, config)
                parts_of = [value for name, value in outputs["loss_dict"].items()
                            if name.startswith("loss_ce")]  # fmt: skip
                loss = boxes * loss + (share * ranks * parts - boxes) * sum(parts_of)
            else:
                loss = boxes * loss
        return (loss, outputs) if return_outputs else loss

    @property
    def _config(self) -> Any:
        return getattr(self.model, "config", None)


def _weights(counts: Counts, shape: Sequence[int], config: Any) -> float:
    """Return the sum of the weights of all queries of some images in the cross entropy of DETR."""
    others = counts.images * shape[1] - counts.objects
    return counts.objects + float(config.eos_coefficient) * others


def accepts(model: Any) -> frozenset[str]:
    """Return the names of what the `forward` of a model, below its adapter, takes."""
    import inspect

    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return frozenset(inspect.signature(inner.forward).parameters)
