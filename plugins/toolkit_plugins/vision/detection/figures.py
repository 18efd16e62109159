"""Contact sheets of a run: augmented training images, and the worst of the test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit_plugins.vision import annotated, contact_sheet
from toolkit_plugins.vision.detection import batches
from toolkit_plugins.vision.images import use_all

if TYPE_CHECKING:
    from PIL.Image import Image

    from toolkit.plugin_types import Figure, Prediction
    from toolkit_plugins.vision.detection.plugin import ObjectDetection

Colours = Mapping[str, tuple[int, int, int]]
TRAINED, WORST, CLOSE = 12, 8, 12  # images of a sheet
LONGEST = 1600  # pixels of a side of what close-ups are cut from
EDGES = "thick: predicted, thin: actual"


def drawn(plugin: ObjectDetection, predictions: Sequence[Prediction]) -> dict[str, Figure]:
    """Return what training saw, the worst images, confident false positives, and misses."""
    assert plugin.data is not None  # noqa: S101 - the caller has looked
    colours = annotated.class_colours(plugin.classes)
    found: dict[str, Figure] = {"training_images": _trained(plugin, colours)}
    test = plugin.data["test"]
    references = plugin.references(test.select_columns([plugin.options.objects]).to_list())
    chosen = plugin.galleries(predictions, CLOSE)
    worst = chosen["worst"][:WORST]
    if worst:
        images = _read(plugin, test, worst)
        cells = [
            annotated.annotated(image, colours, _scaled(predictions[row]["objects"], scale),
                                _scaled(references[row]["objects"], scale))
            for row, (image, scale) in zip(worst, images, strict=True)
        ]  # fmt: skip
        captions = [_counts(predictions[row], references[row]) for row in worst]
        found["worst_images"] = _sheet(cells, captions, colours, EDGES)
    for name, title in (("false_positives", "false positives"), ("missed", "missed objects")):
        if pairs := chosen[name]:
            found[title.replace(" ", "_")] = _closed_up(
                plugin, pairs, predictions, references, colours
            )
    return found


def _counts(prediction: Prediction, reference: Mapping[str, Any]) -> str:
    actual = sum(not one.get("crowd") for one in reference["objects"])
    return f"{len(prediction['objects'])} predicted, {actual} actual"


def _closed_up(
    plugin: ObjectDetection,
    pairs: Sequence[tuple[int, Mapping[str, Any]]],
    predictions: Sequence[Prediction],
    references: Sequence[Any],
    colours: Colours,
) -> Image:
    """Return a sheet of objects with their surroundings."""
    assert plugin.data is not None  # noqa: S101 - the caller has looked
    rows = sorted({row for row, _ in pairs})
    images = dict(zip(rows, _read(plugin, plugin.data["test"], rows), strict=True))
    cells, captions = [], []
    for row, item in pairs:
        image, scale = images[row]
        box = [scale * float(edge) for edge in item["box"]]
        cells.append(annotated.close_up(
            image, box, colours, _scaled(predictions[row]["objects"], scale),
            _scaled(references[row]["objects"], scale),
        ))  # fmt: skip
        score = f" {item['score']:.2f}" if "score" in item else ""
        captions.append(f"{item['label']}{score}")
    return _sheet(cells, captions, colours, EDGES)


def _sheet(cells: Sequence[Any], captions: Sequence[str], colours: Colours, note: str) -> Image:
    found: Image = contact_sheet.annotated_sheet(cells, captions, colours, note)
    return found


def _scaled(objects: Sequence[Mapping[str, Any]], scale: float) -> list[dict[str, Any]]:
    return [{**one, "box": np.asarray(one["box"], float) * scale} for one in objects]


def _read(plugin: ObjectDetection, rows: Any, chosen: Sequence[int]) -> list[tuple[Any, float]]:
    """Return images as arrays, and how much smaller than in their files they are."""
    cells = rows.select_columns([plugin.options.image]).select(list(chosen))

    def small(image: Any) -> tuple[Any, float]:
        from toolkit.utils.pictures import resized

        scale = min(1.0, LONGEST / max(image.size))
        size = [max(1, round(side * scale)) for side in image.size]
        return np.array(image if scale == 1 else resized(image, size, None)), scale

    return use_all(cells[plugin.options.image][:], "RGB", None, small, plugin.canvas.levels)


def _trained(plugin: ObjectDetection, colours: Colours) -> Image:
    """Return some training images as the model sees them, augmented, with their boxes."""
    import torch

    assert plugin.data is not None  # noqa: S101 - the caller has looked
    train, seed = plugin.data["train"], plugin.recipe.seed if plugin.recipe else 0
    rows = np.random.default_rng(seed).permutation(len(train))[:TRAINED]
    prepared = plugin.prepare(train.select(rows), "figures")
    if plugin.options.tiles is not None:
        shown = [n for n, one in enumerate(prepared["labels"][:]) if one["class_labels"]]
        shown = shown or list(range(len(prepared)))
        prepared = prepared.select(np.random.default_rng(seed).permutation(shown)[:TRAINED])
    batch = batches.Canvases(plugin.canvas)(prepared.to_list())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        moved = batches.augmented(plugin.options.augment, plugin.canvas)(batch)
    cells = []
    for image, boxes, labels in zip(
        contact_sheet.as_pixels(moved.images), moved.boxes, moved.labels, strict=True
    ):
        pairs = zip(boxes.tolist(), labels.tolist(), strict=True)
        objects = [{"box": box, "label": plugin.classes[number]} for box, number in pairs]
        cells.append(annotated.annotated(image, colours, actual=objects))
    return _sheet(cells, [""] * len(cells), colours, "")
