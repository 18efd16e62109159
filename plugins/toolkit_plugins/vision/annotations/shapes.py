"""Outlines of objects as run lengths (COCO's compressed RLE), by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.errors import UserError
from toolkit.utils.packages import extra
from toolkit_plugins.vision.annotations.forms import Box, numbers

Size = tuple[int, int]  # width, height
Rle = dict[str, Any]


def _api() -> Any:
    try:
        from faster_coco_eval.core import mask
    except ImportError:
        raise UserError(f"outlines of objects need faster-coco-eval: {extra('vision')}") from None
    return mask


def polygons_of(value: Any) -> list[list[float]] | None:
    """Return the polygons of COCO's `segmentation` with three points or more; None for others."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not len(value):
        return None
    given = [value] if not isinstance(value[0], Sequence) else value
    found = [flat for part in given if (flat := numbers(part)) and len(flat) >= 6]
    return [flat[: len(flat) // 2 * 2] for flat in found if np.isfinite(flat).all()] or None


def rle_of(value: Any) -> Rle | None:
    """Return an RLE in compressed form, given compressed or as counts; None where it is broken."""
    if not isinstance(value, Mapping) or not {"size", "counts"} <= set(value):
        return None
    size, counts = numbers(value["size"], 2), value["counts"]
    if size is None or not all(1 <= side < 1 << 16 for side in size):
        return None
    height, width = map(int, size)
    if isinstance(counts, str | bytes):
        text = counts.decode("latin-1") if isinstance(counts, bytes) else counts
        runs = _runs(text)
    else:
        found = numbers(counts)
        whole = found is not None and all(0 <= run < 1 << 32 for run in found)
        runs = [int(run) for run in found] if found is not None and whole else None
        text = ""
    # A count that does not add up would be read past the end by the library.
    if runs is None or min(runs, default=-1) < 0 or sum(runs) != height * width:
        return None
    if not text:
        text = _text(_api().frPyObjects({"size": [height, width], "counts": runs}, height, width))
    return {"size": [height, width], "counts": text}


def _runs(text: str) -> list[int] | None:
    """Return the run lengths of compressed counts: five bits a sign, deltas from the third on.

    As `rleFrString` of the COCO API.
    """
    runs: list[int] = []
    place = 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            if place >= len(text) or not 0 <= (sign := ord(text[place]) - 48) < 64:
                return None
            value |= (sign & 31) << shift
            more, shift, place = bool(sign & 32), shift + 5, place + 1
            if not more and sign & 16:
                value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs


def _text(rle: Mapping[str, Any]) -> str:
    counts = rle["counts"]
    return counts.decode("ascii") if isinstance(counts, bytes) else str(counts)


def from_polygons(polygons: Sequence[Sequence[float]], size: Size) -> Rle:
    """Return the union of polygons (pixels from 0, edges of pixels at whole numbers) as RLE.

    Rounding is that of the COCO API: points are rounded on a grid five times as fine, and a pixel
    belongs to it where its centre does, about.
    """
    width, height = size
    # Points far outside would be drawn in full, with memory for each step.
    given = [np.clip(np.reshape(flat, (-1, 2)), (-width, -height), (2 * width, 2 * height))
             .ravel().tolist() for flat in polygons]  # fmt: skip
    made = _api().merge(_api().frPyObjects(given, height, width))
    return {"size": [height, width], "counts": _text(made)}


def from_mask(mask: np.ndarray[Any, Any]) -> Rle:
    """Return the RLE of a mask, [height, width], not 0 where the object is."""
    made = _api().encode(np.asfortranarray(mask.astype(bool), np.uint8))
    return {"size": list(mask.shape), "counts": _text(made)}


def decoded(rle: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """Return the mask of an RLE: uint8 [height, width], 1 where the object is."""
    found: np.ndarray[Any, Any] = _api().decode(
        {"size": list(rle["size"]), "counts": str(rle["counts"]).encode()}
    )
    return found


def box_of(shape: Any) -> Box | None:
    """Return the box around polygons or an RLE; None where it is empty."""
    if isinstance(shape, Mapping):
        rle = {"size": list(shape["size"]), "counts": str(shape["counts"]).encode()}
        x, y, width, height = map(float, _api().toBbox([rle])[0])
        return (x, y, x + width, y + height) if width > 0 and height > 0 else None
    flat = [value for polygon in shape or () for value in polygon]
    if not flat:
        return None
    return min(flat[::2]), min(flat[1::2]), max(flat[::2]), max(flat[1::2])


def turned(rle: Rle, orientation: int) -> Rle:
    """Return the RLE of a stored image in the upright one."""
    mask = decoded(rle)
    turns: dict[int, Any] = {
        2: mask[:, ::-1], 3: mask[::-1, ::-1], 4: mask[::-1], 5: mask.T,
        6: mask[::-1].T, 7: mask[::-1, ::-1].T, 8: mask.T[::-1],
    }  # fmt: skip
    return from_mask(turns.get(orientation, mask))
