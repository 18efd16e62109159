"""A PNG file of segment ids, and what is listed of it, as segments with outlines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.evaluation.metrics import mask_overlap
from toolkit_plugins.vision.images import UnreadableError
from toolkit_plugins.vision.masks import decoding
from toolkit_plugins.vision.masks.fits import fit_of
from toolkit_plugins.vision.segmentation.outlines import MOST

UNLISTED = "segments of PNG files that no segments_info lists: void (neither right nor wrong)"
EMPTY = "segments are listed without a pixel in the PNG file: left out"
VOID = "segments are listed with the id 0, which is void: left out"
TWICE = "segments are listed with an id that another one of the image has: left out"
JOINED = "segments of stuff are joined: an image has one of each class of stuff"
BEYOND = f"segments are not trained on: an image can have {MOST}, the largest ones"
Things = Mapping[str, bool]  # label -> whether it is a thing


def segments_of(
    image: Any, png: Any, listed: Sequence[Mapping[str, Any]], things: Things
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the segments of an image, and its state: "broken", or "fit" and "odd" counts."""
    try:
        ids = _ids(png)
    except UnreadableError as error:
        return [], {"broken": str(error)}
    fit = fit_of((ids.shape[1], ids.shape[0]), image)
    if fit is None:
        return [], {"fit": None, "odd": {}}
    ids = decoding.upright(ids, fit.turn)
    if (ids.shape[1], ids.shape[0]) != fit.size:
        ids = decoding.nearest(ids, fit.size)
    there = dict(zip(*(part.tolist() for part in np.unique(ids, return_counts=True)), strict=True))
    there.pop(0, None)
    found, odd = _found(ids, there, listed, things)
    odd[UNLISTED] = len(set(there) - {one["id"] for one in listed})
    odd[BEYOND] = max(sum(not one["crowd"] for one in found) - MOST, 0)
    state = {name: getattr(fit, name) for name in ("size", "turn", "either", "own", "resize")}
    return found, {"fit": state, "odd": {what: count for what, count in odd.items() if count}}


def _found(
    ids: Any, there: Mapping[int, int], listed: Sequence[Mapping[str, Any]], things: Things
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Return the listed segments that have pixels, and what is odd.

    Args:
        there: id -> pixels.
    """
    odd: Counter[str] = Counter()
    used: set[int] = set()
    numbers: list[tuple[Mapping[str, Any], list[int]]] = []
    regions: dict[str, list[int]] = {}  # of stuff: label -> ids
    for one in listed:
        number, label = one["id"], one["label"]
        if not number or number in used or number not in there:
            odd[VOID if not number else TWICE if number in used else EMPTY] += 1
        elif things[label] or one["crowd"] or label not in regions:
            numbers.append((one, [number]))
            if not things[label] and not one["crowd"]:
                regions[label] = numbers[-1][1]
        else:
            regions[label].append(number)
            odd[JOINED] += 1
        used.add(number)
    found = []
    for one, own in numbers:
        pixels = np.isin(ids, own) if len(own) > 1 else ids == own[0]
        found.append(_segment(pixels, sum(there[number] for number in own), one, things))
    return found, odd


def _segment(
    pixels: Any, area: int, one: Mapping[str, Any], things: Things
) -> dict[str, Any]:  # fmt: skip
    rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    edges = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return {
        "box": [float(edge) for edge in edges], "label": one["label"], "crowd": one["crowd"],
        "area": float(area), "shape": mask_overlap.encoded(pixels), "thing": things[one["label"]],
    }  # fmt: skip


def _ids(cell: Any) -> Any:
    """Return the ids of a PNG file: of three channels R + 256 G + 256^2 B, else the values.

    Raises:
        UnreadableError: it is none, or was saved with losses.
    """
    raw = decoding.decode(cell)
    if raw.lossy:
        raise UnreadableError("is a jpeg, whose ids are not exact: save it as png")
    if raw.real:
        raise UnreadableError("holds fractions, and no ids of segments")
    if raw.form == "equal":
        return raw.values * decoding.GREY
    if raw.form == "colour":  # 0xrrggbb
        red, green, blue = raw.values >> 16, raw.values >> 8 & 255, raw.values & 255
        return red | green << 8 | blue << 16
    return raw.values
