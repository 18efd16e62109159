"""Which four numbers a box is: recognised from all boxes of a split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.errors import DataError, Fault
from toolkit.utils.text import nearest
from toolkit_plugins.vision.annotations.forms import Box

NAMES = ("xywh", "xyxy", "cxcywh", "xywh_normalised", "xyxy_normalised", "cxcywh_normalised")
OTHER_NAMES = {"coco": "xywh", "pascal_voc": "xyxy", "voc": "xyxy", "yolo": "cxcywh_normalised"}
MEANING = {
    "xywh": "left, top, width, height", "xyxy": "left, top, right, bottom",
    "cxcywh": "centre x, centre y, width, height",
}  # fmt: skip
SHARE = 0.02  # of boxes that may contradict a convention: annotations have faults
ROUNDING = 1.0  # pixels past the edge that contradict nothing
OPTION = "options.convention"

Numbers = np.ndarray[Any, np.dtype[np.float64]]


def checked(name: str | None) -> str | None:
    """Return a convention by its own name.

    Raises:
        DataError: it is none.
    """
    if name is None:
        return None
    known = OTHER_NAMES.get(name.lower(), name.lower().replace("normalized", "normalised"))
    if known not in NAMES:
        what = f"{name!r} is no convention of boxes.{nearest(name, [*NAMES, *OTHER_NAMES])}"
        raise DataError(Fault(OPTION, f"{what} Known: {', '.join([*NAMES, *OTHER_NAMES])}."))
    return known


def recognised(boxes: Sequence[Sequence[float]], sizes: Sequence[Sequence[int]]) -> tuple[str, str]:
    """Return the convention of boxes, and a note on how it was found.

    Args:
        sizes: width and height of each box's image.
    """
    given, size = np.array(boxes, float).reshape(-1, 4), np.array(sizes, float).reshape(-1, 2)
    sure = np.isfinite(given).all(1)
    given, size = given[sure], size[sure]
    if not len(given):
        return "xywh", ""
    fractions = bool((np.abs(given) <= 1.001).all() and size.max() > 2)
    pixels = given * np.tile(size, 2) if fractions else given
    wrong = {name: _contradicted(pixels, size, name) for name in MEANING}
    few = min(wrong.values()) + int(SHARE * len(given))
    fit = [name for name, count in wrong.items() if count <= few]
    # Corners and widths as fractions have no tool that writes them; centres have YOLO's.
    order = ("cxcywh", "xywh", "xyxy") if fractions else ("xywh", "xyxy", "cxcywh")
    best = next(name for name in order if name in fit)
    told = f"boxes are {MEANING[best]}, {'fractions of the image' if fractions else 'in pixels'}"
    if len(fit) > 1:
        others = " or ".join(MEANING[name] for name in fit if name != best)
        told += f" (they could be {others}: set {OPTION} if so)"
    return best + ("_normalised" if fractions else ""), told


def _contradicted(boxes: Numbers, size: Numbers, name: str) -> int:
    """Return how many boxes are not within their image if read so."""
    edges = _edges(boxes, name)
    low, high = edges[:, :2], edges[:, 2:]
    wrong = (high < low) | (low < -ROUNDING) | (high > size + ROUNDING)
    return int(wrong.any(1).sum())


def _edges(boxes: Numbers, name: str) -> Numbers:
    first, second = boxes[:, :2], boxes[:, 2:]
    if name == "xyxy":
        return boxes
    start = first - second / 2 if name == "cxcywh" else first
    return np.concatenate([start, start + second], 1)


def edges(box: Sequence[float], convention: str) -> Box:
    """Return the edges of a box, in its unit."""
    found = _edges(np.array([box], float), convention.removesuffix("_normalised"))[0]
    return float(found[0]), float(found[1]), float(found[2]), float(found[3])
