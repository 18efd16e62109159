"""Segments as people see them: on their images, as tables of classes, and the worst images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.evaluation import panoptic_files, panoptic_matches
from toolkit.evaluation.metrics import mask_overlap
from toolkit.evaluation.metrics import panoptic as metrics
from toolkit.evaluation.metrics.base import Array, Floats
from toolkit.plugin_types import Curve, MarkedImage, Shown, Table
from toolkit.plugin_types.shown import Box
from toolkit.tasks.masks.png import nearest
from toolkit.tasks.masks.shown import SIDE, image_curve

Pairs = Iterable[tuple[Any, Any]]


def shown(image: Any, prediction: Any, reference: Any, classes: Sequence[str]) -> Sequence[Shown]:
    """Return an image with the classes of its segments, and boxes around things.

    Args:
        reference: None where it is not known.
    """
    boxes = [_box(one) for one in boxes_of(prediction)]
    actual = None if reference is None else painted(reference["objects"], classes)
    names = dict(enumerate(classes, 1))
    mask = predicted_classes(prediction, classes)
    return [MarkedImage(image, boxes, _small(mask), None if actual is None else _small(actual),
                        names)]  # fmt: skip


def predicted_classes(prediction: Mapping[str, Any], classes: Sequence[str]) -> Array:
    """Return the number of the class of each pixel from 1 on, 0 where no segment is."""
    ids = panoptic_files.decode(prediction)
    places = {name: place for place, name in enumerate(classes, 1)}
    table = np.zeros(int(ids.max(initial=0)) + 1, np.int32)
    for one in prediction["segments"]:
        if one["id"] < len(table):
            table[one["id"]] = places.get(str(one["label"]), 0)
    found: Array = table[ids]
    return found


def painted(objects: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Array | None:
    """Return the same of actual segments; crowds, and classes that are none, are 0."""
    numbers = mask_overlap.numbered(objects)
    if numbers is None:
        return None
    places = {name: place for place, name in enumerate(classes, 1)}
    own = [0 if one.get("crowd") else places.get(str(one["label"]), 0) for one in objects]
    found: Array = np.array([0, *own], np.int32)[numbers]
    return found


def boxes_of(prediction: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return {"box", "label", "score"} of the predicted things, edges in pixels of the image."""
    ids, found = panoptic_files.decode(prediction), []
    for one in prediction["segments"]:
        if not one["isthing"]:
            continue
        pixels = ids == one["id"]
        rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
        if len(rows):
            edges = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
            found.append({"box": [float(edge) for edge in edges], "label": one["label"],
                          "score": one["score"]})  # fmt: skip
    return found


def _box(one: Mapping[str, Any]) -> Box:
    left, top, right, bottom = one["box"]
    return Box(left, top, right, bottom, f"{one['label']} {one['score']:.2f}")


def _small(mask: Array) -> Array:
    scale = min(1.0, SIDE / max(mask.shape))
    height, width = (max(1, round(side * scale)) for side in mask.shape)
    return nearest(mask, (height, width))


def tables(pairs: Pairs) -> dict[str, Table]:
    """Return the qualities over things, stuff and all, and by class; {} without segments."""
    sums, things, images = _sums(pairs)
    labels = sorted(sums)
    if not labels:
        return {}
    whole = np.array([sums[label] for label in labels])
    values = [measure(whole) for measure in metrics.MEASURES.values()]
    kinds = np.array([things[label] for label in labels])
    head = ("PQ", "SQ", "RQ")
    over = [
        [name, *(_mean(of[chosen]) for of in values), int(chosen.sum())]
        for name, chosen in (("all", kinds | True), ("things", kinds), ("stuff", ~kinds))
        if chosen.any()
    ]
    rows = [
        [label, "thing" if kinds[place] else "stuff", *(_known(of[place]) for of in values),
         *(int(count) for count in whole[place, 1:]), images[label]]
        for place, label in enumerate(labels)
    ]  # fmt: skip
    columns = ("class", "kind", *head, "matched", "wrong", "missed", "images")
    return {
        "things and stuff": Table(("classes", *head, "number"), over),
        "classes": Table(columns, rows),
    }


def _sums(pairs: Pairs) -> tuple[dict[str, Floats], dict[str, bool], dict[str, int]]:
    """Return label -> sums over images, whether it is a thing, and images with actual segments."""
    sums: dict[str, Floats] = {}
    things: dict[str, bool] = {}
    images: dict[str, int] = {}
    for pair in pairs:
        for label, one in panoptic_matches.counts(*pair).items():
            own = np.array([getattr(one, name) for name in metrics.SUMS], np.float64)
            sums[label] = sums.get(label, 0.0) + own
            things.setdefault(label, one.thing)
            images[label] = images.get(label, 0) + (one.matched + one.missed > 0)
    return sums, things, images


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _known(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def row_scores(pairs: Pairs) -> Floats:
    """Return the panoptic quality of each row by itself, shape (rows,); NaN without segments."""
    found = []
    for pair in pairs:
        sums, *_ = _sums([pair])
        value = _mean(metrics.qualities(np.array(list(sums.values())).reshape(-1, 4)))
        found.append(np.nan if value is None else value)
    return np.array(found, np.float64)


def worst(pairs: Pairs, most: int) -> list[int]:
    """Return the numbers of the rows with the least quality of their own, below 1, ascending."""
    scores = row_scores(pairs)
    order = np.argsort(scores, kind="stable")
    return [int(row) for row in order if scores[row] < 1][:most]


def figures(pairs: Pairs) -> dict[str, Curve]:
    """Return the share of images whose own panoptic quality is at least so much."""
    curve = image_curve(row_scores(pairs), "panoptic quality")
    return {} if curve is None else {"image_pq": curve}
