"""Files of panoptic segmentation: COCO's json with a folder of PNG files, and metadata.jsonl."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.data.sources import ALIASES, split_named
from toolkit.errors import DataError, Fault
from toolkit.plugin_types import SourceRows
from toolkit.utils.text import listing
from toolkit_plugins.vision.annotations import coco, metadata
from toolkit_plugins.vision.annotations.files import FileError, Tree, json_of
from toolkit_plugins.vision.annotations.forms import MOST_FAULTS
from toolkit_plugins.vision.segmentation.panoptic_forms import (
    PNG,
    SEGMENTS,
    Read,
    read_coco,
    read_table,
)

if TYPE_CHECKING:
    from toolkit.recipe.schema import Source
    from toolkit_plugins.vision.segmentation.options import SegmentationOptions

MOST_JSON = 50  # files of a folder from which on these are no annotations of whole sets
WANTED = (
    "kind: panoptic needs a COCO panoptic json (annotations with segments_info) and its folder of "
    "PNG files of segment ids, or metadata.jsonl with file_name, a PNG file and segments_info; for "
    "masks of classes choose kind: semantic, for outlines of objects kind: instance"
)


def read(source: Source, labelled: bool, options: SegmentationOptions) -> SourceRows | None:
    """Return images, PNG files of ids and segments; None where the core is to read a table.

    Args:
        labelled: whether segments are needed; without, rows have images alone.

    Raises:
        DataError: all faults of the files at once; there are images, but no panoptic annotations.
    """
    found = Read(labelled)
    taken = [_part(found, Path(path), name) for name, path in _parts(source)]
    if not any(taken):
        return _others(source, labelled, options)
    faults = found.faults.list()
    if not all(taken):
        faults.append(Fault(str(source), f"some of these files have no segments. {WANTED}"))
    if not faults and not any(found.rows.values()):
        faults = [Fault(listing(map(str, found.files), 3), "holds no image with segments")]
    if faults:
        raise DataError(faults[: MOST_FAULTS + 1])
    there = {name: found.rows.get(name, []) for name in ALIASES}
    there["train"] = [*there["train"], *found.rows.get("", [])]
    rows = {name: _dataset(of, labelled, options) for name, of in there.items() if of}
    notes = [
        f"{name}: {' and '.join(found.forms)}, {len(of):,} images" for name, of in rows.items()
    ]
    for split, tally in found.tallies.items():
        notes += [f"{split or 'train'}: {note}" for note in tally.notes()]
    pngs = [Path(png) for of in there.values() for _, png, _ in of if labelled and png]
    return SourceRows(rows, [*found.files, *pngs], notes)


def _parts(source: Source) -> list[tuple[str, str]]:
    """Return (split, path); "" where none is named, [] where there are no paths."""
    if isinstance(source, str):
        return [] if source.startswith(("hub:", "plugin:")) else [("", source)]
    if isinstance(source, Mapping):
        named = [(split_named(name), path) for name, path in source.items()]
        if any(name is None for name, _ in named):
            return []  # the core says which name is no split
        return [(str(name), one) for name, path in named
                for one in ([path] if isinstance(path, str) else path)]  # fmt: skip
    return [("", path) for path in source]


def _part(found: Read, path: Path, split: str) -> bool:
    """Read a file or folder; return whether it is of one of the forms."""
    if path.is_dir():
        tree = Tree(path)
        wholes = _wholes(tree)
        tables = [] if wholes else [one for one in tree.ending(".jsonl") if _is_table(one)]
    elif path.is_file():
        tree, value = Tree(path.parent), _panoptic(path)
        wholes = {} if value is None else {path: value}
        tables = [path] if _is_table(path) else []
    else:
        return False
    for file, content in wholes.items():
        read_coco(found, file, content, split or metadata.split_of(file, tree), tree)
    for file in tables:
        read_table(found, file, split or metadata.split_of(file, tree), tree)
    return bool(wholes or tables)


def _wholes(tree: Tree) -> dict[Path, Mapping[str, Any]]:
    """Return the panoptic files of a folder and their contents.

    Those that are named so are enough: files of boxes and captions are large.
    """
    every = tree.ending(".json")
    named = [path for path in every if "panoptic" in path.stem.lower()]
    some = named or (every if len(every) <= MOST_JSON else [])
    found = ((path, _panoptic(path)) for path in some)
    return {path: value for path, value in found if value is not None}


def _panoptic(path: Path) -> Mapping[str, Any] | None:
    """Return the content of a COCO panoptic json; None for any other file."""
    if path.suffix.lower() != ".json":
        return None
    try:
        value = json_of(path)
    except FileError:
        return None
    whole = coco.is_coco(value) and coco.other_kind(value) == coco.PANOPTIC
    return value if whole else None


def _is_table(path: Path) -> bool:
    keys = metadata.keys_of(path) if path.suffix.lower() in (".jsonl", ".ndjson") else []
    return metadata.FILE in keys and any(key in keys for key in SEGMENTS)


def segment_features() -> Any:
    """Return the feature of a column of segments as `read` gives it."""
    import datasets

    yes_no = datasets.Value("bool")
    return datasets.List({"id": datasets.Value("int64"), "label": datasets.Value("string"),
                          "thing": yes_no, "crowd": yes_no})  # fmt: skip


def _dataset(rows: Iterable[Any], labelled: bool, options: SegmentationOptions) -> Any:
    import datasets

    images, pngs, segments = zip(*rows, strict=True)
    text = datasets.Value("string")
    data: dict[str, Any] = {options.image: list(images)}
    kinds: dict[str, Any] = {options.image: text}
    if labelled:
        data |= {PNG: list(pngs), str(options.objects): list(segments)}
        kinds |= {PNG: text, str(options.objects): segment_features()}
    return datasets.Dataset.from_dict(data, datasets.Features(kinds))


def _others(source: Source, labelled: bool, options: SegmentationOptions) -> SourceRows | None:
    """Return images to predict; None where the core is to read a table.

    Raises:
        DataError: segments are needed, and a folder has images alone, or other annotations.
    """
    from toolkit_plugins.vision import annotations

    if not labelled:
        return annotations.read(source, False, options.image, str(options.objects), shapes=True)
    for _, path in _parts(source):
        if Path(path).is_dir() and Tree(Path(path)).images:
            raise DataError(Fault(str(path), WANTED))
        if Path(path).suffix.lower() == ".json" and _is_other_coco(Path(path)):
            raise DataError(Fault(str(path), WANTED))
    return None


def _is_other_coco(path: Path) -> bool:
    try:
        return coco.is_coco(json_of(path))
    except FileError:
        return False
