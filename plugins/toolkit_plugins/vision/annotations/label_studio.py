"""Exports of Label Studio: JSON and JSON-MIN."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from toolkit_plugins.vision.annotations.build import lost
from toolkit_plugins.vision.annotations.files import Images, parts_of
from toolkit_plugins.vision.annotations.forms import (
    Found,
    Item,
    Thing,
    Wanted,
    around,
    number,
    numbers,
    size_of,
)
from toolkit_plugins.vision.images import SUFFIXES

FORM = "Label Studio json"
KINDS = ("rectanglelabels", "polygonlabels", "ellipselabels", "brushlabels")
PLAIN = {"rectangle": "rectanglelabels", "polygon": "polygonlabels", "ellipse": "ellipselabels"}
NOT_FOUND = "images of tasks are not found: left out"
UNANNOTATED = "tasks without an annotation left out"
CANCELLED = "tasks whose annotations are all cancelled left out"
SEVERAL = "tasks with several annotations: the first one that is not cancelled is used"
ROTATED = "rotated boxes: the upright box around them is used"
NO_CLASS = "regions without a class left out"


def is_export(value: Any) -> bool:
    """Return whether a json file's content is an export of images."""
    if not isinstance(value, list) or not value or not isinstance(value[0], Mapping):
        return False
    first = value[0]
    if isinstance(first.get("data"), Mapping):
        return "annotations" in first or "completions" in first
    return any(_regions(task) is not None for task in value[:100] if isinstance(task, Mapping))


def _regions(task: Mapping[str, Any]) -> list[Any] | None:
    """Return the regions of a task of JSON-MIN; None where no key has any."""
    for cell in task.values():
        first = cell[0] if isinstance(cell, list) and cell else None
        if isinstance(first, Mapping) and any(k in first for k in (*KINDS, "original_width")):
            return list(cell)
    return None


def read(path: Path, value: Sequence[Any], split: str, root: Path, wanted: Wanted) -> Found:
    """Return the images of the tasks and their regions."""
    found = Found(FORM, files=[path])
    finder, missing, tally = Images(path.parent, [root, wanted.images]), [], found.tallies[split]
    items = list[Item]()
    for place, task in enumerate(value):
        if not isinstance(task, Mapping):
            found.faults.add(path.name, f"task {place + 1}", "is no object")
            continue
        data = task["data"] if isinstance(task.get("data"), Mapping) else task
        name = _image(data)
        if not name:
            found.faults.add(path.name, f"task {place + 1}", "names no image")
            continue
        regions, why = _chosen(task)
        short = (parts_of(name) or (name,))[-1]
        if wanted.labelled and regions is None:
            tally.add(why, short)
            continue
        image = _found(finder, name, split)
        if image is None:
            missing.append(short)
            continue
        if why and wanted.labelled:
            tally.add(why, image.name)
        item = Item(image, image.name, fractions=True)
        for region in (regions or ()) if wanted.labelled else ():
            thing, why = _thing(region, item)
            if why:
                tally.add(why, item.name)
            if thing:
                item.things.append(thing)
        items.append(item)
    what = f"images are not found below {path.parent} or beside it"
    if not lost(found.faults, path.name, what, missing, len(value)):
        for name in missing:
            tally.add(NOT_FOUND, name)
    found.add(split, items)
    return found


def _found(finder: Images, name: str, split: str) -> Path | None:
    """Return an image; uploads have eight signs and a dash before their own name."""
    image = finder.find(name, split)
    last = (parts_of(name) or ("",))[-1]
    head, dash, own = last.partition("-")
    if image is None and dash and len(head) == 8:
        image = finder.find(own, split)
    return image


def _image(data: Mapping[str, Any]) -> str:
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    for key, value in texts.items():
        last = (parts_of(value) or ("",))[-1].lower()
        if last.endswith(SUFFIXES) or key == "image":
            return value
    return ""


def _chosen(task: Mapping[str, Any]) -> tuple[list[Any] | None, str]:
    """Return the regions that are used (None: the task is left out), and what is counted."""
    if not isinstance(task.get("data"), Mapping):
        found = _regions(task)
        # JSON-MIN has a key for the annotator where a task was annotated with nothing.
        return (found or ([] if "annotator" in task else None)), "" if found else UNANNOTATED * (
            "annotator" not in task)  # fmt: skip
    given = task.get("annotations", task.get("completions")) or []
    given = [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []
    valid = [one for one in given if not one.get("was_cancelled")]
    if not valid:
        return None, CANCELLED if given else UNANNOTATED
    result = valid[0].get("result")
    return (result if isinstance(result, list) else []), SEVERAL if len(valid) > 1 else ""


def _thing(region: Any, item: Item) -> tuple[Thing | None, str]:
    """Return the object of a region in fractions of the image, and what is to be counted."""
    value = region.get("value", region) if isinstance(region, Mapping) else None
    if not isinstance(value, Mapping):
        return None, "regions of unknown form left out"
    kind = next((kind for kind in KINDS if kind in value), "")
    kind = kind or PLAIN.get(str(region.get("type", "")), "")
    if not kind:
        name = str(region.get("type") or "other")
        known = name in ("choices", "textarea", "rating", "relation")
        return (
            None,
            f"answers of type {name} left out" if known else f"regions of type {name} left out",
        )
    labels = value.get(kind)
    if not isinstance(labels, list) or not labels or not str(labels[0]).strip():
        return None, NO_CLASS
    label = str(labels[0]).strip()
    size = size_of(region.get("original_width", value.get("original_width")),
                   region.get("original_height", value.get("original_height")))  # fmt: skip
    item.size = item.size or size
    told = "regions have several classes: the first one is used" if len(labels) > 1 else ""
    if kind == "brushlabels":
        return None, "regions of brushes left out (export them as COCO)"
    if kind == "polygonlabels":
        given = value.get("points")
        flat = [numbers(point, 2) for point in given] if isinstance(given, list) else []
        points = [(point[0] / 100, point[1] / 100) for point in flat if point is not None]
        if len(points) < max(3, len(flat)):
            return None, "polygons with less than three points left out"
        shape = [[v for point in points for v in point]]
        return Thing(label, around(points), shape=shape), told
    corners = list(_corners(value, kind, size or (1, 1)))
    if not corners:
        return None, "boxes without four numbers left out"
    turned = (number(value.get("rotation")) or 0) % 360
    return Thing(label, around(corners)), ROTATED if turned else told


def _corners(
    value: Mapping[str, Any], kind: str, size: tuple[int, int]
) -> Iterator[tuple[float, float]]:
    """Yield the corners as fractions; rotation is clockwise, in pixels, about the upper left one.

    An ellipse has its centre for a corner, and turns about it.
    """
    keys = ("x", "y", "radiusX", "radiusY") if "ellipse" in kind else ("x", "y", "width", "height")
    given = [number(value.get(key)) for key in keys]
    x, y, across, down = (math.nan if v is None else v / 100 for v in given)
    if math.isnan(x + y + across + down):
        return
    angle = math.radians(number(value.get("rotation")) or 0)
    cos, sin = math.cos(angle), math.sin(angle)
    if "ellipse" in kind:
        a, b = across * size[0], down * size[1]
        wide, high = math.hypot(a * cos, b * sin) / size[0], math.hypot(a * sin, b * cos) / size[1]
        yield from ((x - wide, y - high), (x + wide, y + high))
        return
    for right, low in ((0, 0), (1, 0), (0, 1), (1, 1)):
        a, b = right * across * size[0], low * down * size[1]
        yield x + (a * cos - b * sin) / size[0], y + (a * sin + b * cos) / size[1]
