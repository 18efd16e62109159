"""Batches of images: 8-bit canvases from the cache or from files, and what the model takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.utils.pictures import resized
from toolkit_plugins.vision import augment, image_cache
from toolkit_plugins.vision.images import Levels, use_all

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.vision.augment import Augment
    from toolkit_plugins.vision.image_processing import View

Rows = list[dict[str, Any]]
Batch = Mapping[str, Any]
GREY = 16  # pixels a side


def sources(split: datasets.Dataset, column: str, view: View, use_cache: bool) -> datasets.Dataset:
    """Return rows of `pixel_values`: places in the cache, or the files as they are."""
    if not use_cache:
        return split.select_columns([column]).rename_column(column, "pixel_values")
    import datasets

    path = str(image_cache.keep(split, column, view))
    places = [{"store": path, "row": row} for row in range(len(split))]
    return datasets.Dataset.from_dict({"pixel_values": places})


def is_cached(prepared: datasets.Dataset) -> bool:
    """Return whether prepared rows point into the cache."""
    return "store" in (prepared.features["pixel_values"] or {})


@dataclass(frozen=True)
class Canvases:
    """Joins prepared rows to 8-bit tensors, rows x channels x height x width, and their labels."""

    view: View

    def __call__(self, rows: Rows) -> dict[str, Any]:
        """Return the batch."""
        import torch

        places = [row["pixel_values"] for row in rows]
        if isinstance(places[0], Mapping) and "store" in places[0]:
            found = np.stack([image_cache.opened(p["store"])[p["row"]] for p in places])
        else:
            found = self.view.canvases(places)
        batch = {
            name: torch.tensor([row[name] for row in rows]) for name in rows[0]
            if name != "pixel_values"
        }  # fmt: skip
        return {"pixel_values": torch.from_numpy(found).permute(0, 3, 1, 2), **batch}


@dataclass(frozen=True)
class Inputs:
    """Joins prepared rows to the inputs of the model, without augmentation.

    They become floats on the model's device: 8 bits are copied there in a quarter of the time.
    """

    view: View

    def __call__(self, rows: Rows) -> Batch:
        """Return the batch, images as the 8-bit values of what the model sees."""
        import torch

        batch = Canvases(self.view)(rows)
        middle = self.view.middle(batch["pixel_values"].permute(0, 2, 3, 1).numpy())
        images = torch.from_numpy(np.ascontiguousarray(middle)).permute(0, 3, 1, 2)
        return {**batch, "pixel_values": images}

    def on_device(self, batch: Batch) -> Batch:
        """Return a batch with images as the model takes them."""
        return {**batch, "pixel_values": self.view.scaled(batch["pixel_values"].float())}


def augmenter(wanted: Augment | None, view: View, classes: int) -> Callable[..., tuple[Any, Any]]:
    """Return the function from canvases (floats, 0 to 1) and class ids to both augmented.

    mixup and CutMix turn ids into shares of the classes, shape (rows, classes).
    """
    change = augment.changes(wanted, view)

    def augmented(images: Any, labels: Any) -> tuple[Any, Any]:
        images = change(images)
        if wanted is not None and wanted.mixes:
            images, labels = augment.mix(images, labels, classes, wanted)
        return images, labels

    return augmented


def training_inputs(wanted: Augment | None, view: View, classes: int) -> Callable[[Batch], Batch]:
    """Return the function from a batch of `Canvases` to augmented inputs of the model."""
    augmented, plain = augmenter(wanted, view, classes), augment.changes(None, view)

    def changed(batch: Batch) -> Batch:
        images = batch["pixel_values"].float() / 255
        if set(batch) - {"pixel_values", "labels"}:  # cached features stand in for images
            return {**batch, "pixel_values": view.scaled(plain(images) * 255)}
        images, labels = augmented(images, batch["labels"])
        return {**batch, "pixel_values": view.scaled(images * 255), "labels": labels}

    return changed


def grey_pixels(values: Sequence[Any], levels: Levels | None = None) -> Any:
    """Return files as rows of GREY x GREY grey pixels from 0 to 1, for a linear baseline."""

    def small(image: Any) -> Any:
        return np.asarray(resized(image, (GREY, GREY), None)).ravel() / 255.0

    return np.stack(use_all(values, "L", (2 * GREY, 2 * GREY), small, levels))
