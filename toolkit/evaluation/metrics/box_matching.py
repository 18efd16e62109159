"""Which predicted box goes with which actual one, as COCO matches them.

In each image and class, predictions in falling order of score take the free actual box that they
overlap most, if the overlap (IoU) reaches the threshold. Crowds and boxes outside a range of areas
are ignored: what matches them is neither right nor wrong. Lin et al. 2014, Microsoft COCO;
pycocotools is the reference, also in what ties do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.evaluation.metrics import mask_overlap
from toolkit.evaluation.metrics.base import Array, Floats
from toolkit.plugin_types import Ints

#: IoU from which on a prediction is right, for scores at one threshold.
RIGHT = 0.5
MOST = 100  # predictions of a class in an image that count, those of the highest scores
NO_BOX = -5.0  # below any overlap, also of an ignored box


def ious(boxes: Floats, others: Floats, crowd: Array | None = None) -> Floats:
    """Return the overlap of each box with each of the others, shape (boxes, others).

    Args:
        boxes, others: x_min, y_min, x_max, y_max in the same unit, shape (boxes, 4).
        crowd: whether one of the others is a crowd: the overlap is then the share of the box that
            lies in it.
    """
    # COCO has widths, from which it computes edges again: to agree on overlaps that are exactly at
    # a threshold, so must we.
    (left, top, width, height), (x, y, w, h) = _by_size(boxes), _by_size(others)
    across = np.minimum.outer(left + width, x + w) - np.maximum.outer(left, x)
    down = np.minimum.outer(top + height, y + h) - np.maximum.outer(top, y)
    shared = across.clip(0) * down.clip(0)
    union = np.add.outer(width * height, w * h) - shared
    if crowd is not None:
        union = np.where(crowd, (width * height)[:, None], union)
    found: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
    return found


def _by_size(boxes: Floats) -> Floats:
    left, top, right, bottom = np.asarray(boxes, np.float64).reshape(-1, 4).T
    return np.array([left, top, right - left, bottom - top])


def have_masks(prediction: Mapping[str, Any], reference: Mapping[str, Any]) -> bool:
    """Return whether any predicted or actual object has a mask."""
    every = (*prediction["objects"], *prediction.get("candidates", ()), *reference["objects"])
    return any(one.get("mask") for one in every)


def overlaps(
    objects: Sequence[Mapping[str, Any]],
    actual: Sequence[Mapping[str, Any]],
    crowd: Array | None = None,
) -> Floats:
    """Return the overlap of predicted with actual objects of an image: of masks if they have them.

    Args:
        crowd: as `ious` takes it.
    """
    if not any(one.get("mask") for one in (*objects, *actual)):
        return ious(_boxes(objects), _boxes(actual), crowd)
    size = mask_overlap.size_of(actual, objects)
    found, there = (mask_overlap.of_objects(given, size) for given in (objects, actual))
    return mask_overlap.ious(found, there, crowd)


def assigned(overlaps: Floats, crowd: Array, ignored: Array, thresholds: Floats) -> Ints:
    """Return the actual box of each prediction or -1, shape (ranges, thresholds, predictions).

    Args:
        overlaps: shape (predictions, actual), predictions in falling order of score.
        crowd: of the actual boxes, which any number of predictions may go with.
        ignored: whether an actual box is ignored, shape (ranges, actual). It is taken only where
            no other one is free.
    """
    least = np.minimum(thresholds, 1 - 1e-10)
    count = overlaps.shape[1]
    found = np.full((len(ignored), len(least), len(overlaps)), -1)
    free = np.ones((len(ignored), len(least), count), bool)
    ranges, levels = np.ogrid[: len(ignored), : len(least)]
    for place in np.flatnonzero((overlaps >= least.min()).any(axis=1)):
        row = overlaps[place]
        fits = free & (row >= least[:, None])
        value = np.where(fits, np.where(ignored, row - 2, row)[:, None], NO_BOX)
        best = count - 1 - value[..., ::-1].argmax(axis=-1)  # of equal ones COCO takes the last
        hit = fits[ranges, levels, best]
        found[..., place] = np.where(hit, best, -1)
        free[ranges, levels, best] &= ~hit | crowd[best]
    return found


def at_threshold(
    prediction: Mapping[str, Any], reference: Mapping[str, Any]
) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    """Return how the objects over the threshold match at an IoU of 0.5, of masks if they have any.

    Returns:
        For each object the number of the actual one that it hits, -1 if it is wrong, -2 if it is
        ignored (in a crowd, or after the `MOST` best of its class); the numbers of the actual
        objects that are missed; and of those that count.
    """
    objects, actual = prediction["objects"], reference["objects"]
    found = [-1] * len(objects)
    labels = [str(one["label"]) for one in actual]
    crowd = np.array([bool(one.get("crowd")) for one in actual], bool)
    ranked = sorted(range(len(objects)), key=lambda place: -objects[place]["score"])
    for label in dict.fromkeys(str(one["label"]) for one in objects):
        mine = [place for place in ranked if str(objects[place]["label"]) == label]
        for place in mine[MOST:]:
            found[place] = -2
        theirs = [number for number, name in enumerate(labels) if name == label]
        if not theirs:
            continue
        found_here = [objects[place] for place in mine[:MOST]]
        shared = overlaps(found_here, [actual[place] for place in theirs], crowd[theirs])
        taken = assigned(shared, crowd[theirs], crowd[theirs][None], np.array([RIGHT]))[0, 0]
        for place, at in zip(mine, taken, strict=False):
            if at >= 0:
                found[place] = -2 if crowd[theirs[at]] else theirs[at]
    counted = [number for number in range(len(actual)) if not crowd[number]]
    hit = set(found)
    return found, [number for number in counted if number not in hit], counted


def _boxes(objects: Sequence[Mapping[str, Any]]) -> Floats:
    return np.array([one["box"] for one in objects], np.float64).reshape(-1, 4)
