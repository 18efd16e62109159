"""What panoptic annotations say: COCO's json of segments, and metadata.jsonl of Hugging Face."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing, nearest
from toolkit_plugins.vision.annotations import metadata
from toolkit_plugins.vision.annotations.build import lost
from toolkit_plugins.vision.annotations.files import Tree
from toolkit_plugins.vision.annotations.forms import Faults, Tally
from toolkit_plugins.vision.segmentation.panoptic_places import Finder

PNG = "segment_ids"  # the column of PNG files of ids
PNGS = (PNG, "panoptic", "panoptic_mask", "panoptic_seg", "pan_seg", "mask", "label", "annotation",
        "segmentation")  # fmt: skip
SEGMENTS = ("segments_info", "segments")
FORM, TABLE = "COCO panoptic json", "Hugging Face metadata with segments"
NOT_FOUND = "images, or their PNG files of ids, are not found: left out"
NO_ANNOTATION = "images have no annotation: left out"


@dataclass
class Read:
    """What files hold. rows: split -> (image, PNG file or None, segments)."""

    labelled: bool
    rows: dict[str, list[tuple[str, str | None, list[dict[str, Any]]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    files: list[Path] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    forms: dict[str, None] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)


def read_coco(found: Read, path: Path, value: Mapping[str, Any], split: str, tree: Tree) -> None:
    """Read a COCO panoptic json: a PNG file of ids for each image, and its segments."""
    found.forms[FORM] = None
    found.files.append(path)
    categories = _categories(found, path, value.get("categories"))
    images = {_key(one.get("id")): one for one in value["images"] if isinstance(one, Mapping)}
    given = [one for one in value["annotations"] if isinstance(one, Mapping)]
    of: dict[str, Mapping[str, Any]] = {}
    finder, missing = Finder(path, tree, split), list[str]()
    for place, entry in enumerate(given):
        here, key = f"annotations[{place}]", _key(entry.get("image_id"))
        if key not in images:
            what = f"image_id {entry.get('image_id')!r} is of no image that the file lists"
            found.faults.add(path.name, here, what)
        elif key in of:
            what = f"is a second one of the image {entry.get('image_id')!r}"
            found.faults.add(path.name, here, what)
        else:
            of[key] = entry
            segments = _segments(found, path, here, entry.get("segments_info"), categories)
            pair = finder.pair(images[key].get("file_name"), entry.get("file_name"), found.labelled)
            if pair is None:
                missing.append(str(images[key].get("file_name")))
            else:
                found.rows[split].append((*pair, segments))
    _tell_missing(found, path, split, missing, len(given))
    for key, one in images.items():
        if key not in of:
            found.tallies[split].add(NO_ANNOTATION, str(one.get("file_name")))


def _key(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _tell_missing(found: Read, path: Path, split: str, missing: Sequence[str], total: int) -> None:
    what = "images, or their PNG files of segment ids, are not found"
    if not lost(found.faults, path.name, what, missing, total):
        for name in missing:
            found.tallies[split].add(NOT_FOUND, name)


def _categories(found: Read, path: Path, given: Any) -> dict[str, tuple[str, bool | None]]:
    """Return id -> name, and whether it is a thing; None where that is not said."""
    names: dict[str, tuple[str, bool | None]] = {}
    for place, entry in enumerate(given if isinstance(given, list) else []):
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if not isinstance(entry, Mapping) or entry.get("id") is None or name in (None, ""):
            found.faults.add(path.name, f"categories[{place}]", "has no id or no name")
            continue
        thing = entry.get("isthing")
        names[_key(entry["id"])] = str(name).strip(), None if thing is None else bool(thing)
    if not names:
        found.faults.add(path.name, "", "has no list `categories`: the classes have no names")
    for name, count in Counter(name for name, _ in names.values()).items():
        if count > 1:
            what = f"{count} categories are named {name!r}: names tell classes apart"
            found.faults.add(path.name, "categories", what)
    return names


def _segments(
    found: Read, path: Path, here: str, given: Any, names: Mapping[str, tuple[str, bool | None]]
) -> list[dict[str, Any]]:
    segments = []
    for place, one in enumerate(given if isinstance(given, list) else []):
        where = f"{here}.segments_info[{place}]"
        if not isinstance(one, Mapping) or not isinstance(one.get("id"), int):
            found.faults.add(path.name, where, "has no id, a whole number")
            continue
        key = _key(one.get("category_id"))
        if names and key not in names:
            what = (f"category_id {one.get('category_id')!r} is none of the categories. Known: "
                    f"{listing(names, 20)}.{nearest(key, names)}")  # fmt: skip
            found.faults.add(path.name, where, what)
            continue
        label, thing = names.get(key, ("", None))
        crowd = one.get("iscrowd") in (1, True, "1")
        segments.append({"id": one["id"], "label": label, "thing": thing, "crowd": crowd})
    return segments


def read_table(found: Read, path: Path, split: str, tree: Tree) -> None:
    """Read metadata.jsonl: file_name, a PNG file of ids, and segments."""
    found.forms[TABLE] = None
    found.files.append(path)
    rows = list(metadata.rows_in(path, found.faults))
    finder, missing = Finder(path, tree, split), list[str]()
    for place, row in enumerate(rows, 1):
        png = next((row[key] for key in PNGS if isinstance(row.get(key), str)), None)
        if found.labelled and png is None:
            found.faults.add(path.name, f"line {place}", f"has no PNG file in {listing(PNGS, 9)}")
            continue
        image, of_ids = (path.parent / str(name) for name in (row.get(metadata.FILE), png))
        pair: tuple[str, str | None] | None = str(image), str(of_ids)
        if not image.is_file() or (found.labelled and not of_ids.is_file()):
            pair = finder.pair(row.get(metadata.FILE), png, found.labelled)
        if pair is None:
            missing.append(str(row.get(metadata.FILE)))
            continue
        given: Any = next((row[key] for key in SEGMENTS if key in row), [])
        found.rows[split].append((*pair, segments_in(given, f"{path.name}, line {place}")))
    _tell_missing(found, path, split, missing, len(rows))


def segments_in(given: Any, where: str) -> list[dict[str, Any]]:
    """Return segments of a table as {"id", "label", "thing", "crowd"}.

    Args:
        given: a list of {"id", "category_id" or a name ("label", "category", "category_name"),
            "iscrowd", "isthing"}. where: for faults.

    Raises:
        DataError: something else.
    """
    found = []
    for place, one in enumerate(given or []):
        names = ("label", "category", "category_name", "name", "category_id", "label_id")
        known = one if isinstance(one, Mapping) else {}
        label = next((known[key] for key in names if known.get(key) not in (None, "")), None)
        if not isinstance(known.get("id"), int) or label is None:
            what = f"segment {place + 1} has no id or no category: {str(one)[:80]}"
            raise DataError(Fault(where, what))
        thing = next((known[key] for key in ("isthing", "thing") if known.get(key) is not None),
                     None)  # fmt: skip
        crowd = any(known.get(key) in (1, True, "1") for key in ("iscrowd", "crowd"))
        found.append({"id": known["id"], "label": str(label).strip(), "crowd": crowd,
                      "thing": None if thing is None else bool(thing)})  # fmt: skip
    return found
