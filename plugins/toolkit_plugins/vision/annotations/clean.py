"""Boxes in pixels of the upright image, without those that no model can learn from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from toolkit.errors import Fault
from toolkit_plugins.vision.annotations import shapes
from toolkit_plugins.vision.annotations.forms import Box, Item, Tally, Thing, around
from toolkit_plugins.vision.annotations.headers import Header, Point, measured

LEAST = 1e-3  # pixels: a box that is narrower or lower has no width or height
EDGE = 0.05  # pixels past the edge that are rounding: normalised values have six digits or so
FAR = 1.0  # pixels past the edge that are no rounding to whole pixels
MOST_PAST = 0.5  # share of boxes past the edge above which all are in another convention
FEW = 4  # boxes of which a share says something
ASPECT = 0.01  # by which the ratio of sides of a resized image may differ

NOT_FINITE = "boxes with coordinates that are no numbers (NaN, inf) removed"
SWAPPED = "boxes with left and right, or top and bottom, exchanged: put in order"
FLAT = "boxes of no width or height removed"
OUTSIDE = "boxes outside of their image removed"
CLIPPED = "boxes past the edge of their image clipped"
TWICE = "boxes that are there twice (same class and place): one kept"
TURNED = "images whose annotations are of the stored image: turned as EXIF says"
UPRIGHT = "images are turned by EXIF: their annotations are taken to be of the upright image"
RESIZED = "images differ in size from what their annotation states: boxes scaled"
OTHER_SIZE = "images differ in size from what their annotation states: boxes are left as they are"
NO_SHAPE = "outlines of resized images cannot be scaled: left out"
UNKNOWN = "images that cannot be read: boxes in fractions of them are left out"


def clean(items: Sequence[Item], tally: Tally, split: str, shape: bool = False) -> list[Fault]:
    """Put boxes (and outlines, as RLE) in pixels of the upright image; remove what cannot be used.

    The images are changed in place, the counts go to the tally. Sizes come from headers; boxes of
    images that cannot be read stay as they are.

    Args:
        shape: whether outlines are kept; they become RLE of the image's size.

    Returns:
        Faults of the whole split: boxes that are in another unit or convention.
    """
    found = place(items, tally)
    if faults := _refused(items, found, split):
        return faults
    for item, header in zip(items, found, strict=True):
        item.things = _cleaned(item, header, tally)
        for thing in item.things:
            kept = shape and header is not None
            thing.shape = _rle(thing, header.upright, tally, item.name) if kept and header else None
    return []


def place(items: Sequence[Item], tally: Tally) -> Sequence[Header | None]:
    """Put boxes and outlines in pixels of the upright image, and return the images' headers.

    Doing it again changes nothing.
    """
    found = measured(items)
    for item, header in zip(items, found, strict=True):
        if item.fractions:
            if header is None and item.size is None and item.things:
                tally.add(UNKNOWN, item.name)
                item.things = []
            width, height = header.upright if header else item.size or (1, 1)
            for thing in item.things:  # some tables state areas in pixels beside such boxes
                if thing.area is not None and thing.area <= 1:
                    thing.area *= width * height
            _move(item, lambda p, w=width, h=height: (p[0] * w, p[1] * h))  # type: ignore[misc]
            item.fractions = False
        elif header is not None and item.things:
            _to_upright(item, header, tally)
        item.size = header.upright if header else item.size
    return found


def _to_upright(item: Item, header: Header, tally: Tally) -> None:
    """Turn or scale boxes whose annotation states another size than the upright image has."""
    stated, upright = item.size, header.upright
    if stated is None or stated == upright:
        # Of a half turn, a mirrored or a square image the size does not say which one it is.
        if header.orientation != 1 and (stated is None or stated == header.stored):
            tally.add(UPRIGHT, item.name)
        return
    if stated == header.stored:
        tally.add(TURNED, item.name)
        for thing in item.things:
            if isinstance(thing.shape, dict) and thing.shape["size"] == [*header.stored[::-1]]:
                thing.shape = shapes.turned(thing.shape, header.orientation)
        _move(item, header.turned)
        return
    across, down = upright[0] / stated[0], upright[1] / stated[1]
    if abs(across / down - 1) > ASPECT:
        tally.add(OTHER_SIZE, item.name)
        return
    tally.add(RESIZED, item.name)
    for thing in item.things:
        if isinstance(thing.shape, dict):
            tally.add(NO_SHAPE, item.name)
            thing.shape = None
        if thing.area is not None:
            thing.area *= across * down
    _move(item, lambda point: (point[0] * across, point[1] * down))


def _move(item: Item, place: Callable[[Point], Point]) -> None:
    for thing in item.things:
        left, top, right, bottom = thing.box
        if all(map(math.isfinite, thing.box)):
            first, last = place((left, top)), place((right, bottom))
            swapped = left > right or top > bottom  # stays to be seen
            thing.box = (*first, *last) if swapped else around([first, last])
        if isinstance(thing.shape, list):
            thing.shape = [
                [v for x, y in zip(flat[::2], flat[1::2], strict=True) for v in place((x, y))]
                for flat in thing.shape
            ]


def _refused(items: Sequence[Item], found: Sequence[Header | None], split: str) -> list[Fault]:
    """Return what is wrong where most boxes are not where the image is."""
    boxes = [(item, thing.box, header.upright)
             for item, header in zip(items, found, strict=True) if header is not None
             for thing in item.things if _is_box(thing.box)]  # fmt: skip
    if len(boxes) < FEW:
        return []
    if max(max(box) for _, box, _ in boxes) <= 1 and max(max(size) for *_, size in boxes) > 2:
        what = (f"all {len(boxes):,} boxes are between 0 and 1: they are fractions of the image, "
                "where pixels are expected")  # fmt: skip
        return [Fault(split, what)]
    past = [(item, box, size) for item, box, size in boxes if _past(box, size) > FAR]
    if len(past) < FEW or len(past) <= MOST_PAST * len(boxes):
        return []
    item, box, size = past[0]
    what = (
        f"{len(past):,} of {len(boxes):,} boxes are past the edge of their image, such as "
        f"{shown(box)} (left, top, right, bottom) in {item.name} of {size[0]} x {size[1]} pixels: "
        "the convention of the boxes is another one, or the images are of another size"
    )
    return [Fault(split, what)]


def _is_box(box: Box) -> bool:
    return all(map(math.isfinite, box)) and box[0] != box[2] and box[1] != box[3]


def _past(box: Box, size: tuple[int, int]) -> float:
    left, top, right, bottom = box
    return max(-left, -top, right - size[0], bottom - size[1])


def shown(box: Sequence[float]) -> str:
    """Return a box for a message."""
    return "[" + ", ".join(f"{value:g}" for value in box) + "]"


def _cleaned(item: Item, header: Header | None, tally: Tally) -> list[Thing]:
    kept, seen = [], set[Any]()
    for thing in item.things:
        why = _fit(thing, header, tally, item.name)
        key = thing.label, tuple(round(value, 3) for value in thing.box) if not why else ()
        if not why and key in seen:
            why = TWICE
        if why:
            tally.add(why, item.name)
            continue
        seen.add(key)
        kept.append(thing)
    return kept


def _fit(thing: Thing, header: Header | None, tally: Tally, name: str) -> str:
    """Put a box into its image; return why it cannot be used, or ""."""
    if not all(map(math.isfinite, thing.box)):
        return NOT_FINITE
    left, top, right, bottom = thing.box
    if right < left or bottom < top:
        tally.add(SWAPPED, name)
        left, right = min(left, right), max(left, right)
        top, bottom = min(top, bottom), max(top, bottom)
    if right - left < LEAST or bottom - top < LEAST:
        return FLAT
    if header is not None:
        width, height = header.upright
        past = _past((left, top, right, bottom), header.upright)
        if left >= width or top >= height or right <= 0 or bottom <= 0:
            return OUTSIDE
        if past > 0:
            left, top = max(0.0, left), max(0.0, top)
            right, bottom = min(float(width), right), min(float(height), bottom)
            if past > EDGE:
                tally.add(CLIPPED, name)
        if right - left < LEAST or bottom - top < LEAST:
            return OUTSIDE
    thing.box = (left, top, right, bottom)
    if thing.area is None or not math.isfinite(thing.area) or thing.area <= 0:
        thing.area = (right - left) * (bottom - top)
    return ""


def _rle(thing: Thing, size: tuple[int, int], tally: Tally, name: str) -> Any:
    if isinstance(thing.shape, list):
        return shapes.from_polygons(thing.shape, size)
    if isinstance(thing.shape, dict) and thing.shape["size"] != [size[1], size[0]]:
        tally.add("outlines of another size than their image left out", name)
        return None
    return thing.shape
