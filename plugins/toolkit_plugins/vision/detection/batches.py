"""Batches of images with boxes: from the cache or from files, and what detectors take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from toolkit_plugins.vision import dense_augment, image_cache
from toolkit_plugins.vision.annotations.headers import headers
from toolkit_plugins.vision.detection import tiles

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.vision.canvas import Canvas
    from toolkit_plugins.vision.dense_augment import DenseAugment

BATCH = 256  # images whose headers are read at a time: cells may hold their bytes
Rows = list[dict[str, Any]]
Batch = Mapping[str, Any]


def label_features() -> Any:
    """Return the features of what `labels_of` returns."""
    import datasets

    box = datasets.List(datasets.Value("float32"))
    return {"class_labels": datasets.List(datasets.Value("int64")), "boxes": datasets.List(box)}


def sources(
    split: datasets.Dataset, column: str, canvas: Canvas, use_cache: bool
) -> datasets.Dataset:
    """Return rows of `pixel_values` (places in the cache, or files) and of `size`.

    A size is the height and width of the upright image in pixels.
    """
    import datasets

    if not use_cache:
        files = split.select_columns([column]).rename_column(column, "pixel_values")
        found = [one.upright[::-1] if one else (1, 1)
                 for batch in split.select_columns([column]).iter(BATCH)
                 for one in headers(batch[column])]  # fmt: skip
        return files.add_column("size", [list(size) for size in found])
    files = image_cache.keep_dense(split, column, canvas)
    sizes = image_cache.opened(files.sizes)[:, 2:].tolist()
    places = [{"store": files.images, "sizes": files.sizes, "row": row}
              for row in range(len(split))]  # fmt: skip
    return datasets.Dataset.from_dict({"pixel_values": places, "size": sizes})


def is_cached(prepared: datasets.Dataset) -> bool:
    """Return whether prepared rows point to arrays."""
    kind = prepared.features["pixel_values"] or {}
    return "store" in kind or tiles.FILE in kind


def labels_of(
    objects: Sequence[Mapping[str, Any]],
    ids: Mapping[str, int],
    size: Sequence[int],
    canvas: Canvas,
) -> dict[str, Any]:
    """Return the objects of an image as transformers' detectors learn them.

    Regions of many objects (crowds) are not learned from, nor are classes that `ids` lacks.

    Returns:
        {"class_labels": n numbers, "boxes": (n, 4) center, width and height as shares of the
        canvas}.
    """
    known = [one for one in objects if not one.get("crowd") and one["label"] in ids]
    boxes = canvas.boxes_on([one["box"] for one in known], (int(size[0]), int(size[1])))
    return {"class_labels": [ids[one["label"]] for one in known], "boxes": boxes.tolist()}


@dataclass(frozen=True)
class Canvases:
    """Joins prepared rows to 8-bit tensors and their labels.

    pixel_values: rows x channels x height x width. contents: rows x 2, height and width of the
    images on their canvases. labels: a dictionary of tensors for each row.
    """

    canvas: Canvas

    def __call__(self, rows: Rows) -> dict[str, Any]:
        """Return the batch."""
        import torch

        places = [row["pixel_values"] for row in rows]
        if isinstance(places[0], Mapping) and tiles.FILE in places[0]:
            images, contents = tiles.read(places, self.canvas)
        elif isinstance(places[0], Mapping) and "store" in places[0]:
            images = np.stack([image_cache.opened(p["store"])[p["row"]] for p in places])
            contents = np.stack([image_cache.opened(p["sizes"])[p["row"], :2] for p in places])
        else:
            images, contents, _ = self.canvas.canvases(places)
        found: dict[str, Any] = {
            "pixel_values": torch.from_numpy(images).permute(0, 3, 1, 2),
            "contents": torch.from_numpy(np.ascontiguousarray(contents)),
        }
        if "labels" in rows[0]:
            found["labels"] = [_tensors(row["labels"]) for row in rows]
        return found


def _tensors(labels: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    boxes = torch.tensor(labels["boxes"], dtype=torch.float32).reshape(-1, 4)
    return {"class_labels": torch.tensor(labels["class_labels"], dtype=torch.int64), "boxes": boxes}


@dataclass(frozen=True)
class Inputs:
    """Joins prepared rows to the inputs of the model, without augmentation.

    takes: the names that the model's `forward` has. They become floats on the model's device.
    """

    canvas: Canvas
    takes: frozenset[str]

    def __call__(self, rows: Rows) -> Batch:
        """Return the batch, images in 8 bits."""
        return Canvases(self.canvas)(rows)

    def on_device(self, batch: Batch) -> Batch:
        """Return a batch with images as the model takes them."""
        return as_inputs(batch, batch["pixel_values"], batch["contents"], self.canvas, self.takes)


def as_inputs(
    batch: Batch, values: Any, contents: Any, canvas: Canvas, takes: frozenset[str]
) -> dict[str, Any]:
    """Return a batch with 8-bit values scaled, and the mask of padding where a model takes one."""
    images, mask = canvas.scaled(values, contents)
    found = {name: value for name, value in batch.items() if name != "contents"}
    found["pixel_values"] = images
    if canvas.keep_ratio and "pixel_mask" in takes:
        found["pixel_mask"] = mask
    return found


class Augmented(NamedTuple):
    """An augmented batch on its canvases.

    images: floats from 0 to 1. boxes: per image (n, 4) left, top, right, bottom in pixels of the
    canvas. labels: per image (n,) class numbers. contents: rows x 2, height and width.
    """

    images: Any
    boxes: list[Any]
    labels: list[Any]
    contents: Any


def augmented(wanted: DenseAugment | None, canvas: Canvas) -> Callable[[Batch], Augmented]:
    """Return the function from a batch of `Canvases` to one that is randomly augmented."""
    change = dense_augment.moved(wanted, canvas)

    def augment(batch: Batch) -> Augmented:
        import torch

        images, labels = batch["pixel_values"].float() / 255, batch["labels"]
        boxes = [_edges(one["boxes"]) * _sides(canvas, images) for one in labels]
        moved = change(images, boxes, None, batch["contents"])
        classes = torch.cat([one["class_labels"] for one in labels])
        kept = [classes[places] for places in moved.kept or ()]
        return Augmented(moved.images, moved.boxes or [], kept, moved.content)

    return augment


def training_inputs(
    wanted: DenseAugment | None, canvas: Canvas, takes: frozenset[str]
) -> Callable[[Batch], Batch]:
    """Return the function from a batch of `Canvases` to augmented inputs of the model."""
    augment = augmented(wanted, canvas)

    def changed(batch: Batch) -> Batch:
        found = augment(batch)
        labels = [
            {"class_labels": numbers, "boxes": _centered(boxes / _sides(canvas, found.images))}
            for boxes, numbers in zip(found.boxes, found.labels, strict=True)
        ]
        given = {**batch, "labels": labels}
        return as_inputs(given, found.images * 255, found.contents, canvas, takes)

    return changed


def _sides(canvas: Canvas, like: Any) -> Any:
    """Return width, height, width, height of a canvas, on the device of a tensor."""
    import torch

    return torch.tensor([canvas.width, canvas.height] * 2, device=like.device)


def _edges(boxes: Any) -> Any:
    """Return left, top, right and bottom of boxes given by center, width and height."""
    import torch

    middle, half = boxes[:, :2], boxes[:, 2:] / 2
    return torch.cat([middle - half, middle + half], 1)


def _centered(boxes: Any) -> Any:
    import torch

    return torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)


def best(outputs: Any, classes: int, most: int) -> tuple[list[Any], list[Any], list[Any]]:
    """Return boxes, scores and class numbers of each image, by falling score.

    Of models with an output for "no object" (DETR, YOLOS) each query has its most probable class;
    of others (sigmoid outputs) each class of each query is a candidate, as in transformers'
    `post_process_object_detection`.

    Args:
        most: boxes of an image, at most.

    Returns:
        Lists of arrays, one per image: (n, 4) center, width and height as shares of the canvas;
        (n,) scores; (n,) numbers.
    """
    import torch

    logits, places = outputs.logits.float(), outputs.pred_boxes.float()
    if logits.shape[-1] > classes:
        scores, numbers = logits.softmax(-1)[..., :classes].max(-1)
        queries = torch.arange(scores.shape[1], device=scores.device).expand_as(scores)
    else:
        scores = logits.sigmoid().flatten(1)
        every = torch.arange(scores.shape[1], device=scores.device).expand_as(scores)
        numbers, queries = every % logits.shape[-1], every // logits.shape[-1]
    # Ties are broken by place, whatever the device.
    order = scores.sort(dim=1, descending=True, stable=True).indices[:, :most]
    chosen = [torch.gather(one, 1, order) for one in (scores, numbers, queries)]
    boxes = torch.gather(places, 1, chosen[2][..., None].expand(-1, -1, 4))
    arrays = [list(one.cpu().numpy()) for one in (boxes, chosen[0], chosen[1])]
    return arrays[0], arrays[1], arrays[2]
