"""Classes of pixels from models that predict masks with a class each: targets and refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.errors import Fault, RecipeError
from toolkit_plugins.vision.segmentation import batches

if TYPE_CHECKING:
    from toolkit.recipe.schema import Recipe
    from toolkit_plugins.vision.canvas import Canvas
    from toolkit_plugins.vision.dense_augment import DenseAugment
    from toolkit_plugins.vision.segmentation.options import SegmentationOptions

Batch = Mapping[str, Any]
OWN_LOSS = "has no effect: {} has a loss of its own (of classes, and of whole masks)"


def require_own_loss(options: SegmentationOptions, recipe: Recipe | None, kind: str) -> None:
    """Refuse settings of the loss of pixels.

    Args:
        kind: the type of the model.

    Raises:
        RecipeError: some are set; all of them are named.
    """
    usual = type(options).model_fields
    given = [f"options.{name}" for name in ("loss", "class_weights")
             if getattr(options, name) != usual[name].default]  # fmt: skip
    if recipe is not None and recipe.label_smoothing:
        given.append("training.label_smoothing_factor")
    if given:
        raise RecipeError([Fault(name, OWN_LOSS.format(kind)) for name in given])


def targets_of(labels: Any) -> dict[str, list[Any]]:
    """Return what the models learn from: of each image its classes, and the mask of each.

    Args:
        labels: tensor (images, height, width) of class numbers, -100 where nothing is known: such
            pixels are in no mask, as the image processors of transformers have it.

    Returns:
        {"mask_labels": of each image (classes that are there, height, width) of 0 and 1,
        "class_labels"}.
    """
    import torch

    masks, classes = [], []
    for own in labels:
        there = torch.unique(own)
        there = there[there >= 0].long()
        masks.append((own[None] == there[:, None, None]).float())
        classes.append(there)
    return {"mask_labels": masks, "class_labels": classes}


@dataclass(frozen=True)
class Inputs(batches.Inputs):
    """Joins prepared rows to the inputs of the model, without augmentation."""

    def on_device(self, batch: Batch) -> Batch:
        """Return a batch with images as the model takes them, and `labels` as it learns them."""
        found = dict(super().on_device(batch))
        if "labels" in found:
            found["labels"] = targets_of(found["labels"])
        return found


def training_inputs(wanted: DenseAugment | None, canvas: Canvas) -> Callable[[Batch], Batch]:
    """Return the function from a batch of `Canvases` to augmented inputs of the model."""
    change = batches.training_inputs(wanted, canvas)

    def changed(batch: Batch) -> Batch:
        found = dict(change(batch))
        targets = targets_of(found.pop("labels"))
        return {**found, **targets}

    return changed
