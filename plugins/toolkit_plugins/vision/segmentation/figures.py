"""Contact sheets of a run: augmented training images with their masks, and the worst images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.tasks.masks.png import decode
from toolkit.tasks.masks.shown import has_background
from toolkit_plugins.vision import annotated, contact_sheet
from toolkit_plugins.vision.canvas import IGNORED
from toolkit_plugins.vision.images import use_all
from toolkit_plugins.vision.segmentation.batches import UNCOUNTED, Canvases, training_inputs

if TYPE_CHECKING:
    from toolkit.plugin_types import Figure, Prediction
    from toolkit_plugins.vision.segmentation.plugin import ImageSegmentation

DRAWN = 8  # training images
WORST = 12  # test images
SIDE = annotated.SIDE


def sheets(plugin: ImageSegmentation, predictions: Sequence[Prediction]) -> dict[str, Figure]:
    """Return what training saw, and the test images whose masks are worst."""
    assert plugin.data is not None  # noqa: S101 - the caller has looked
    names = list(plugin.classes)
    palette = annotated.class_colours(names)
    hidden = names[:1] if has_background(names) else []
    found: dict[str, Figure] = {"training_images": _training(plugin, palette, hidden)}
    truth = plugin.references(plugin.data["test"].select_columns([plugin.target]).to_list())
    order = _worst(predictions, truth, len(names))
    if order:
        found["worst_images"] = _compared(plugin, predictions, truth, order, palette, hidden)
    return found


def _training(plugin: ImageSegmentation, palette: Mapping[str, Any], hidden: Sequence[str]) -> Any:
    """Return pairs: an image as it is, and as training sees it, each with its mask."""
    import torch

    assert plugin.data is not None  # noqa: S101 - the caller has looked
    train, seed = plugin.data["train"], plugin.recipe.seed if plugin.recipe else 0
    rows = train.select(np.random.default_rng(seed).permutation(len(train))[:DRAWN])
    prepared = plugin.prepare(rows, "train")
    given = prepared.select(range(min(DRAWN, len(prepared)))).to_list()
    plain = Canvases(plugin.canvas)(given)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        change = training_inputs(plugin.options.augment, plugin.canvas)
        changed = change(Canvases(plugin.canvas, spare=True)(given))
    cells: list[Any] = []
    pairs = zip(drawn(plain, None), drawn(changed, plugin.canvas), strict=True)
    for image, mask in (one for pair in pairs for one in pair):
        cells.append(annotated.annotated(image, palette, mask=mask, hidden=hidden))
    captions = [text for _ in given for text in ("training image", "augmented")]
    return contact_sheet.annotated_sheet(cells, captions, palette)


def drawn(batch: Mapping[str, Any], canvas: Any) -> list[tuple[Any, Any]]:
    """Return the images and masks of a batch as arrays.

    Args:
        canvas: by which inputs of the model are turned back into 8-bit values; None for canvases.
    """
    import torch

    images, labels = batch["pixel_values"].float(), batch["labels"]
    if canvas is not None:
        slope, offset = (torch.tensor(v).view(1, -1, 1, 1) for v in (canvas.slope, canvas.offset))
        images = (images.cpu() - offset) / slope
    masks = labels.masked_fill(labels == UNCOUNTED, IGNORED).byte().cpu().numpy()
    return list(zip(contact_sheet.as_pixels(images / 255), masks, strict=True))


def _worst(predictions: Sequence[Prediction], truth: Sequence[Any], classes: int) -> list[int]:
    """Return the test rows whose own mean IoU is the least, the worst first."""
    from toolkit.evaluation import pixel_counts

    scores = []
    for row, (prediction, actual) in enumerate(zip(predictions, truth, strict=True)):
        matrix = np.zeros((classes, classes), np.int64)
        cells, pixels = pixel_counts.confusion(prediction, actual, classes)
        matrix.flat[cells] += pixels
        if len(cells) and (score := float(np.nanmean(pixel_counts.ious(matrix)))) < 1:
            scores.append((score, row))
    return [row for _, row in sorted(scores)[:WORST]]


def _compared(
    plugin: ImageSegmentation,
    predictions: Sequence[Prediction],
    truth: Sequence[Any],
    order: Sequence[int],
    palette: Mapping[str, Any],
    hidden: Sequence[str],
) -> Any:
    """Return images with the predicted mask, and beside it with the actual one."""
    assert plugin.data is not None  # noqa: S101 - the caller has looked
    rows = plugin.data["test"].select_columns([plugin.image]).select(order)
    canvas = plugin.canvas

    def small(image: Any) -> Any:
        image.thumbnail((2 * SIDE, 2 * SIDE))
        return image.copy()

    images = use_all(rows[plugin.image], canvas.mode, (2 * SIDE, 2 * SIDE), small, canvas.levels)
    cells = []
    for image, row in zip(images, order, strict=True):
        masks = [decode(one) for one in (predictions[row], truth[row])]
        both = [annotated.annotated(image, palette, mask=m, hidden=hidden) for m in masks]
        cells.append(annotated.beside(both))
    captions = [f"test row {row + 1}" for row in order]
    note = "left: predicted, right: actual; dark: ignored pixels"
    return contact_sheet.annotated_sheet(cells, captions, palette, note, columns=2)
