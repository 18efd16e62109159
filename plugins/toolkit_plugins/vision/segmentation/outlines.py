"""Objects with outlines as rows of instance segmentation, and as masks of their numbers."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import DataError, Fault
from toolkit.evaluation.metrics import mask_overlap
from toolkit.plugin_types import ReshapedRows, SourceRows
from toolkit.utils.text import counted
from toolkit_plugins.vision.canvas import IGNORED

if TYPE_CHECKING:
    import datasets

    from toolkit.recipe.schema import Source
    from toolkit_plugins.vision.segmentation.options import SegmentationOptions

NUMBERS = "numbers"  # the column of masks of object numbers
MOST = IGNORED - 1  # objects of an image that a mask can number: 0 is none of them
FORMATS = "COCO, YOLO, LabelMe or CVAT"
BOXES = (
    f"none of the objects has an outline: kind: instance needs polygons or masks ({FORMATS}); for "
    "boxes choose the scenario object-detection"
)
CLASSES = (
    f"has masks of classes, kind: instance needs the outline of each object ({FORMATS}): choose "
    "options.kind: semantic for these masks"
)


def read(source: Source, labelled: bool, options: SegmentationOptions) -> SourceRows | None:
    """Return images with objects and their outlines, from files of annotations.

    Raises:
        DataError: there are images with masks of classes, or what `annotations.read` raises.
    """
    from toolkit_plugins.vision import annotations, masks

    column = options.objects or ""
    try:
        found = annotations.read(source, labelled, options.image, column, shapes=True)
    except DataError:
        if labelled and _has_masks(source, options):
            raise DataError(Fault(str(source), CLASSES)) from None
        raise
    if found is None and labelled and masks.read(source, labelled, options.image, "mask"):
        raise DataError(Fault(str(source), CLASSES))
    return found


def _has_masks(source: Source, options: SegmentationOptions) -> bool:
    from toolkit_plugins.vision import masks

    try:
        return masks.read(source, True, options.image, "mask") is not None
    except DataError:
        return False


def reshaped(rows: datasets.Dataset, split: str, options: SegmentationOptions) -> ReshapedRows:
    """Return rows with clean objects; the area of one is that of its mask.

    Objects without an outline are regions that count neither as right nor as wrong, like crowds.

    Raises:
        DataError: no object has an outline; what `annotations.reshaped` raises.
    """
    from toolkit_plugins.vision import annotations

    column = options.objects or ""
    found = annotations.reshaped(rows, split, options.image, column)
    if column not in found.rows.column_names:
        return found  # the core says which columns are missing
    counts: Counter[str] = Counter()
    for batch in found.rows.select_columns([column]).iter(1000):
        for objects in batch[column]:
            counts += _counts(objects or ())
    if counts["objects"] and not counts["outlines"]:
        raise DataError(Fault(f"{split}, {column}", BOXES))
    made = found.rows.map(_cleaned, fn_kwargs={"column": column})
    notes = [
        f"{split}: {counted(counts[name], what)}" for name, what in TOLD.items() if counts[name]
    ]
    return ReshapedRows(made, found.dropped, [*found.notes, *notes])


TOLD = {
    "boxes": "objects have a box and no outline: they are ignored, as crowds are",
    "empty": "objects have an outline without a pixel: left out",
    "beyond": f"objects are not trained on: an image can have {MOST}, the largest ones",
}


def _counts(objects: Sequence[Mapping[str, Any]]) -> Counter[str]:
    shapes = [one["shape"] for one in objects if has_outline(one)]
    areas = mask_overlap.areas(shapes)
    return Counter(
        objects=len(objects), outlines=len(shapes), boxes=len(objects) - len(shapes),
        empty=int((areas == 0).sum()), beyond=max(int((areas > 0).sum()) - MOST, 0),
    )  # fmt: skip


def has_outline(one: Mapping[str, Any]) -> bool:
    """Return whether an object has an outline."""
    shape = one.get("shape")
    return bool(shape) and shape["counts"] is not None  # type: ignore[index]


def _cleaned(row: dict[str, Any], column: str) -> dict[str, Any]:
    kept = []
    for one in row[column] or ():
        if not has_outline(one):
            kept.append({**one, "crowd": True})
        elif (area := float(mask_overlap.areas([one["shape"]])[0])) > 0:
            kept.append({**one, "area": area})
    return {column: kept}


def numbered(
    rows: Mapping[str, Sequence[Any]], column: str, ids: Mapping[str, int]
) -> dict[str, Any]:
    """Return of each row a PNG with the number of the object at each pixel, and their classes.

    Numbers begin with 1, 0 is no object; small objects lie over large ones. Crowds and classes that
    `ids` lacks are no objects here.

    Returns:
        {"numbers": image cells, "class_labels": of each row, the class of each object}.
    """
    from PIL import Image

    cells, labels = [], []
    for objects in rows[column]:
        known = [one for one in objects or ()
                 if has_outline(one) and not one.get("crowd") and one["label"] in ids]  # fmt: skip
        known = sorted(known, key=lambda one: -(one.get("area") or 0.0))[:MOST]
        size = known[0]["shape"]["size"] if known else (1, 1)
        mask = np.zeros(tuple(size), np.uint8)
        for number, one in enumerate(known, 1):
            mask[mask_overlap.decoded(one["shape"]).astype(bool)] = number
        file = io.BytesIO()
        Image.fromarray(mask).save(file, "png", compress_level=1)
        cells.append({"bytes": file.getvalue(), "path": None})
        labels.append([ids[one["label"]] for one in known])
    return {NUMBERS: cells, "class_labels": labels}
