"""CVAT xml for images 1.1."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from toolkit.data.sources import split_named
from toolkit_plugins.vision.annotations import shapes
from toolkit_plugins.vision.annotations.build import lost
from toolkit_plugins.vision.annotations.files import FileError, Images, head_of, xml_of
from toolkit_plugins.vision.annotations.forms import (
    Box,
    Found,
    Item,
    Thing,
    Wanted,
    around,
    number,
    size_of,
)

FORM = "CVAT xml for images"
NOT_FOUND = "images of the file are not found: left out"
ROTATED = "rotated boxes: the upright box around them is used"
SHAPES = ("box", "polygon", "ellipse", "mask")


def is_cvat(path: Path) -> bool:
    """Return whether an xml file is an export of CVAT."""
    return "<annotations>" in head_of(path)


def read(path: Path, split: str, root: Path, wanted: Wanted) -> Found:
    """Return the images of a file and their objects; tracks of videos are refused."""
    found = Found(FORM, files=[path])
    try:
        top = xml_of(path)
    except FileError as error:
        found.faults.add(path.name, "", str(error))
        return found
    if top.find("track") is not None:
        what = ("holds tracks of a video: export the task as 'CVAT for images 1.1' or as COCO, "
                "with its images")  # fmt: skip
        found.faults.add(path.name, "", what)
        return found
    finder, missing = Images(path.parent, [root, wanted.images]), []
    images = top.findall("image")
    for place, element in enumerate(images):
        name = element.get("name") or ""
        own = split_named(element.get("subset") or "") or split
        image = finder.find(name, own)
        if image is None:
            missing.append(name or f"image {place + 1}")
            continue
        size = size_of(element.get("width"), element.get("height"))
        item = Item(image, image.name, size=size)
        for part in element if wanted.labelled else ():
            _add(part, item, path, own, found, wanted)
        found.add(own, [item])
    what = f"images are not found below {path.parent} or beside it"
    if not lost(found.faults, path.name, what, missing, len(images)):
        for name in missing:
            found.tallies[split].add(NOT_FOUND, name)
    return found


def _add(part: Element, item: Item, path: Path, split: str, found: Found, wanted: Wanted) -> None:
    tally = found.tallies[split]
    if part.tag not in SHAPES:
        if part.tag != "tag":
            tally.add(f"shapes of type {part.tag} left out", item.name)
        return
    label = (part.get("label") or "").strip()
    if not label:
        found.faults.add(path.name, f"{item.name}, {part.tag}", "has no label")
        return
    found_box, shape = _shape(part, item.size, wanted.shapes)
    if found_box is None:
        found.faults.add(path.name, f"{item.name}, {part.tag}", "has no whole coordinates")
        return
    if part.get("occluded") == "1":
        tally.add("objects are marked occluded: kept as others")
    if part.tag in ("box", "ellipse") and (number(part.get("rotation")) or 0) % 360:
        tally.add(ROTATED, item.name)
    item.things.append(Thing(label, found_box, shape=shape))


def _values(part: Element, *names: str) -> list[float] | None:
    found = [number(part.get(name)) for name in names]
    return None if None in found else [value for value in found if value is not None]


def _shape(part: Element, size: tuple[int, int] | None, wanted: bool) -> tuple[Box | None, Any]:
    """Return the box of an element in pixels, and its outline where it has one."""
    angle = math.radians(number(part.get("rotation")) or 0)
    cos, sin = math.cos(angle), math.sin(angle)
    if part.tag == "box":
        given = _values(part, "xtl", "ytl", "xbr", "ybr")
        if given is None:
            return None, None
        left, top, right, bottom = given
        if not angle:
            return (left, top, right, bottom), None
        x, y, wide, high = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
        across = (abs(wide * cos) + abs(high * sin)) / 2
        down = (abs(wide * sin) + abs(high * cos)) / 2
        return (x - across, y - down, x + across, y + down), None
    if part.tag == "ellipse":
        given = _values(part, "cx", "cy", "rx", "ry")
        if given is None:
            return None, None
        x, y, a, b = given
        across, down = math.hypot(a * cos, b * sin), math.hypot(a * sin, b * cos)
        return (x - across, y - down, x + across, y + down), None
    if part.tag == "mask":
        given = _values(part, "left", "top", "width", "height")
        if given is None:
            return None, None
        left, top, wide, high = given
        corner = int(left), int(top), int(wide), int(high)
        rle = _mask(part.get("rle") or "", corner, size) if wanted else None
        return (left, top, left + wide, top + high), rle
    words = [word.split(",") for word in (part.get("points") or "").split(";") if word.strip()]
    flat = [number(value) for word in words for value in word]
    if len(flat) < 6 or len(flat) % 2 or None in flat:
        return None, None
    values = [value or 0.0 for value in flat]
    return around(list(zip(values[::2], values[1::2], strict=True))), [values]


def _mask(text: str, corner: tuple[int, int, int, int], size: tuple[int, int] | None) -> Any:
    """Return the outline of a mask: runs row by row in its box, the first one outside of it."""
    left, top, width, height = corner
    runs = [number(word) for word in text.split(",")]
    if size is None or None in runs or min(left, top, width, height) < 0:
        return None
    lengths = [int(run or 0) for run in runs]
    if min(lengths) < 0 or sum(lengths) != width * height or width * height > 1 << 28:
        return None
    if left + width > size[0] or top + height > size[1]:
        return None
    inside = np.repeat(np.arange(len(lengths)) % 2, lengths).reshape(height, width)
    mask = np.zeros((size[1], size[0]), bool)
    mask[top : top + height, left : left + width] = inside == 1
    return shapes.from_mask(mask)
