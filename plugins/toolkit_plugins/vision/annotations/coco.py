"""COCO json: images, annotations and categories in one file a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.data.sources import split_named
from toolkit.utils.text import listing, nearest
from toolkit_plugins.vision.annotations import conventions, shapes
from toolkit_plugins.vision.annotations.build import lost
from toolkit_plugins.vision.annotations.conventions import OPTION
from toolkit_plugins.vision.annotations.files import Images
from toolkit_plugins.vision.annotations.forms import (
    Found,
    Item,
    Thing,
    Wanted,
    number,
    numbers,
    size_of,
)

FORM = "COCO json"
USUAL = "xywh"
PANOPTIC = "panoptic segments"
MISSING = "images that the annotations name are not found: left out"
NO_IMAGE = "annotations of images that the file does not list: left out"
REPEATED = "annotations have an id that another one has (nothing here needs it)"
NO_BOX = "annotations without a bbox: it is taken from the segmentation"
BROKEN = "segmentations are neither polygons nor a whole RLE: without outline"


def is_coco(value: Any) -> bool:
    """Return whether a json file's content is COCO's, also of a kind without boxes."""
    return isinstance(value, Mapping) and isinstance(value.get("images"), list) and (
        "annotations" in value or "categories" in value
    )  # fmt: skip


def other_kind(value: Mapping[str, Any]) -> str:
    """Return what a COCO file holds instead of boxes: "captions" and so on; "" with boxes."""
    given = value.get("annotations")
    some = [a for a in given[:100] if isinstance(a, Mapping)] if isinstance(given, list) else []
    if not some or any("bbox" in a or "segmentation" in a for a in some):
        return ""
    for key, kind in (("caption", "captions"), ("segments_info", PANOPTIC),
                      ("keypoints", "keypoints")):  # fmt: skip
        if any(key in a for a in some):
            return kind
    return ""


def read(path: Path, value: Mapping[str, Any], split: str, root: Path, wanted: Wanted) -> Found:
    """Return the images and objects of a file.

    Args:
        value: its content. split: "" where it names none. root: of the source; images are looked
            for below it, too.
    """
    found = Found(FORM, files=[path])
    kind = other_kind(value)
    if kind and wanted.labelled:
        what = f"a COCO file of {kind}, without bbox or segmentation: give the instances file"
        if kind == PANOPTIC:
            what += ", or choose the scenario image-segmentation with options.kind: panoptic"
        found.faults.add(path.name, "", what)
        return found
    items = _images(path, value["images"], split, Images(path.parent, [root, wanted.images]), found)
    if wanted.labelled:
        names = _categories(path, value.get("categories"), found)
        convention = wanted.convention or USUAL
        _annotations(path, value.get("annotations"), items, names, split, found, convention)
        if convention != USUAL:
            found.notes.append(f"COCO: boxes are read as {convention}, as {OPTION} says")
    whole: dict[Any, Item] = {}
    for item in items.values():  # one image may be listed under several ids
        if item is None:
            continue
        first = whole.setdefault(item.image, item)
        if first is not item:
            first.things += item.things
            found.tallies[split].add("images are listed twice: their objects are merged", item.name)
    found.add(split, whole.values())
    return found


def _images(
    path: Path, given: list[Any], split: str, images: Images, found: Found
) -> dict[str, Item | None]:
    """Return id -> image; None where its file is not found."""
    items: dict[str, Item | None] = {}
    named: dict[str, str] = {}
    missing = []
    for place, entry in enumerate(given):
        here = f"images[{place}]"
        if not isinstance(entry, Mapping) or entry.get("id") is None:
            found.faults.add(path.name, here, "has no id")
            continue
        name, key = entry.get("file_name") or entry.get("coco_url"), _key(entry["id"])
        if not isinstance(name, str) or not name.strip():
            found.faults.add(path.name, here, "has no file_name")
            items[key] = None
            continue
        if named.setdefault(key, name) != name:
            what = f"the id {entry['id']!r} is of two images: {named[key]} and {name}"
            found.faults.add(path.name, here, what)
            continue
        place_of = images.find(name, split or split_named(path.stem) or "", path.stem)
        if place_of is None:
            missing.append(name)
            items[key] = None
            continue
        if key not in items:
            size = size_of(entry.get("width"), entry.get("height"))
            items[key] = Item(place_of, place_of.name, size=size)
    what = f"images are not found below {images.near} or beside it (or several have their name)"
    if not lost(found.faults, path.name, what, missing, len(given)):
        for name in missing:
            found.tallies[split].add(MISSING, name)
    return items


def _key(value: Any) -> str:
    """Return an id as text: 1, "1" and 1.0 are the same."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _categories(path: Path, given: Any, found: Found) -> dict[str, str]:
    """Return id -> name."""
    if not isinstance(given, list):
        found.faults.add(path.name, "", "has no list `categories`: the classes have no names")
        return {}
    names: dict[str, str] = {}
    for place, entry in enumerate(given):
        here = f"categories[{place}]"
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if not isinstance(entry, Mapping) or entry.get("id") is None or name in (None, ""):
            found.faults.add(path.name, here, "has no id or no name")
            continue
        key, label = _key(entry["id"]), str(name).strip()
        if names.setdefault(key, label) != label:
            what = f"the id {entry['id']!r} is of two categories: {names[key]!r} and {label!r}"
            found.faults.add(path.name, here, what)
    for name, count in Counter(names.values()).items():
        if count > 1:
            found.notes.append(f"{path.name}: {count} categories are named {name!r}: one class")
    return names


