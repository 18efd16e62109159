"""LabelMe: a json file for each image, with its shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from toolkit_plugins.vision.annotations.build import lost
from toolkit_plugins.vision.annotations.files import FileError, Images, Tree, head_of, json_of
from toolkit_plugins.vision.annotations.forms import (
    Found,
    Item,
    Thing,
    Wanted,
    around,
    beside,
    numbers,
    size_of,
)

FORM = "LabelMe json"
BARE = "images without a json file: no objects"


def is_labelme(path: Path) -> bool:
    """Return whether a json file is of one image of LabelMe (the image itself may be in it)."""
    head = head_of(path)
    return head.lstrip().startswith("{") and '"shapes"' in head and (
        '"imagePath"' in head or '"imageData"' in head or '"flags"' in head
    )  # fmt: skip


def read(paths: Sequence[Path], tree: Tree, wanted: Wanted, alone: bool = False) -> Found:
    """Return the images of the files, and unless `alone` those beside them without one."""
    found = Found(FORM, files=list(paths))
    finders: dict[Path, Images] = {}
    used, missing = set[Path](), list[Path]()
    for path in paths:
        finder = finders.get(path.parent) or Images(path.parent, [tree.root, wanted.images])
        finders[path.parent] = finder
        try:
            value = json_of(path)
        except FileError as error:
            found.faults.add(path.name, "", str(error))
            continue
        split = tree.split_of(path)
        image = finder.of_stem(path.stem, path.parent, split)
        named = value.get("imagePath")
        if image is None and isinstance(named, str):
            image = finder.find(named, split)
        if image is None:
            missing.append(path)
            continue
        used.add(image)
        size = size_of(value.get("imageWidth"), value.get("imageHeight"))
        item = Item(image, image.name, size=size)
        shapes = value.get("shapes")
        if not isinstance(shapes, list):
            found.faults.add(path.name, "", "has no list `shapes`")
            continue
        for place, shape in enumerate(shapes if wanted.labelled else ()):
            _add(shape, place, item, path, split, found)
        found.add(split, [item])
    names = [path.name for path in missing]
    if not lost(found.faults, tree.root, "json files have no image beside them", names, len(paths)):
        for path in missing:
            what = "json files without an image left out"
            found.tallies[tree.split_of(path)].add(what, path.name)
    for image in () if alone else beside(used, {path.stem for path in paths}):
        found.add(tree.split_of(image), [Item(image, image.name)])
        found.tallies[tree.split_of(image)].add(BARE, image.name)
    return found


def _add(shape: Any, place: int, item: Item, path: Path, split: str, found: Found) -> None:
    here, tally = f"shapes[{place}]", found.tallies[split]
    if not isinstance(shape, Mapping) or not str(shape.get("label") or "").strip():
        found.faults.add(path.name, here, "has no label")
        return
    kind = str(shape.get("shape_type") or "polygon")
    given = shape.get("points")
    points = [numbers(point, 2) for point in given] if isinstance(given, list) else []
    whole = [(point[0], point[1]) for point in points if point is not None]
    if kind not in ("rectangle", "polygon", "circle", "rotation"):
        tally.add(f"shapes of type {kind} left out", item.name)
        return
    least = 3 if kind in ("polygon", "rotation") else 2
    if len(whole) < max(least, len(points)):
        found.faults.add(path.name, here, f"a {kind} of {least} points or more is expected")
        return
    label, outline = str(shape["label"]).strip(), None
    if kind == "circle":
        (x, y), edge = whole[0], whole[1]
        radius = math.dist((x, y), edge)
        whole = [(x - radius, y - radius), (x + radius, y + radius)]
    elif kind != "rectangle":
        outline = [[value for point in whole for value in point]]
    item.things.append(Thing(label, around(whole), shape=outline))
