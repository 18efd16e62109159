"""YOLO: a text file for each image, a line for each object, and data.yaml with the names."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from toolkit_plugins.vision.annotations.build import lost
from toolkit_plugins.vision.annotations.files import (
    FileError,
    Images,
    Tree,
    head_of,
    parts_of,
    text_of,
)
from toolkit_plugins.vision.annotations.forms import (
    Found,
    Item,
    Wanted,
    beside,
)
from toolkit_plugins.vision.annotations.yolo_lines import Names, thing_of

FORM = "YOLO"
KEYS = {"train": ("train",), "validation": ("val", "valid", "validation"), "test": ("test",)}
NAMES = ("classes.txt", "obj.names", "_darknet.labels", "labels.txt", "class_names.txt")
LINE = re.compile(r"\s*\d+(\.0*)?(\s+[-+.\deE]+){4,}\s*$")
NO_LABEL = "images without a label file: no objects"
NO_IMAGE = "label files without an image left out"


def settings_of(path: Path) -> dict[str, Any] | None:
    """Return the content of a data.yaml; None where a yaml file is something else.

    Raises:
        FileError: it has names, but is no valid yaml.
    """
    import yaml

    try:
        value = yaml.safe_load(text_of(path))
    except yaml.YAMLError as error:
        if re.search(r"^names\s*:", head_of(path), re.MULTILINE):
            raise FileError(f"is no yaml: {str(error).splitlines()[0]}") from None
        return None
    if not isinstance(value, dict) or not isinstance(value.get("names"), list | dict):
        return None
    return value if any(key in value for keys in KEYS.values() for key in keys) else None


def label_files(tree: Tree) -> list[Path]:
    """Return the label files of a folder; [] where none is YOLO's.

    These are text files with lines of YOLO and empty ones, and beside such files those in a folder
    `labels` or with the name of an image whatever they hold: a malformed first line is a fault of
    the file, and does not make its image one without objects.
    """
    sure, others = set[Path](), list[Path]()
    for path in tree.ending(".txt"):
        if path.name in NAMES:
            continue
        first = next((line for line in head_of(path).splitlines() if line.strip()), "")
        inside, named = _inside_labels(path, tree), path.stem.lower() in tree.by_stem
        if LINE.match(first) or (inside and named) or (not first and (inside or named)):
            sure.add(path)
        elif inside or named:
            others.append(path)
    return sorted([*sure, *others]) if sure else []


def read_settings(path: Path, value: Mapping[str, Any], root: Path, wanted: Wanted) -> Found:
    """Return the images of the splits that a data.yaml names."""
    found = Found(FORM, files=[path])
    names = Names(_names(path, value["names"], found))
    if value.get("kpt_shape"):
        found.notes.append("YOLO: keypoints are not read, the boxes are")
    base = path.parent
    tree = Tree(root if base.is_relative_to(root) else base)
    finder = Images(base, [tree.root, wanted.images])
    for split, keys in KEYS.items():
        given = next((value[key] for key in keys if value.get(key)), None)
        if given is None:
            continue
        entries = [given] if isinstance(given, str) else given
        if not isinstance(entries, list) or not all(isinstance(e, str) for e in entries):
            found.faults.add(path.name, split, "takes a path or a list of paths")
            continue
        images = []
        for entry in entries:
            some = _of_entry(entry, split, str(value.get("path") or ""), base, tree, finder, found)
            if not some and split == "test" and not found.faults:
                # Exports of Roboflow name a test folder also where there is none.
                found.notes.append(f"{path.name}: {entry} (test) has no images: not used")
            elif not some and not found.faults:
                what = f"{entry}: no images are there, nor for the label files of {split}"
                found.faults.add(path.name, split, what)
            images += some
        if images:
            _add(found, split, images, names, wanted, bool(value.get("kpt_shape")))
    return found


def read_tree(labels: Sequence[Path], tree: Tree, wanted: Wanted) -> Found:
    """Return the images of label files without a data.yaml."""
    found = Found(FORM)
    known_names = [path for name in NAMES for path in tree.files if path.name == name]
    named = next(iter([*known_names, *tree.ending(".names")]), None)
    if named is None:
        found.notes.append("YOLO: there are no names of classes (data.yaml, classes.txt): "
                           "their numbers are the names")  # fmt: skip
        names = Names(None)
    else:
        lines = [line.strip() for line in text_of(named).splitlines()]
        names = Names({place: line for place, line in enumerate(lines) if line})
        found.files.append(named)
    finder = Images(tree.root, [tree.root, wanted.images])
    known = set(labels)
    pairs_of: dict[Path, Path | None] = {}
    folders = {label.parent for label in labels}
    for image in tree.images:
        label = _existing(_label_of(image), image)
        if label in known or _label_of(image).parent in folders:
            pairs_of[image] = label if label in known else None
    matched = {label for label in pairs_of.values() if label}
    left = [path for path in labels if path not in matched]
    for path in left[:]:
        split = tree.split_of(path)
        near = finder.of_stem(path.stem, path.parent, split)
        if near is not None:
            pairs_of[near] = path
            left.remove(path)
    _left(left, len(labels), tree, found)
    by_split: dict[str, list[tuple[Path, Path | None]]] = {}
    beside_it: dict[Path, Counter[str]] = defaultdict(Counter)
    for image, label in pairs_of.items():
        split = tree.split_of(image) or (tree.split_of(label) if label else "")
        by_split.setdefault(split, []).append((image, label))
        beside_it[image.parent][split] += 1
    for image in beside(pairs_of, {label.stem for label in labels}):
        # Where no folder of images names a split, it is that of most images there.
        split = tree.split_of(image) or beside_it[image.parent].most_common(1)[0][0]
        by_split[split].append((image, None))
    for split, pairs_there in by_split.items():
        _add(found, split, pairs_there, names, wanted, False)
    return found


def _left(left: Sequence[Path], total: int, tree: Tree, found: Found) -> None:
    names = [str(path.relative_to(tree.root)) for path in left]
    if not lost(found.faults, tree.root, "label files have no image", names, total):
        for path, name in zip(left, names, strict=True):
            found.tallies[tree.split_of(path)].add(NO_IMAGE, name)


def _names(path: Path, given: Any, found: Found) -> dict[int, str]:
    pairs = enumerate(given) if isinstance(given, list) else given.items()
    names = {}
    for key, name in pairs:
        try:
            names[int(key)] = str(name).strip()
        except (TypeError, ValueError):
            found.faults.add(path.name, "names", f"{key!r} is no number of a class")
    if len(set(names.values())) < len(names):
        found.notes.append(f"{path.name}: several classes have one name: they are one class")
    return names


def _of_entry(
    entry: str, split: str, inner: str, base: Path, tree: Tree, finder: Images, found: Found
) -> list[tuple[Path, Path | None]]:
    """Return images with their label files of a path in data.yaml.

    As other people's paths are of their machine, a path is looked up relative to `path` and to the
    file, then without the folders that it begins with; at last by the labels of the split.
    """
    place = _place(entry, inner, base, tree.root)
    if place is None:
        images = []
    elif place.is_file():
        found.files.append(place)
        images = _from_list(place, finder, split, found)
    else:
        images = Tree(place).images
    if images:
        return [(image, _existing(_label_of(image), image)) for image in images]
    matched, left = list[tuple[Path, Path | None]](), []
    labels = [
        p for p in tree.ending(".txt") if _inside_labels(p, tree) and tree.split_of(p) == split
    ]
    for path in labels:
        image = finder.of_stem(path.stem, path.parent, split)
        if image is None:
            left.append(path)
        else:
            matched.append((image, path))
    _left(left, len(labels), tree, found)
    return matched


def _inside_labels(path: Path, tree: Tree) -> bool:
    return "labels" in (part.lower() for part in path.relative_to(tree.root).parts[:-1])


def _place(entry: str, inner: str, base: Path, root: Path) -> Path | None:
    parts, within = parts_of(entry), parts_of(inner)
    bases = [base.joinpath(*within), base, base / within[-1] if within else base]
    options = [start / entry.replace("\\", "/") for start in bases if not entry.startswith("/")]
    options += [Path(entry)] if entry.startswith("/") else []
    options += [start.joinpath(*parts[n:]) for n in range(len(parts)) for start in bases]
    last = root.resolve().parent
    last = root.resolve() if last == last.parent else last  # all lies beside a folder of /
    for option in options:
        try:
            there = option.exists() and option.resolve()
        except (OSError, ValueError):
            continue
        # `..` and absolute paths are followed to what lies beside the source, and no further; a
        # link below the source was put there by its owner.
        near = there and (there.is_relative_to(last) or (".." not in option.parts[len(base.parts):]
                          and option.is_relative_to(base)))  # fmt: skip
        if near and there != last:
            return option
    return None


def _from_list(path: Path, finder: Images, split: str, found: Found) -> list[Path]:
    """Return the images that a text file lists, a path a line."""
    lines = [line.strip() for line in text_of(path).splitlines() if line.strip()]
    images, missing = list[Path](), []
    for line in dict.fromkeys(lines):
        image = finder.find(line, split)
        if image is None:
            missing.append(line)
        else:
            images.append(image)
    if not lost(found.faults, path.name, "listed images are not found", missing, len(lines)):
        for line in missing:
            found.tallies[split].add(f"images of {path.name} are not found: left out", line)
    return images


def _label_of(image: Path) -> Path:
    """Return where the label file of an image is: the last folder `images` becomes `labels`."""
    parts = list(image.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place].lower() in ("images", "jpegimages"):
            parts[place] = "labels"
            there = Path(*parts).with_suffix(".txt")
            return there if there.is_file() or there.parent.is_dir() else image.with_suffix(".txt")
    return image.with_suffix(".txt")


def _existing(label: Path, image: Path) -> Path | None:
    return next((p for p in (label, image.with_suffix(".txt")) if p.is_file()), None)


def _add(
    found: Found, split: str, images: Iterable[tuple[Path, Path | None]], names: Names,
    wanted: Wanted, keypoints: bool,
) -> None:  # fmt: skip
    bare, items = [], []
    for image, label in images:
        item = Item(image, image.name, fractions=True)
        items.append(item)
        if not wanted.labelled:
            continue
        if label is None:
            bare.append(image)
            continue
        found.files.append(label)
        for number, line in enumerate(text_of(label).splitlines(), 1):
            if line.strip():
                thing, what = thing_of(line.split(), names, item, found.tallies[split], keypoints)
                if what:
                    found.faults.add(label.name, f"line {number}", what)
                elif thing is not None:
                    item.things.append(thing)
    for image in bare:
        found.tallies[split].add(NO_LABEL, image.name)
    if bare and len(bare) == len(items):
        where = items[0].image.parent
        found.faults.add(where, "", f"none of {len(items):,} images of {split or 'the folder'} has "
                         f"a label file, such as {_label_of(items[0].image)}")  # fmt: skip
    found.add(split, items)
