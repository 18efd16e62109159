"""Which of the formats a path holds, and its reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.data.sources import split_named
from toolkit.errors import DataError, Fault
from toolkit.utils.text import counted
from toolkit_plugins.vision.annotations import (
    coco,
    cvat,
    label_studio,
    labelme,
    metadata,
    voc,
    yolo,
)
from toolkit_plugins.vision.annotations.files import FileError, Tree, head_of, is_image, json_of
from toolkit_plugins.vision.annotations.forms import Found, Item, Wanted

KNOWN = (
    "Known: COCO json, Pascal VOC xml beside the images or in Annotations/, YOLO (data.yaml, or "
    "labels/ beside images/), metadata.jsonl or .csv of Hugging Face (file_name, objects), exports "
    "of Label Studio (json), LabelMe (json beside images), CVAT for images 1.1 (xml), "
    "csv with a box a row."
)
DEEPEST_JSON = 50  # json files in a folder from which on these are no annotations of whole sets


@dataclass(frozen=True)
class Reader:
    """Reads one source. objects: the column of objects."""

    objects: str
    wanted: Wanted
    _read: dict[Path, Any] = field(default_factory=dict, compare=False, repr=False)

    def file(self, path: Path, split: str, tree: Tree) -> Found | None:
        """Return what an annotation file holds; None where it is none of the formats."""
        suffix = path.suffix.lower()
        if suffix == ".json":
            return self._json(path, split, tree)
        if suffix == ".xml":
            if cvat.is_cvat(path):
                return cvat.read(path, split, tree.root, self.wanted)
            if voc.is_voc(path):
                return voc.read([path], Tree(path.parent), self.wanted, alone=True)
            return None
        if suffix in (".yaml", ".yml"):
            return self._yaml(path, tree)
        if suffix in metadata.SUFFIXES:
            kind = metadata.kind_of(path, self.objects, self.wanted.labelled)
            if kind == metadata.ROWS:
                return metadata.read_rows(path, split, tree.root, self.wanted)
            if kind:
                return metadata.read(path, split, self.objects, tree.root, self.wanted)
        return None

    def _json(self, path: Path, split: str, tree: Tree) -> Found | None:
        head = head_of(path)
        try:
            value = self._json_of(path)
        except FileError as error:
            if '"annotations"' not in head and '"images"' not in head:
                return None  # json lines, or no json: the core says so
            found = Found(coco.FORM, files=[path])
            found.faults.add(path.name, "", str(error))
            return found
        if coco.is_coco(value):
            return coco.read(path, value, split, tree.root, self.wanted)
        if labelme.is_labelme(path):
            return labelme.read([path], Tree(path.parent), self.wanted, alone=True)
        if label_studio.is_export(value):
            return label_studio.read(path, value, split, tree.root, self.wanted)
        return None

    def _yaml(self, path: Path, tree: Tree) -> Found | None:
        try:
            value = yolo.settings_of(path)
        except FileError as error:
            found = Found(yolo.FORM, files=[path])
            found.faults.add(path.name, "", str(error))
            return found
        return yolo.read_settings(path, value, tree.root, self.wanted) if value else None

    def folder(self, root: Path) -> Found | None:
        """Return what a folder holds in the first format that is there; others are noted.

        Raises:
            DataError: objects are needed, and there are images without any annotation.
        """
        tree = Tree(root)
        chosen: Found | None = None
        own, others = "", list[str]()
        for form, read in self._formats(tree):
            if chosen is None:
                own, chosen = form, read()
            elif form not in (own, *others):
                others.append(form)
        if chosen is not None:
            if others:
                chosen.notes.append(f"{root} also holds {' and '.join(others)}: not read")
            if not self.wanted.labelled:
                _add_unlisted(chosen, tree)
            return chosen
        if self.wanted.labelled and tree.images and not self._tables(tree):
            raise DataError(Fault(str(root), f"{_counted(tree)}, but no annotations. {KNOWN}"))
        return None

    def _tables(self, tree: Tree) -> bool:
        """Return whether there is a table, which the core reads, at the top of a folder."""
        names = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".arrow")
        return any(path.parent == tree.root for path in tree.ending(*names))

    def _formats(self, tree: Tree) -> Iterator[tuple[str, Any]]:
        """Yield the formats of a folder, each with what reads it."""
        for path in tree.ending(".yaml", ".yml"):
            found = self._yaml(path, tree)
            if found is not None:
                yield yolo.FORM, lambda found=found: found
                break
        if wholes := self._wholes(tree):
            yield coco.FORM, lambda: self._cocos(wholes, tree)
        tables = self._tables_of(tree, metadata.FORM)
        if tables:
            yield metadata.FORM, lambda: self._all(tables, tree)
        xml = tree.ending(".xml")
        if pages := [path for path in xml if voc.is_voc(path)]:
            yield voc.FORM, lambda: voc.read(pages, tree, self.wanted)
        if exports := [path for path in xml if cvat.is_cvat(path)]:
            yield cvat.FORM, lambda: self._all(exports, tree)
        if labels := yolo.label_files(tree):
            yield yolo.FORM, lambda: yolo.read_tree(labels, tree, self.wanted)
        if tasks := [path for path in self._jsons(tree) if self._is_tasks(path)]:
            yield label_studio.FORM, lambda: self._all(tasks, tree)
        if shapes := [path for path in tree.ending(".json") if labelme.is_labelme(path)]:
            yield labelme.FORM, lambda: labelme.read(shapes, tree, self.wanted)
        if rows := self._tables_of(tree, metadata.ROWS):
            yield metadata.ROWS, lambda: self._all(rows, tree)

    def _tables_of(self, tree: Tree, form: str) -> list[Path]:
        kind, labelled = metadata.kind_of, self.wanted.labelled
        given = tree.ending(*metadata.SUFFIXES)
        return [path for path in given if kind(path, self.objects, labelled) == form]

    def _jsons(self, tree: Tree) -> list[Path]:
        found = tree.ending(".json")
        return found if len(found) <= DEEPEST_JSON else []

    def _wholes(self, tree: Tree) -> list[Path]:
        """Return the COCO files of a folder."""
        return [path for path in self._jsons(tree)
                if head_of(path).lstrip().startswith("{") and self._is_coco(path)]  # fmt: skip

    def _json_of(self, path: Path) -> Any:
        """Return the content of a json file, which is read once."""
        if path not in self._read:
            self._read[path] = json_of(path)
        return self._read[path]

    def _is_coco(self, path: Path) -> bool:
        try:
            return coco.is_coco(self._json_of(path))
        except FileError:
            head = head_of(path)  # a cut file is COCO's, and is named
            return '"images"' in head and ('"annotations"' in head or '"categories"' in head)

    def _is_tasks(self, path: Path) -> bool:
        if not head_of(path).lstrip().startswith("["):
            return False
        try:
            return label_studio.is_export(self._json_of(path))
        except FileError:
            return False

    def _cocos(self, paths: list[Path], tree: Tree) -> Found:
        """Return the images of COCO files; those of captions and so on beside others are noted."""
        values = {path: self._json_of(path) for path in paths}
        plain = [path for path in paths if not coco.other_kind(values[path])] or paths
        named = [path for path in plain if path.stem.startswith("instances")]
        found = Found(coco.FORM)
        for path in named or plain:
            split = metadata.split_of(path, tree)
            found.merge(coco.read(path, values[path], split, tree.root, self.wanted))
        left = [path.name for path in paths if path not in (named or plain)]
        if left:
            found.notes.append(f"COCO files that are not read: {', '.join(left[:5])}")
        return found

    def _all(self, paths: list[Path], tree: Tree) -> Found | None:
        found: Found | None = None
        for path in paths:
            one = self.file(path, metadata.split_of(path, tree), tree)
            if one is not None and found is None:
                found = one
            elif one is not None and found is not None:
                found.merge(one)
        return found


def _add_unlisted(found: Found, tree: Tree) -> None:
    """Add the images of a folder to predict that its annotations do not list.

    Where these name several splits, only images whose folder names one of them have a place. A file
    with the stem of a listed image and another suffix is its mask or a small copy of it.
    """
    listed = [item.image for items in found.splits.values() for item in items]
    if not listed:
        return
    known, stems = {path.absolute() for path in listed}, {path.stem for path in listed}
    suffixes = {path.suffix for path in listed}
    splits = [split for split, items in found.splits.items() if items]
    for path in tree.images:
        if path.absolute() in known or (path.stem in stems and path.suffix not in suffixes):
            continue
        split = splits[0] if len(splits) == 1 else tree.split_of(path)
        if split in splits:
            found.add(split, [Item(path, path.name)])


def _counted(tree: Tree) -> str:
    counts = Counter(path.suffix.lower() or "without suffix" for path in tree.files)
    listed = ", ".join(f"{count:,} {suffix}" for suffix, count in counts.most_common(8))
    images = sum(map(is_image, tree.files))
    return f"holds {counted(images, 'images')} (files by suffix: {listed})"


def split_name(name: str) -> str:
    """Return the split that a key of `data.source` names; "" where it names none."""
    return split_named(name) or ""
