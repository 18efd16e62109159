"""Folders of images and masks as rows: which mask is that of which image, and of which split."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.data.sources import ALIASES, split_named
from toolkit.errors import DataError, Fault
from toolkit.plugin_types import SourceRows
from toolkit.utils.text import counted, listing
from toolkit_plugins.vision.masks import legends
from toolkit_plugins.vision.masks.pairing import SHOWN, Pairs, pair
from toolkit_plugins.vision.masks.places import (
    IMAGES,
    MASK_SUFFIXES,
    Place,
    place_of,
)  # fmt: skip

if TYPE_CHECKING:
    import datasets

MOST_LOST = 0.5  # share of images or masks without a partner, above which they are no pairs
TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
FORM = "images beside their masks"


def read(source: Any, labelled: bool, image: str, mask: str) -> SourceRows | None:
    """Return the rows of a folder of images and masks, or of one for each split.

    None is returned for anything else: tables, and folders of images alone. The columns hold
    absolute paths; that of masks is there only if `labelled`. Else files are left out as masks
    only where folders are named for images and for masks: a photo may be called a_l.jpg.

    Raises:
        DataError: most images or masks have no partner, or some have several.
    """
    roots = _roots(source)
    if roots is None:
        return None
    pairs, roles = Pairs(), set[str]()
    for split, root in roots.items():
        places = _places(root)
        if any((folder / name).is_file() for name in TABLES
               for folder in [root, *(p for p in root.iterdir() if p.is_dir())]):  # fmt: skip
            return None
        roles |= {place.role for place in places}
        pair(places, split, root, pairs)
    if not pairs.count and not pairs.several and not _is_meant(pairs):
        return None
    if not labelled:
        if not {"image", "mask"} <= roles:
            return None
        images = {name: sorted(pairs.every[name]) for name in ALIASES if pairs.every.get(name)}
        return SourceRows({name: _rows({image: own}) for name, own in images.items()})
    shown = listing(map(str, roots.values()))
    _refuse(pairs, shown)
    there = {name: sorted(pairs.found[name]) for name in ALIASES if pairs.found.get(name)}
    folders = dict.fromkeys(path.parent for own in there.values() for _, path in own)
    rows = {name: _rows({image: [first for first, _ in own], mask: [other for _, other in own]})
            for name, own in there.items()}  # fmt: skip
    return SourceRows(
        rows, legends.candidates(folders), [*_told(pairs, there, shown), *pairs.notes]
    )


def _roots(source: Any) -> dict[str, Path] | None:
    """Return split -> folder, with "" for one that may hold several splits."""
    if isinstance(source, str) and Path(source).is_dir():
        return {"": Path(source).absolute()}
    if (
        isinstance(source, Mapping)
        and source
        and all(isinstance(path, str) and Path(path).is_dir() for path in source.values())
    ):
        named = {split_named(name): Path(path).absolute() for name, path in source.items()}
        if None not in named and len(named) == len(source):
            return {str(name): path for name, path in named.items()}
    return None


def _places(root: Path) -> list[Place]:
    """Return the files below a folder that may be images or masks; no hidden ones."""
    found, seen = list[Path](), set[str]()
    for top, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(top)
        again = real in seen  # a link that leads back
        seen.add(real)
        folders[:] = (
            []
            if again
            else sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        )
        found += [Path(top, name) for name in files if not again and not name.startswith(".")]
    return [place_of(path, root) for path in sorted(found)
            if path.suffix.lower() in MASK_SUFFIXES and path.is_file()]  # fmt: skip


def _is_meant(pairs: Pairs) -> bool:
    """Return whether there are masks by their folders, though none has an image."""
    return bool(pairs.masks) and any(
        {part.lower() for part in path.parts} & IMAGES
        for own in pairs.images.values() for path in own
    )  # fmt: skip


def _is_voc(pairs: Pairs) -> bool:
    """Return whether the folders are those of Pascal VOC."""
    folders = [own[0][1].parent.name for own in pairs.found.values() if own]
    return any(name.lower().startswith("segmentationclass") for name in folders)


def _refuse(pairs: Pairs, where: str) -> None:
    """Raise DataError where files are no pairs."""
    faults = list(pairs.several[:SHOWN])
    if len(pairs.several) > SHOWN:
        faults.append(Fault(where, f"{len(pairs.several) - SHOWN:,} more have several masks"))
    read = set(pairs.found)
    for kind, left in (("images", pairs.images), ("masks", pairs.masks)):
        other = "mask" if kind == "images" else "image"
        if kind == "images" and _is_voc(pairs):
            continue  # it has masks for some of its images
        lost = [path for name, own in left.items() if name in read or not read for path in own]
        if len(lost) > MOST_LOST * (len(lost) + pairs.count):
            what = (f"{len(lost):,} of {len(lost) + pairs.count:,} {kind} have no {other} of the "
                    f"same name: {listing((p.name for p in lost), SHOWN)}")  # fmt: skip
            faults.append(Fault(where, what))
    if faults:
        example = next((p for own in pairs.masks.values() for p in own), None)
        hint = "masks are called as their images (a.jpg: a.png, a_mask.png)"
        more = f", not {example.name}" if example else ""
        raise DataError([*faults, Fault("", hint + more)])


def _told(pairs: Pairs, there: Mapping[str, Sequence[tuple[Path, Path]]], where: str) -> list[str]:
    counts = ", ".join(f"{len(own):,} {name}" for name, own in there.items())
    notes = [f"{where}: {FORM} ({counts})"]
    for kind, left in (("images without a mask", pairs.images),
                       ("masks without an image", pairs.masks)):  # fmt: skip
        for split, paths in left.items():
            if paths:
                names = listing((path.name for path in paths), SHOWN)
                notes.append(f"{split}: {counted(len(paths), kind)}, skipped: {names}")
    if pairs.skipped:
        names = listing((path.name for path in pairs.skipped), SHOWN)
        notes.append(f"{counted(len(pairs.skipped), 'files of no split')}, skipped: {names}")
    return notes


def _rows(columns: Mapping[str, Sequence[Path]]) -> datasets.Dataset:
    import datasets

    return datasets.Dataset.from_dict({k: list(map(str, paths)) for k, paths in columns.items()})
