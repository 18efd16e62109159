"""Masks as people see them: on their images, and as tables of classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from toolkit.evaluation import pixel_counts
from toolkit.evaluation.metrics.base import Array, Floats
from toolkit.plugin_types import Curve, MarkedImage, Shown, Table
from toolkit.tasks.masks.png import Classes, decode, ignored_value, nearest

Pairs = Iterable[tuple[Any, Any]]
#: Names of a first class that is left as the image is, when masks are drawn.
BACKGROUNDS = ("background", "backgr", "bg", "void", "none", "nothing", "other", "others",
               "unlabeled", "unlabelled", "0")  # fmt: skip
SIDE = 640  # pixels of a mask that is drawn
MOST = 20  # classes of a whole confusion; of more the largest ones
CONFUSIONS = 30
POINTS = 101


def has_background(classes: Sequence[str]) -> bool:
    """Return whether the first class is what is around all others."""
    return bool(classes) and classes[0].strip().lower() in BACKGROUNDS


def shown(image: Any, prediction: Any, reference: Any, classes: Sequence[str]) -> Sequence[Shown]:
    """Return an image with its masks. reference: None, or with a mask None, if it is not known.

    A background is left as the image is; where there is none, all classes are coloured.
    """
    first = 0 if has_background(classes) else 1
    actual = None if reference is None else reference.get("mask")
    names = {place + first: name for place, name in enumerate(classes) if place + first}
    return [
        MarkedImage(
            image,
            mask=_drawn(decode(prediction), first),
            actual_mask=None if actual is None else _drawn(decode(actual), first),
            names=names,
        )
    ]


def _drawn(classes: Classes, first: int) -> Array:
    """Return a small mask whose classes start with `first`, 0 where pixels are ignored."""
    scale = min(1.0, SIDE / max(classes.shape))
    height, width = (max(1, round(side * scale)) for side in classes.shape)
    small = nearest(classes, (height, width))
    return np.where(small == ignored_value(classes), 0, small.astype(np.int32) + first)


def tables(pairs: Pairs, classes: Sequence[str]) -> dict[str, Table]:
    """Return scores by class of all pixels, and which classes are taken for which."""
    matrix, images = np.zeros((len(classes),) * 2, np.int64), np.zeros(len(classes), np.int64)
    for prediction, reference in pairs:
        cells, pixels = pixel_counts.confusion(prediction, reference, len(classes))
        matrix.flat[cells] += pixels
        images[np.unique(cells // len(classes))] += 1
    if not matrix.any():
        return {}
    return {"classes": _by_class(matrix, images, classes), **_confused(matrix, classes)}


def _by_class(matrix: Array, images: Array, classes: Sequence[str]) -> Table:
    measures = (
        pixel_counts.ious(matrix),
        pixel_counts.dices(matrix),
        pixel_counts.precisions(matrix),
        pixel_counts.recalls(matrix),
        matrix.sum(1) / matrix.sum(),
        matrix.sum(0) / matrix.sum(),
    )
    head = ("class", "IoU", "Dice", "precision", "recall", "share of pixels: actual", "predicted",
            "images")  # fmt: skip
    rows = [[name, *(_known(of[place]) for of in measures), int(images[place])]
            for place, name in enumerate(classes)]  # fmt: skip
    return Table(head, rows)


def _known(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def _confused(matrix: Array, classes: Sequence[str]) -> dict[str, Table]:
    """Return the shares of each class's pixels by predicted class, or the largest confusions."""
    shares: Floats = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    if len(classes) <= MOST:
        title = "pixels of each actual class (rows) by predicted class"
        rows: list[list[str | float | None]] = [
            [name, *(float(share) if matrix[place].any() else None for share in shares[place])]
            for place, name in enumerate(classes)
        ]
        return {title: Table(("", *classes), rows)}
    wrong = matrix - np.diag(np.diagonal(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS]
    places = [divmod(int(cell), len(classes)) for cell in order if wrong.flat[cell]]
    found = [(classes[actual], classes[given], float(shares[actual, given]),
              float(matrix[actual, given] / matrix.sum())) for actual, given in places]  # fmt: skip
    if not found:
        return {}
    head = ("actual", "predicted", "share of the actual class's pixels", "share of all pixels")
    return {"the largest confusions": Table(head, found)}


def row_scores(pairs: Pairs, classes: int) -> Floats:
    """Return the mean IoU of each row by itself, shape (rows,); NaN where all is ignored."""
    found = []
    for prediction, reference in pairs:
        matrix = np.zeros((classes, classes), np.int64)
        cells, pixels = pixel_counts.confusion(prediction, reference, classes)
        matrix.flat[cells] = pixels
        found.append(pixel_counts.mean(pixel_counts.ious(matrix)))
    return np.array(found, np.float64)


def worst_rows(pairs: Pairs, classes: int, most: int) -> list[tuple[int, float]]:
    """Return the numbers of the rows with the least mean IoU of their own, and that, ascending."""
    scores = row_scores(pairs, classes)
    order = [int(row) for row in np.argsort(scores, kind="stable") if not np.isnan(scores[row])]
    return [(row, float(scores[row])) for row in order[:most]]


def figures(pairs: Pairs, classes: int) -> dict[str, Curve]:
    """Return the share of images whose own mean IoU is at least so much; {} without images."""
    curve = image_curve(row_scores(pairs, classes), "mean IoU")
    return {} if curve is None else {"image_iou": curve}


def image_curve(scores: Floats, measure: str) -> Curve | None:
    """Return the share of images whose own score is at least so much; None without scores.

    Args:
        scores: of each image, NaN where it has none. measure: what they are called.
    """
    scores = scores[~np.isnan(scores)]
    if not len(scores):
        return None
    least = np.linspace(0, 1, POINTS)
    line = [(float(x), float((scores >= x).mean())) for x in least]
    median = float(np.median(scores))
    return Curve(
        f"Images by their own {measure}",
        f"{measure} of an image",
        "share of images with at least that",
        {"images": line, "median": [(median, 0.0), (median, 1.0)]},
    )
