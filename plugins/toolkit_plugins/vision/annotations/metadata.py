"""Image folders of Hugging Face: metadata.jsonl or .csv beside images; csv with a box a row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from toolkit.data.sources import split_named
from toolkit.utils.text import listing
from toolkit_plugins.vision.annotations.build import lost
from toolkit_plugins.vision.annotations.cells import (
    BOXES,
    LABELS,
    TEXTS,
    Labels,
    Layout,
    fill,
    in_edges,
    layout_of,
    parsed,
)
from toolkit_plugins.vision.annotations.files import Images, Tree, head_of, text_of
from toolkit_plugins.vision.annotations.forms import (
    Faults,
    Found,
    Item,
    Thing,
    Wanted,
    number,
    size_of,
)

FORM = "Hugging Face metadata"
ROWS = "csv with a box a row"
FILE = "file_name"
SUFFIXES = (".jsonl", ".ndjson", ".csv")
CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x_min", "y_min", "x_max", "y_max"),
           ("x1", "y1", "x2", "y2"))  # fmt: skip
NAMED = ("filename", "file_name", "image", "image_path", "path", "img_path", "image_id")
NOT_FOUND = "images that rows name are not found: left out"


def kind_of(path: Path, objects: str, labelled: bool) -> str:
    """Return FORM or ROWS for a table of annotated images that lie beside it; "" for others.

    A table of another kind (its images in a column that the options name) is read by the core.
    """
    keys = keys_of(path)
    if path.suffix.lower() == ".csv" and _corners(keys) and any(k in keys for k in NAMED):
        return ROWS
    if FILE not in keys:
        return ""
    inside = objects in keys or any(key in keys for key in BOXES)
    return FORM if inside or (not labelled and path.stem == "metadata") else ""


def keys_of(path: Path) -> list[str]:
    """Return the columns of a table, by its first line."""
    first = next((line for line in head_of(path).splitlines() if line.strip()), "")
    if path.suffix.lower() == ".csv":
        return next(csv.reader([first]), [])
    if len(first) > 1 << 15:  # a long line: its keys are enough
        first = text_of(path).splitlines()[0]
    value = parsed(first) if first.lstrip().startswith("{") else None
    return list(value) if isinstance(value, Mapping) else []


def _corners(keys: Sequence[str]) -> tuple[str, ...] | None:
    return next((known for known in CORNERS if all(key in keys for key in known)), None)


def split_of(path: Path, tree: Tree) -> str:
    """Return the split that the name of a table, or of its folder, is."""
    return split_named(path.stem) or tree.split_of(path)


def read(path: Path, split: str, objects: str, root: Path, wanted: Wanted) -> Found:
    """Return the images of a table with a row an image, boxes as they are written there."""
    found = Found(FORM, files=[path])
    rows = list(rows_in(path, found.faults))
    keys = list(dict.fromkeys(key for row in rows for key in row))
    finder = Images(path.parent, [root, wanted.images])
    items, given, missing = list[Item](), [], []
    for place, row in enumerate(rows):
        name = row.get(FILE)
        if not isinstance(name, str) or not name.strip():
            found.faults.add(path.name, f"row {place + 1}", f"has no {FILE}")
            continue
        image = finder.find(name, split)
        if image is None:
            missing.append(name)
            continue
        items.append(Item(image, image.name, size=size_of(row.get("width"), row.get("height"))))
        given.append(row.get(objects) if objects in keys else row)
    _missing(missing, len(rows), path, finder, split, found)
    found.add(split, items)
    if not wanted.labelled or found.faults:
        return found
    layout = _layout(keys, objects, given)
    if layout is None:
        what = f"{objects!r} holds no box: looked for {listing(BOXES)}"
        found.faults.add(path.name, "", what)
        return found
    labels = Labels(layout)
    fixed = fill(items, iter(given), layout, labels, found.faults, found.tallies[split], path.name)
    found.notes += labels.notes(path.name)
    if found.faults:
        return found
    known = layout.convention(fixed, wanted.convention)
    if known:
        in_edges(items, known)
    else:  # recognised together with the other splits: one of few boxes could be read otherwise
        found.unsettled = items
    return found


def _layout(keys: Sequence[str], objects: str, given: Sequence[Any]) -> Layout | None:
    if objects not in keys:
        return layout_of(keys, False)
    some = [parsed(value) for value in given]
    inner = [one for value in some for one in (value if isinstance(value, list) else [value])
             if isinstance(one, Mapping) and one]  # fmt: skip
    there = list(dict.fromkeys(key for one in inner for key in one))
    if not there:
        return Layout("box", "label", None, None, None, None, True)
    return layout_of(there, True)


def _missing(
    missing: Sequence[str], total: int, path: Path, finder: Images, split: str, found: Found
) -> None:
    what = f"images are not found below {finder.near} or beside it"
    if not lost(found.faults, path.name, what, missing, total):
        for name in missing:
            found.tallies[split].add(NOT_FOUND, name)


def rows_in(path: Path, faults: Faults) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a table; lines that are none become faults."""
    text = text_of(path)
    if path.suffix.lower() == ".csv":
        for place, row in enumerate(csv.DictReader(io.StringIO(text)), 2):
            if None in row or None in row.values():
                faults.add(
                    path.name, f"line {place}", "has another number of fields than the header"
                )
            else:
                yield row
        return
    for place, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if isinstance(value, Mapping):
            yield value
        else:
            faults.add(path.name, f"line {place}", "is no object of json")


def read_rows(path: Path, split: str, root: Path, wanted: Wanted) -> Found:
    """Return the images of a csv with a row a box: its corners and its class, in pixels."""
    found = Found(ROWS, files=[path])
    rows = list(rows_in(path, found.faults))
    keys = list(rows[0]) if rows else []
    corners, named = _corners(keys) or (), next((k for k in NAMED if k in keys), "")
    label = next((key for key in (*LABELS, *TEXTS) if key in keys), None)
    if label is None and wanted.labelled:
        found.faults.add(path.name, "", f"has no column of classes: looked for {listing(LABELS)}")
        return found
    finder = Images(path.parent, [root, wanted.images])
    items: dict[str, Item | None] = {}
    for place, row in enumerate(rows, 2):
        name = row[named].strip()
        if name not in items:
            image = finder.find(name, split) or finder.of_stem(name, path.parent, split)
            size = size_of(row.get("width"), row.get("height"))
            items[name] = Item(image, image.name, size=size) if image else None
        item, cells = items[name], [row[key] for key in corners]
        if item is None or not wanted.labelled:
            continue
        if not any(cells):  # keras-retinanet: an image without objects has empty cells
            continue
        box = [number(cell) for cell in cells]
        if None in box or not row[label or ""].strip():
            what = f"has no class, or a corner that is no number: {listing(cells)}"
            found.faults.add(path.name, f"line {place}", what)
            continue
        item.fractions = wanted.convention == "xyxy_normalised"
        left, top, right, bottom = (value or 0.0 for value in box)
        item.things.append(Thing(row[label or ""].strip(), (left, top, right, bottom)))
    _missing([name for name, item in items.items() if item is None], len(items), path, finder,
             split, found)  # fmt: skip
    found.add(split, [item for item in items.values() if item is not None])
    return found
