"""Masks of objects as COCO's run lengths, and how much they overlap, by faster-coco-eval.

A mask is {"size": [height, width], "counts": a compressed RLE as text}. As one text, for columns of
Arrow, it is "height width counts"; "" is an object that has none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.errors import UserError
from toolkit.evaluation.metrics.base import Array, Floats
from toolkit.utils.packages import extra

Rle = dict[str, Any]


def coco() -> Any:
    """Return the module of masks.

    Raises:
        UserError: it is not installed.
    """
    try:
        from faster_coco_eval.core import mask
    except ImportError:
        raise UserError(f"masks of objects need faster-coco-eval: {extra('vision')}") from None
    return mask


def encoded(mask: Array) -> Rle:
    """Return the RLE of a mask (height, width), not 0 where the object is."""
    made = coco().encode(np.asfortranarray(mask.astype(bool), np.uint8))
    return {"size": [int(side) for side in mask.shape], "counts": _text(made["counts"])}


def decoded(rle: Mapping[str, Any]) -> Array:
    """Return the mask of an RLE: uint8 (height, width), 1 where the object is."""
    found: Array = coco().decode(_of_library(rle))
    return found


def areas(rles: Sequence[Mapping[str, Any]]) -> Floats:
    """Return the pixels of each mask, shape (masks,)."""
    found = coco().area([_of_library(one) for one in rles]) if rles else []
    return np.asarray(found, np.float64).reshape(len(rles))


def ious(
    rles: Sequence[Mapping[str, Any]],
    others: Sequence[Mapping[str, Any]],
    crowd: Array | None = None,
) -> Floats:
    """Return the overlap of each mask with each of the others, shape (masks, others).

    Args:
        rles, others: masks of one image.
        crowd: whether one of the others is a crowd: the overlap is then the share of the mask that
            lies in it.
    """
    if not rles or not others:
        return np.zeros((len(rles), len(others)))
    ignored = [0] * len(others) if crowd is None else [int(one) for one in crowd]
    first, second = ([_of_library(one) for one in given] for given in (rles, others))
    found = np.asarray(coco().iou(first, second, ignored), np.float64)
    return np.nan_to_num(found.reshape(len(rles), len(others)))  # of two empty masks: 0 / 0


def alike(one: Mapping[str, Any], other: Mapping[str, Any], share: float) -> bool:
    """Return whether at most a share of the larger mask's pixels, or two, differ."""
    if list(one["size"]) != list(other["size"]):
        return False
    first, second = areas([one, other])
    overlap = ious([one], [other])[0, 0]
    shared = overlap * (first + second) / (1 + overlap)
    return bool(first + second - 2 * shared <= max(2.0, share * max(first, second)))


def of_objects(objects: Sequence[Mapping[str, Any]], size: Sequence[int]) -> list[Rle]:
    """Return the masks of objects; one without has all pixels of its box.

    Args:
        size: (height, width), for objects without a mask.
    """
    return [one["mask"] if one.get("mask") else of_box(one["box"], size) for one in objects]


def of_box(box: Sequence[float], size: Sequence[int]) -> Rle:
    """Return the RLE of the pixels whose centres lie in a box, in an image of (height, width)."""
    height, width = (int(side) for side in size)
    mask = np.zeros((height, width), np.uint8, order="F")
    left, top, right, bottom = (max(round(edge), 0) if math.isfinite(edge) else 0 for edge in box)
    mask[top:bottom, left:right] = 1
    return encoded(mask)


def numbered(objects: Sequence[Mapping[str, Any]]) -> Array | None:
    """Return the number of the object at each pixel from 1 on, 0 where none is; None without masks.

    The first objects lie on top.
    """
    found: Array | None = None
    for number in range(len(objects), 0, -1):
        mask = objects[number - 1].get("mask")
        if mask:
            pixels = decoded(mask).astype(bool)
            found = np.zeros(pixels.shape, np.int32) if found is None else found
            found[pixels] = number
    return found


def size_of(*sides: Iterable[Mapping[str, Any]]) -> list[int]:
    """Return the (height, width) of the masks of an image; without any, what its boxes need."""
    right = bottom = 1.0
    for objects in sides:
        for one in objects:
            if one.get("mask"):
                return [int(side) for side in one["mask"]["size"]]
            edges = [edge if math.isfinite(edge) else 0.0 for edge in one["box"]]
            right, bottom = max(right, edges[2]), max(bottom, edges[3])
    return [math.ceil(bottom), math.ceil(right)]


def to_text(rle: Mapping[str, Any]) -> str:
    """Return an RLE as one text."""
    height, width = rle["size"]
    return f"{int(height)} {int(width)} {_text(rle['counts'])}"


def from_text(text: str) -> Rle:
    """Return the RLE of `to_text`."""
    height, width, counts = text.split(" ", 2)
    return {"size": [int(height), int(width)], "counts": counts}


def _text(counts: Any) -> str:
    return counts.decode("ascii") if isinstance(counts, bytes) else str(counts)


def _of_library(rle: Mapping[str, Any]) -> Rle:
    return {"size": list(rle["size"]), "counts": _text(rle["counts"]).encode()}
