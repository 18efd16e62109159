"""Pascal VOC: an xml file for each image, and lists of images as splits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from toolkit.utils.text import counted
from toolkit_plugins.vision.annotations.build import lost
from toolkit_plugins.vision.annotations.files import (
    FileError,
    Images,
    Tree,
    head_of,
    parts_of,
    text_of,
    xml_of,
)
from toolkit_plugins.vision.annotations.forms import (
    Box,
    Found,
    Item,
    Thing,
    Wanted,
    around,
    beside,
    number,
    size_of,
)

FORM = "Pascal VOC xml"
LISTS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}
FLAGS = ("difficult", "truncated", "occluded")
FROM_ONE = ("VOC: corners are pixels counted from 1 (the files name PASCAL VOC as their source): "
            "1 is taken off left and top")  # fmt: skip
FROM_ZERO = "VOC: corners are taken as edges counted from 0, as labelImg and most tools write them"


@dataclass
class _Read:
    path: Path
    stem: str
    image: Path | None
    item: Item
    pascal: bool


def is_voc(path: Path) -> bool:
    """Return whether an xml file is an annotation of one image."""
    head = head_of(path)
    return "<annotation>" in head or "<annotation " in head


def read(paths: Sequence[Path], tree: Tree, wanted: Wanted, alone: bool = False) -> Found:
    """Return the images of annotation files, and unless `alone` those beside them without one."""
    found = Found(FORM, files=list(paths))
    finders: dict[Path, Images] = {}
    read: list[_Read] = []
    for path in paths:
        finder = finders.get(path.parent) or Images(path.parent, [tree.root, wanted.images])
        finders[path.parent] = finder
        try:
            one = _read(path, xml_of(path), finder, tree, found, wanted)
        except FileError as error:
            found.faults.add(path.name, "", str(error))
            continue
        read.append(one)
    missing = [one.path for one in read if one.image is None]
    names = [path.name for path in missing]
    if not lost(found.faults, tree.root, "xml files have no image beside them", names, len(read)):
        for path in missing:
            found.tallies[tree.split_of(path)].add("xml files without an image left out", path.name)
    _convention(read, found)
    _splits(read, tree, found, alone)
    return found


def _read(
    path: Path, root: Element, finder: Images, tree: Tree, found: Found, wanted: Wanted
) -> _Read:
    if root.tag != "annotation":
        raise FileError(f"its root is <{root.tag}>, not <annotation>")
    named = _text(root, "filename") or _text(root, "path")
    split = tree.split_of(path)
    last = (parts_of(named) or ("",))[-1]
    image = finder.of_stem(path.stem, path.parent, split)
    if image is None and last:  # many a set was converted since, .jpg to .png
        whole = f"{_text(root, 'folder')}/{named}"
        image = finder.find(whole, split) or finder.of_stem(Path(last).stem, path.parent, split)
    names = (last.lower(), Path(last).stem.lower())  # "photo.v1" has no suffix
    if image is not None and last and image.stem.lower() not in names:
        told = "xml files with the name of another image: that of their own name is used"
        found.tallies[split].add(told, path.name)
    item = Item(image, image.name if image else path.name)
    size = root.find("size")
    if size is not None:
        item.size = size_of(_text(size, "width"), _text(size, "height"))
    for place, thing in enumerate(root.findall("object") if wanted.labelled else ()):
        label, box = _text(thing, "name"), _box(thing)
        what = [] if label else ["has no <name>"]
        what += [] if box else ["has no <bndbox> with four numbers xmin, ymin, xmax, ymax"]
        for one in what:
            found.faults.add(path.name, f"object {place + 1}", one)
        for flag in FLAGS:
            if number(_text(thing, flag)):
                found.tallies[split].add(f"objects are marked {flag}: kept as others")
        if label and box:
            if thing.find("bndbox") is None:
                found.tallies[split].add("rotated boxes: the upright box around them is used",
                                         item.name)  # fmt: skip
            item.things.append(Thing(label, box))
    source = " ".join((root.findtext(f"source/{tag}") or "") for tag in ("database", "annotation"))
    pascal = "pascal" in source.lower() or "voc" in source.lower().replace("20", " ").split()
    return _Read(path, path.stem, image, item, pascal)


def _text(element: Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip()


def _box(thing: Element) -> Box | None:
    corners = thing.find("bndbox")
    if corners is not None:
        found = [number(_text(corners, tag)) for tag in ("xmin", "ymin", "xmax", "ymax")]
        left, top, right, bottom = found
        if left is None or top is None or right is None or bottom is None:
            return None
        return left, top, right, bottom
    turned = thing.find("robndbox")  # roLabelImg: centre, size, angle in radians
    if turned is None:
        return None
    values = [number(_text(turned, tag)) for tag in ("cx", "cy", "w", "h", "angle")]
    x, y, width, height, angle = (math.nan if value is None else value for value in values)
    if math.isnan(x + y + width + height + angle) or math.isinf(angle):
        return None
    cos, sin = math.cos(angle), math.sin(angle)
    corner = [(a * width / 2, b * height / 2) for a in (-1, 1) for b in (-1, 1)]
    return around([(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in corner])


def _convention(read: Sequence[_Read], found: Found) -> None:
    """Take 1 off left and top where the files are PASCAL VOC's own.

    Its corners are pixels, counted from 1, the last one inclusive. Others write the same tags with
    edges: labelImg raises 0 to 1, but a box that it leaves without width has equal corners.
    """
    boxes = [thing.box for one in read for thing in one.item.things]
    if not boxes:
        return
    own = sum(one.pascal for one in read)
    zero = any(min(box[:2]) < 1 for box in boxes)
    if own <= len(read) / 2 or zero:
        found.notes.append(FROM_ZERO)
        return
    found.notes.append(FROM_ONE)
    for one in read:
        for thing in one.item.things:
            left, top, right, bottom = thing.box
            thing.box = left - 1, top - 1, right, bottom


def _splits(read: Sequence[_Read], tree: Tree, found: Found, alone: bool) -> None:
    """Put the images into splits, with those that have no xml."""
    lists = {} if alone else _lists(tree)
    by_image: dict[Path, Item] = {}
    used = {one.image for one in read if one.image is not None}
    bare = [] if alone else beside(used, {one.stem for one in read})
    for one in read:
        if one.image is None:
            continue
        first = by_image.setdefault(one.image, one.item)
        if first is not one.item:
            first.things += one.item.things
            found.tallies[""].add("images have two xml files: their objects are merged",
                                  one.item.name)  # fmt: skip
    if not lists:
        xml = {one.image: one.path for one in read}
        for image, item in by_image.items():
            found.add(tree.split_of(image) or tree.split_of(xml[image]), [item])
        for image in bare:
            split = tree.split_of(image)
            found.add(split, [Item(image, image.name)])
            found.tallies[split].add("images without an xml file: no objects", image.name)
        return
    stems = {one.stem: item for one in read if one.image and (item := by_image[one.image])}
    stems |= {item.image.stem: item for item in by_image.values() if item.image.stem not in stems}
    _listed(lists, stems, {image.stem: image for image in bare}, tree, found)


def _lists(tree: Tree) -> dict[str, Path]:
    """Return split -> file that lists its images: ImageSets/Main, ImageSets or splits."""
    found: dict[str, Path] = {}
    for path in tree.ending(".txt"):
        folders = [part.lower() for part in path.relative_to(tree.root).parts[:-1]]
        if folders and (folders[-1] in ("main", "imagesets", "splits") or "main" in folders):
            name = path.stem.lower()
            if name in LISTS:
                found.setdefault(LISTS[name], path)
            elif name == "trainval":
                found.setdefault("trainval", path)
    both = found.pop("trainval", None)
    if both is not None and "train" not in found:
        found["train"] = both
    return found


def _listed(
    lists: Mapping[str, Path], stems: Mapping[str, Item], bare: Mapping[str, Path], tree: Tree,
    found: Found,
) -> None:  # fmt: skip
    used: Counter[str] = Counter()
    for split, path in lists.items():
        found.files.append(path)
        words = [line.split()[0] for line in text_of(path).splitlines() if line.strip()]
        missing = []
        for word in dict.fromkeys(words):
            name = parts_of(word)[-1] if parts_of(word) else word
            stem = name if name in stems or name in bare else Path(name).stem
            if stem in stems:
                found.add(split, [stems[stem]])
            elif stem in bare:
                found.add(split, [Item(bare[stem], bare[stem].name)])
                found.tallies[split].add("images without an xml file: no objects", bare[stem].name)
            else:
                missing.append(word)
                continue
            used[stem] += 1
        where = path.relative_to(tree.root)
        if not lost(found.faults, where, "listed images are not found", missing, len(words)):
            for word in missing:
                found.tallies[split].add(f"images of {where} are not found: left out", word)
    twice = [stem for stem, count in used.items() if count > 1]
    if twice:
        what = counted(len(twice), "images are in two lists of splits")
        found.notes.append(f"{what} ({', '.join(twice[:5])}{', ...' if len(twice) > 5 else ''})")
    left = [stem for stem in stems if not used[stem]]
    if left:
        found.notes.append(
            f"{counted(len(left), 'annotated images are in no list of a split and not used')} "
            f"({', '.join(left[:5])}{', ...' if len(left) > 5 else ''})"
        )
