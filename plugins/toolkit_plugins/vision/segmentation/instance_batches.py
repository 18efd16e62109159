"""Batches of images and masks of object numbers, and what models learn from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from toolkit_plugins.vision.segmentation import batches, outlines, query_models

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.vision.canvas import Canvas
    from toolkit_plugins.vision.dense_augment import DenseAugment

Batch = Mapping[str, Any]
CLASSES = "class_labels"  # a column that the models' forward names, so that it gets here


def sources(
    split: datasets.Dataset, image: str, objects: str | None, ids: Mapping[str, int],
    canvas: Canvas, use_cache: bool,
) -> datasets.Dataset:  # fmt: skip
    """Return rows of `pixel_values`, and of `labels` and `class_labels` where there are objects.

    Args:
        objects: the column of objects; None where there is none. ids: class -> number.
    """
    if objects is None:
        return batches.sources(split, image, None, canvas, use_cache)
    import datasets

    number = partial(outlines.numbered, column=objects, ids=ids)
    features = datasets.Features({
        outlines.NUMBERS: {"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
        CLASSES: datasets.List(datasets.Value("int64")),
    })  # fmt: skip
    only = split.select_columns([objects])
    made = only.map(number, batched=True, batch_size=100, remove_columns=[objects],
                    features=features)  # fmt: skip
    whole = datasets.concatenate_datasets(
        [split.select_columns([image]), made.select_columns([outlines.NUMBERS])], axis=1
    )
    found = batches.sources(whole, image, outlines.NUMBERS, canvas, use_cache)
    return datasets.concatenate_datasets([found, made.select_columns([CLASSES])], axis=1)


@dataclass(frozen=True)
class Canvases:
    """Joins prepared rows to 8-bit images and the numbers of their objects, for training."""

    canvas: Canvas

    def __call__(self, rows: batches.Rows) -> dict[str, Any]:
        """Return the batch; `labels` are {"numbers", "classes"}."""
        import torch

        found = batches.Canvases(self.canvas)(rows)
        if "labels" in found:
            classes = [torch.tensor(row[CLASSES], dtype=torch.int64) for row in rows]
            found["labels"] = {"numbers": found["labels"], "classes": classes}
        return found


@dataclass(frozen=True)
class Inputs:
    """Joins prepared rows to the inputs of the model, without augmentation."""

    canvas: Canvas

    def __call__(self, rows: batches.Rows) -> Batch:
        """Return the batch, images as 8-bit values."""
        return Canvases(self.canvas)(rows)

    def on_device(self, batch: Batch) -> Batch:
        """Return a batch with images as the model takes them, and `labels` as it learns them."""
        pixels, _ = self.canvas.scaled(batch["pixel_values"], batch["content"])
        found = {**batch, "pixel_values": pixels}
        del found["content"]
        if "labels" in batch:
            found["labels"] = query_models.targets_of(**batch["labels"])
        return found


def training_inputs(wanted: DenseAugment | None, canvas: Canvas) -> Callable[[Batch], Batch]:
    """Return the function from a batch of `Canvases` to augmented inputs of the model."""
    change = batches.training_inputs(wanted, canvas)

    def changed(batch: Batch) -> Batch:
        found = change({**batch, "labels": batch["labels"]["numbers"]})
        targets = query_models.targets_of(found["labels"], batch["labels"]["classes"])
        return {"pixel_values": found["pixel_values"], **targets}

    return changed
