"""Contact sheets of instances and segments: augmented training images, and the worst images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.tasks.masks.panoptic_shown import painted, predicted_classes
from toolkit_plugins.vision import annotated, contact_sheet
from toolkit_plugins.vision.images import use_all
from toolkit_plugins.vision.segmentation import batches, instance_batches
from toolkit_plugins.vision.segmentation.figures import DRAWN, SIDE, drawn

if TYPE_CHECKING:
    from toolkit.plugin_types import Figure, Prediction
    from toolkit_plugins.vision.segmentation.by_queries import ByQueries

WORST = 8  # test images
NOTHING = ""  # the name of pixels without an object
NOTE = "left: predicted, right: actual; a colour per class"
Array = np.ndarray[Any, Any]


def sheets(plugin: ByQueries, predictions: Sequence[Prediction]) -> dict[str, Figure]:
    """Return what training saw, and the test images with the most wrong and missed objects."""
    assert plugin.data is not None  # noqa: S101 - the caller has looked
    colours = annotated.class_colours(plugin.classes)
    palette = {NOTHING: (255, 255, 255), **colours}
    found: dict[str, Figure] = {"training_images": _training(plugin, palette, colours)}
    if worst := plugin.galleries(predictions)["worst"][:WORST]:
        found["worst_images"] = _compared(plugin, predictions, worst, palette, colours)
    return found


def _training(plugin: ByQueries, palette: Mapping[str, Any], colours: Mapping[str, Any]) -> Any:
    """Return training images as training sees them, augmented, with a color per class."""
    import torch

    assert plugin.data is not None  # noqa: S101 - the caller has looked
    train, seed = plugin.data["train"], plugin.recipe.seed if plugin.recipe else 0
    rows = train.select(np.random.default_rng(seed).permutation(len(train))[:DRAWN])
    given = instance_batches.Canvases(plugin.canvas)(plugin.prepare(rows, "figures").to_list())
    classes = given["labels"]["classes"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        change = batches.training_inputs(plugin.options.augment, plugin.canvas)
        changed = change({**given, "labels": given["labels"]["numbers"]})
    cells = []
    for (image, numbers), own in zip(drawn(changed, plugin.canvas), classes, strict=True):
        table = np.zeros(256, np.uint8)
        table[1 : len(own) + 1] = own.numpy() + 1
        cells.append(annotated.annotated(image, palette, mask=table[numbers], hidden=[NOTHING]))
    return contact_sheet.annotated_sheet(cells, [""] * len(cells), colours)


def _compared(
    plugin: ByQueries,
    predictions: Sequence[Prediction],
    worst: Sequence[int],
    palette: Mapping[str, Any],
    colours: Mapping[str, Any],
) -> Any:
    """Return images with the predicted masks, and beside it with the actual ones."""
    assert plugin.data is not None  # noqa: S101 - the caller has looked
    rows, canvas = plugin.data["test"].select(list(worst)), plugin.canvas
    references = plugin.references(rows.select_columns([plugin.target]).to_list())

    def small(image: Any) -> Any:
        image.thumbnail((2 * SIDE, 2 * SIDE))
        return image.copy()

    images = use_all(rows[plugin.image][:], canvas.mode, None, small, canvas.levels)
    cells, captions = [], []
    for image, row, actual in zip(images, worst, references, strict=True):
        pair = (
            _predicted(predictions[row], plugin.classes),
            painted(actual["objects"], plugin.classes),
        )
        both = [annotated.annotated(image, palette, mask=mask, hidden=[NOTHING]) for mask in pair]
        cells.append(annotated.beside(both))
        counted = sum(not one.get("crowd") for one in actual["objects"])
        there: Any = predictions[row].get("segments", predictions[row].get("objects", ()))
        captions.append(f"{len(there)} predicted, {counted} actual")
    return contact_sheet.annotated_sheet(cells, captions, colours, NOTE, columns=2)


def _predicted(prediction: Prediction, names: Sequence[str]) -> Array | None:
    """Return the number of the class at each pixel from 1 on, 0 where nothing is found."""
    if "segments" in prediction:
        return predicted_classes(prediction, names)
    return painted(prediction["objects"], names)