def _annotations(
    path: Path, given: Any, items: dict[str, Item | None], names: dict[str, str], split: str,
    found: Found, convention: str,
) -> None:  # fmt: skip
    if not isinstance(given, list):
        found.faults.add(path.name, "", "has no list `annotations`")
        return
    unknown, ids, tally = [], set[str](), found.tallies[split]
    for place, entry in enumerate(given):
        here = f"annotations[{place}]"
        if not isinstance(entry, Mapping):
            found.faults.add(path.name, here, "is no object")
            continue
        tally.add(REPEATED, "", int((own := _key(entry.get("id"))) in ids and own != "None"))
        ids.add(own)
        what = _category(entry, names)
        if what:
            found.faults.add(path.name, here, what)
        if entry.get("image_id") is None:
            found.faults.add(path.name, here, "has no image_id")
            continue
        if _key(entry["image_id"]) not in items:
            unknown.append(f"image_id {entry['image_id']!r}")
            continue
        item = items[_key(entry["image_id"])]
        thing, what = _thing(entry, names, found, split, item, convention)
        if what:
            found.faults.add(path.name, here, what)
        if thing is not None and item is not None:
            item.things.append(thing)
    what = "annotations are of images that the file does not list"
    if not lost(found.faults, path.name, what, unknown, len(given)):
        for image in dict.fromkeys(unknown):
            tally.add(NO_IMAGE, image, unknown.count(image))


def _category(entry: Mapping[str, Any], names: Mapping[str, str]) -> str:
    key = entry.get("category_id")
    if key is None:
        return "has no category_id"
    if not names or _key(key) in names:
        return ""
    near = nearest(_key(key), names)
    return f"category_id {key!r} is none of the categories. Known: {listing(names, 20)}.{near}"


def _thing(
    entry: Mapping[str, Any], names: Mapping[str, str], found: Found, split: str,
    item: Item | None, convention: str,
) -> tuple[Thing | None, str]:  # fmt: skip
    """Return the object of an annotation, or what is wrong with it."""
    segmentation, tally = entry.get("segmentation"), found.tallies[split]
    name = item.name if item else ""
    shape = shapes.polygons_of(segmentation) or shapes.rle_of(segmentation)
    if segmentation and shape is None and segmentation != [[]]:
        tally.add(BROKEN, name)
    flat, given = None, entry.get("bbox")
    if given is not None and given != []:
        flat = numbers(given, 4)
        if flat is None:
            meaning = conventions.MEANING[convention.removesuffix("_normalised")]
            return None, f"bbox is {str(given)[:60]}: four numbers are expected ({meaning})"
        if not any(flat) and shape:
            flat = None
    if flat is None:
        around = shapes.box_of(shape)
        if around is None:
            return None, "has neither a bbox nor a segmentation"
        tally.add(NO_BOX, name)
    else:
        if convention.endswith("_normalised"):  # outlines beside them are in pixels
            if item is not None and item.size is None:
                return None, f"its image has no width and height, which {convention} needs"
            size = item.size if item and item.size else (1, 1)
            flat = [value * side for value, side in zip(flat, size * 2, strict=True)]
        around = conventions.edges(flat, convention)
    label = names.get(_key(entry.get("category_id")), "")
    crowd = entry.get("iscrowd") in (1, True, "1")
    return Thing(label, around, crowd, number(entry.get("area")), shape), ""
