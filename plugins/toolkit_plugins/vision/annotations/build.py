"""Images with objects as rows of a table, and the notes on them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.errors import DataError, Fault
from toolkit.plugin_types import SourceRows
from toolkit.utils.text import counted, listing
from toolkit_plugins.vision.annotations.cells import in_edges
from toolkit_plugins.vision.annotations.clean import clean, place
from toolkit_plugins.vision.annotations.forms import (
    MOST_FAULTS,
    Faults,
    Found,
    Item,
    Tally,
    Thing,
    Wanted,
    listed,
    names_alike,
)

if TYPE_CHECKING:
    pass

SEVERAL = "images have several annotations: their objects are joined"
IN_BOTH = "images are also in annotations that name no split: those are not used"
ORDER = ("train", "validation", "test")


def features(shapes: bool) -> Any:
    """Return the feature of a column of objects."""
    import datasets

    number, text = datasets.Value("float64"), datasets.Value("string")
    fields: dict[str, Any] = {
        "box": datasets.List(number), "label": text, "crowd": datasets.Value("bool"),
        "area": number,
    }  # fmt: skip
    if shapes:
        fields["shape"] = {"size": datasets.List(datasets.Value("int64")), "counts": text}
    return datasets.List(fields)


def cell(things: Sequence[Thing], shapes: bool) -> list[dict[str, Any]]:
    """Return the objects of an image in the form of a row."""
    return [
        {"box": list(thing.box), "label": thing.label, "crowd": thing.crowd, "area": thing.area}
        | ({"shape": thing.shape} if shapes else {})
        for thing in things
    ]


def source_rows(found: Found, image: str, objects: str, wanted: Wanted) -> SourceRows:
    """Return what was read as rows by split: boxes cleaned, counts as notes.

    Raises:
        DataError: all faults of the files, or of whole splits.
    """
    import datasets

    faults = found.faults.list()
    if not faults:
        told = in_edges(found.unsettled, wanted.convention)[1] if found.unsettled else ""
        found.notes += [told] if told else []
    splits = _named(found, wanted.labelled and not faults)
    if not faults:
        for split, (items, tally) in splits.items():
            if wanted.labelled:
                faults += clean(items, tally, split, wanted.shapes)
    if not any(items for items, _ in splits.values()) and not faults:
        faults = [Fault(", ".join(map(str, found.files[:3])), f"{found.form}: holds no image")]
    if wanted.labelled and not faults:
        faults = _without_objects(found, splits)
    if faults:
        raise DataError(faults[: MOST_FAULTS + 1])
    rows = {}
    for split, (items, _) in splits.items():
        data: dict[str, list[Any]] = {image: [str(item.image) for item in items]}
        kinds: dict[str, Any] = {image: datasets.Value("string")}
        if wanted.labelled:
            data[objects] = [cell(item.things, wanted.shapes) for item in items]
            kinds[objects] = features(wanted.shapes)
        rows[split] = datasets.Dataset.from_dict(data, datasets.Features(kinds))
    notes = [line for split, (items, tally) in splits.items()
             for line in _told(found.form, split, items, tally, wanted.labelled)]  # fmt: skip
    labels = [
        thing.label for items, _ in splits.values() for item in items for thing in item.things
    ]
    notes += [*_of_no_split(found), *found.notes, *names_alike(labels)]
    return SourceRows(rows, found.files, notes)


def _named(found: Found, placed: bool) -> Mapping[str, tuple[list[Item], Tally]]:
    """Return the splits under their names: what names none is training data.

    Args:
        placed: whether boxes are put in pixels before those of one image are joined.
    """
    _held_out(found)
    splits: dict[str, tuple[list[Item], Tally]] = {}
    for name in sorted(found.splits, key=lambda n: ORDER.index(n or "train")):
        items, tally = splits.setdefault(name or "train", ([], Tally()))
        items += found.splits[name]
        tally.update(found.tallies[name])
        if not name and len(found.splits) > 1 and found.splits[name]:
            tally.add(
                "images belong to no split by name: used to train", "", len(found.splits[name])
            )
    return {
        name: (_joined(items, tally, placed), tally)
        for name, (items, tally) in splits.items()
        if items
    }


def _held_out(found: Found) -> None:
    """Leave images out of what names no split that validation or test have: all.json, test.json."""
    held = {_key(item): split for split in ("validation", "test")
            for item in found.splits.get(split, ())}  # fmt: skip
    given = found.splits.get("", [])
    kept = [item for item in given if _key(item) not in held]
    if len(kept) < len(given):
        found.splits[""] = kept
        for item in given:
            if split := held.get(_key(item)):
                found.tallies[split].add(IN_BOTH, item.name)


def _joined(items: list[Item], tally: Tally, placed: bool) -> list[Item]:
    """Return each image once, with the objects that all annotations of it name."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(_key(item), []).append(item)
    if len(groups) == len(items):
        return items
    for same in groups.values():
        first, *others = same
        others = [item for item in others if item is not first]
        if not others:
            continue
        if placed:  # their sizes and units may differ
            place([first, *others], tally)
        tally.add(SEVERAL, first.name)
        for item in others:
            first.things += item.things
    return [same[0] for same in groups.values()]


def _key(item: Item) -> str:
    return os.path.abspath(str(item.image))  # a link to an image is another image


def _without_objects(found: Found, splits: Mapping[str, tuple[list[Item], Tally]]) -> list[Fault]:
    there = {s: sum(len(item.things) for item in items) for s, (items, _) in splits.items()}
    first = next(iter(splits))
    if there[first]:
        return []
    counts = "; ".join(note for _, tally in splits.values() for note in tally.notes())
    what = f"{found.form}: none of {len(splits[first][0]):,} images has an object. {counts}".strip()
    return [Fault(first, what)]


def _told(form: str, split: str, items: list[Item], tally: Tally, labelled: bool) -> list[str]:
    if not labelled:
        return [f"{form}, {counted(len(items), 'images')}", *tally.notes()]
    things = [thing for item in items for thing in item.things]
    empty = sum(not item.things for item in items)
    labels = {thing.label for thing in things}
    counts = (counted(len(items), "images"), counted(len(things), "objects"),
              counted(len(labels), "classes"))  # fmt: skip
    first = "{}: {}, {}, {} of {} ({})".format(split, form, *counts, listed(labels))
    if empty:
        kept = "is" if empty == 1 else "are"
        first += f"; {counted(empty, 'images without objects')} {kept} kept"
    return [first, *(f"{split}: {note}" for note in tally.notes())]


def _of_no_split(found: Found) -> list[str]:
    """Return the counts of splits without images: of files whose images a list puts elsewhere."""
    return [note for split, tally in found.tallies.items() if not found.splits.get(split)
            for note in tally.notes()]  # fmt: skip


def lost(faults: Faults, where: object, what: str, names: Sequence[str], total: int) -> bool:
    """Add a fault where most of something is lost; return whether it is."""
    if len(names) <= total * 0.5:
        return False
    shown = listing(names, 5)
    faults.add(where, "", f"{len(names):,} of {total:,} {what}: {shown}")
    return True
