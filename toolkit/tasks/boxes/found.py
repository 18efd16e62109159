"""Found boxes as a prediction: those over the threshold, and the others. And when two are equal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.evaluation.metrics import mask_overlap
from toolkit.plugin_types import Prediction, sameness

USUAL = 0.5  # threshold where validation has chosen none
MOST = 100  # boxes of a prediction, which COCO's scores count at most of each class
#: By how much the edges of one box may differ: pixels, or a share of its longer side.
PIXELS, SHARE = 1.0, 0.01
OF_MASKS = 0.02  # share of a mask's pixels that may differ
LOW = 0.05  # score of boxes that are hardly ever right
Found = tuple[Sequence[float], str, float] | tuple[Sequence[float], str, float, Mapping[str, Any]]


def every(prediction: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return all boxes of a prediction, whatever their score."""
    return [*prediction["objects"], *prediction.get("candidates", ())]


def split(found: Iterable[Found], threshold: float = USUAL, most: int = MOST) -> Prediction:
    """Return the prediction for boxes, each with its label and score.

    Boxes and scores that are no finite numbers, and boxes without width or height, are left out;
    of more than `most` those of the highest scores stay. Equal scores keep their order.

    Args:
        found: box, label and score, and the mask of an object that has one.
        threshold: the score from which on a box is one of the objects.
    """
    boxes: list[dict[str, Any]] = []
    for place, label, score, *masks in found:
        edges = [float(value) for value in place]
        if math.isfinite(sum(edges) + score) and edges[2] > edges[0] and edges[3] > edges[1]:
            boxes.append({"box": edges, "label": str(label), "score": float(score)})
            boxes[-1] |= {"mask": masks[0]} if masks else {}
    boxes = sorted(boxes, key=lambda one: -one["score"])[:most]
    objects = [one for one in boxes if one["score"] >= threshold]
    counts = Counter(one["label"] for one in objects)
    return {
        "objects": objects,
        "candidates": boxes[len(objects) :],
        "counts": dict(sorted(counts.items())),
    }


def same(one: Prediction, other: Prediction, most: int = MOST) -> bool:
    """Return whether two predictions have the same boxes, but for rounding.

    The boxes go one with one: of one label (or scores within 0.001, where two labels are nearly
    equally probable), edges within a pixel or a hundredth of the longer side (of masks, at most 2%
    of the pixels, or two, differ instead), scores within 0.01;
    hence a box so near the threshold may be an object in one of them alone. A box without partner
    is let through where its score is within 0.01 of the last one of a full list, which it may have
    been cut from; or of one that ends below `LOW`: suppression made it shorter than it was.
    """
    left = every(other)
    for box in every(one):
        place = next((n for n, rival in enumerate(left) if _alike(box, rival)), None)
        if place is not None:
            del left[place]
        elif not _at_the_end(box, (one, other), most):
            return False
    return all(_at_the_end(box, (one, other), most) for box in left)


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    apart = abs(one["score"] - other["score"])
    if apart > (sameness.PROBABILITY if one["label"] == other["label"] else sameness.MARGIN):
        return False
    if one.get("mask") and other.get("mask"):
        return mask_overlap.alike(one["mask"], other["mask"], OF_MASKS)
    first, second = np.asarray(one["box"]), np.asarray(other["box"])
    allowed = max(PIXELS, SHARE * float((first[2:] - first[:2]).max()))
    return bool((abs(first - second) <= allowed).all())


def _at_the_end(box: Mapping[str, Any], predictions: Iterable[Prediction], most: int) -> bool:
    ends = [(boxes[-1]["score"], len(boxes) >= most) for boxes in map(every, predictions) if boxes]
    last = max((score for score, full in ends if full or score <= LOW), default=-math.inf)
    return bool(box["score"] <= last + sameness.PROBABILITY)


def margin(prediction: Prediction, threshold: float) -> float:
    """Return how near the threshold the nearest score is; infinite without boxes."""
    return min((abs(one["score"] - threshold) for one in every(prediction)), default=math.inf)


def counts_of(objects: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Return label -> actual objects, crowds left out."""
    return Counter(str(one["label"]) for one in objects if not one.get("crowd"))
