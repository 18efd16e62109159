"""Batches of images and masks: 8-bit canvases from the cache or from files, and model inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit_plugins.vision import image_cache
from toolkit_plugins.vision.canvas import IGNORED, Canvas
from toolkit_plugins.vision.dense_augment import DenseAugment, moved
from toolkit_plugins.vision.segmentation import tiles

if TYPE_CHECKING:
    import datasets

Rows = Sequence[Mapping[str, Any]]
Batch = Mapping[str, Any]
Array = np.ndarray[Any, Any]
UNCOUNTED = -100  # the label of pixels that are ignored: Trainer does not count it among the items


def sources(
    split: datasets.Dataset, image: str, mask: str | None, canvas: Canvas, use_cache: bool
) -> datasets.Dataset:
    """Return rows of `pixel_values` and `labels`: places in the cache, or the files as they are.

    Args:
        mask: the column of masks; None where there are none.
    """
    if not use_cache:
        found = split.select_columns([image] if mask is None else [image, mask])
        names = {image: "pixel_values"} | ({} if mask is None else {mask: "labels"})
        return found.rename_columns(names)
    import datasets

    files = image_cache.keep_dense(split, image, canvas, mask)
    store = {"images": files.images, "sizes": files.sizes, "masks": files.masks or ""}
    columns: dict[str, Any] = {"pixel_values": [{**store, "row": n} for n in range(len(split))]}
    if mask is not None:
        columns["labels"] = list(range(len(split)))
    return datasets.Dataset.from_dict(columns)


def read(rows: Rows, canvas: Canvas) -> tuple[Array, Array, Array | None]:
    """Return images, content sizes and masks (where rows have labels) of prepared rows.

    They are as `Canvas.canvases` and `Canvas.mask_canvases` return them.
    """
    places = [row["pixel_values"] for row in rows]
    labelled = "labels" in rows[0]
    if tiles.WHOLE in places[0]:
        return tiles.read(places, canvas, labelled)
    if "images" in places[0]:
        first = places[0]
        files = image_cache.DenseFiles(first["images"], first["sizes"], first["masks"] or None)
        images, contents, _, masks = files.rows([place["row"] for place in places])
        return images, contents, masks if labelled else None
    images, contents, _ = canvas.canvases(places)
    masks = canvas.mask_canvases([row["labels"] for row in rows], contents) if labelled else None
    return images, contents, masks


@dataclass
class Canvases:
    """Joins prepared rows to 8-bit images, their content sizes, and labels, for training.

    Tiles are cropped here and not on the device, as Trainer counts the labels that come from here
    and divides the loss by them. A crop depends on nothing but its tile, the seed and the epoch:
    batches are read ahead, so that random numbers of the process would differ in a resumed run.

    spare: whether a tile is a random crop of itself and what lies around it.
    """

    canvas: Canvas
    spare: bool = False
    seed: int = 0
    epoch: int = 0

    def __call__(self, rows: Rows) -> dict[str, Any]:
        """Return the batch: rows x channels x height x width, rows x 2, rows x height x width."""
        import torch

        canvas, seeds = self.canvas, list[str]()
        if self.spare and tiles.WHOLE in rows[0]["pixel_values"]:
            places = [tiles.with_margin(row["pixel_values"], canvas) for row in rows]
            rows = [{**row, "pixel_values": own} for row, own in zip(rows, places, strict=True)]
            seeds = [tiles.seed_of(place, self.seed, self.epoch) for place in places]
            canvas = tiles.around(canvas)
        images, contents, masks = read(rows, canvas)
        if seeds:
            images, contents, masks = tiles.cropped(images, contents, masks, self.canvas, seeds)
        batch = {
            "pixel_values": torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2),
            "content": torch.from_numpy(np.array(contents, np.int64)),
        }
        if masks is not None:
            labels = np.where(masks == IGNORED, UNCOUNTED, masks.astype(np.int16))
            batch["labels"] = torch.from_numpy(labels)
        return batch


@dataclass(frozen=True)
class Inputs:
    """Joins prepared rows to the inputs of the model, without augmentation.

    They become floats on the model's device: 8 bits are copied there in a quarter of the time.
    """

    canvas: Canvas

    def __call__(self, rows: Rows) -> Batch:
        """Return the batch, images as 8-bit values."""
        return Canvases(self.canvas)(rows)

    def on_device(self, batch: Batch) -> Batch:
        """Return a batch with images as the model takes them."""
        return _as_inputs(batch, self.canvas)


def _as_inputs(batch: Batch, canvas: Canvas) -> dict[str, Any]:
    rest = {name: value for name, value in batch.items() if name != "content"}
    rest["pixel_values"], _ = canvas.scaled(batch["pixel_values"], batch["content"])
    if "labels" in batch:
        rest["labels"] = batch["labels"].long()
    return rest


def training_inputs(wanted: DenseAugment | None, canvas: Canvas) -> Callable[[Batch], Batch]:
    """Return the function from a batch of `Canvases` to augmented inputs of the model.

    Args:
        canvas: of the model.
    """
    change = moved(wanted, canvas)

    def changed(batch: Batch) -> Batch:
        import torch

        if set(batch) - {"pixel_values", "content", "labels"}:  # features stand in for images
            return _as_inputs(batch, canvas)
        images = batch["pixel_values"].float() / 255
        masks = batch["labels"].masked_fill(batch["labels"] == UNCOUNTED, IGNORED).to(torch.uint8)
        found = change(images, None, masks, batch["content"])
        assert found.masks is not None  # noqa: S101 - masks were given
        inputs, _ = canvas.scaled(found.images * 255, found.content)
        labels = found.masks.long()
        return {"pixel_values": inputs, "labels": labels.masked_fill(labels == IGNORED, UNCOUNTED)}

    return changed


def is_cached(prepared: datasets.Dataset) -> bool:
    """Return whether prepared rows point to arrays."""
    kind = prepared.features["pixel_values"] or {}
    return "images" in kind or tiles.WHOLE in kind
