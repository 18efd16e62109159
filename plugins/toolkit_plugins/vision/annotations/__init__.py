"""Annotated images in the formats of the field: COCO, VOC, YOLO, Hugging Face, and exports.

`read` is for files, `reshaped` for rows of tables and of the Hub. Both return rows with an image
and `objects`: a list of {"box", "label", "crowd", "area"}, box = [left, top, right, bottom] in
pixels of the upright image, counted from 0, right and bottom exclusive.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import DataError, Fault
from toolkit_plugins.vision.annotations import (
    cvat,
    label_studio,
    labelme,
    metadata,
    voc,
    yolo,
)
from toolkit_plugins.vision.annotations.build import source_rows
from toolkit_plugins.vision.annotations.conventions import OPTION, checked
from toolkit_plugins.vision.annotations.files import Tree
from toolkit_plugins.vision.annotations.forms import Found, Wanted
from toolkit_plugins.vision.annotations.sources import KNOWN, Reader, split_name
from toolkit_plugins.vision.annotations.tables import recognising, reshaped

if TYPE_CHECKING:
    from toolkit.plugin_types import SourceRows
    from toolkit.recipe.schema import Source

FIXED = {  # conventions that a format has, whatever the options say
    voc.FORM: ("xyxy",), cvat.FORM: ("xyxy",), labelme.FORM: ("xyxy",), label_studio.FORM: (),
    yolo.FORM: ("cxcywh_normalised",), metadata.ROWS: ("xyxy", "xyxy_normalised"),
}  # fmt: skip

__all__ = ["read", "recognising", "reshaped"]


def read(
    source: Source, labelled: bool, image: str, objects: str, shapes: bool = False, *,
    convention: str | None = None, images: str | Path | None = None,
) -> SourceRows | None:  # fmt: skip
    """Return the rows of annotation files and their images; None where the core is to read them.

    Args:
        source: a file or folder, a list of files, or split -> file, folder or list.
        labelled: whether objects are needed; without, rows have images alone.
        image, objects: names of the columns.
        shapes: whether objects have a key "shape": their outline as COCO's RLE, or None.
        convention: of boxes in metadata.jsonl, recognised where it is None, and in COCO json, where
            it is xywh if None. Other formats have their own: a note says that it is not used.
        images: a folder where images are looked for, too.

    Raises:
        DataError: all faults of the files at once; there are images, but no annotations.
    """
    folder = Path(images) if images is not None else None
    if folder is not None and not folder.is_dir():
        raise DataError(Fault("options.images", f"{folder} is no folder"))
    reader = Reader(objects, Wanted(labelled, shapes, folder, checked(convention)))
    if isinstance(source, str):
        found = _of_path(reader, source)
    elif isinstance(source, Mapping):
        if not all(map(split_name, source)):
            return None  # the core says which name is no split
        parts = [(name, _of_paths(reader, paths)) for name, paths in source.items()]
        found = _together([(name, one and one.as_one(split_name(name))) for name, one in parts])
    else:
        found = _of_paths(reader, source)
    return None if found is None else source_rows(found, image, objects, reader.wanted)


def _of_path(reader: Reader, text: str) -> Found | None:
    if text.startswith(("hub:", "plugin:")):
        return None
    path = Path(text)
    found = None
    if os.path.isdir(path):
        found = reader.folder(path)
    elif os.path.isfile(path):
        found = reader.file(path, "", Tree(path.parent))
    wanted = reader.wanted.convention
    if found is not None and reader.wanted.labelled and wanted is not None:
        # No fault: a model of one format may be evaluated on rows of another.
        own = FIXED.get(found.form)
        if own is not None and wanted not in own:
            found.notes.append(f"{found.form}: {OPTION} is not used, the format has its own boxes")
    return found


def _of_paths(reader: Reader, paths: str | list[str]) -> Found | None:
    """Return what paths hold together, in one split; None where they are of no format."""
    given = [paths] if isinstance(paths, str) else paths
    parts = [(text, _of_path(reader, text)) for text in given]
    return _together([(text, one and one.as_one("")) for text, one in parts])


def _together(parts: list[tuple[str, Found | None]]) -> Found | None:
    """Return what several paths hold; None where none of them is of a format.

    Raises:
        DataError: some of them are, and others are not.
    """
    found = [one for _, one in parts if one is not None]
    if not found:
        return None
    if len(found) < len(parts):
        what = f"is in none of the formats, others are {found[0].form}. {KNOWN}"
        raise DataError([Fault(name, what) for name, one in parts if one is None])
    first, *others = found
    for one in others:
        if one.form not in first.form:
            first.form += f" and {one.form}"
        first.merge(one)
    return first
