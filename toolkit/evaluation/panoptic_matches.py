"""Segments of an image matched with the actual ones, and counted by class.

Kirillov et al. (2019), Panoptic Segmentation, CVPR: a predicted and an actual segment of one class
match where their IoU is above 0.5, so that each has one match at most. Pixels where nothing is
known (void) are left out of unions. Predicted segments that lie for more than half in void, or in
crowds of their class, are not counted; crowds are not missed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash

from toolkit.evaluation import panoptic_files
from toolkit.evaluation.metrics import mask_overlap
from toolkit.evaluation.metrics.base import Array
from toolkit.evaluation.pixel_counts import check_sizes
from toolkit.plugin_types import open_file

MATCH = 0.5  # IoU above which segments match, and the share in void above which none is counted
KEPT = 4096  # rows whose counts are remembered: all metrics of a run count the same segments
_counted: OrderedDict[bytes, dict[str, Counts]] = OrderedDict()


@dataclass
class Counts:
    """Of a class in an image: matches and the sum of their IoUs; wrong and missed segments."""

    thing: bool
    iou: float = 0.0
    matched: int = 0
    wrong: int = 0
    missed: int = 0


def counts(prediction: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Counts]:
    """Return label -> counts of a row.

    Args:
        prediction: {"mask": a PNG of ids, "segments": [{"id", "label", "isthing"}]}.
        reference: {"objects": [{"label", "thing", "crowd", "mask": an RLE}]}, which do not
            overlap; pixels in none of them are void.

    Raises:
        UserError: masks of two sizes.
    """
    key = _key(prediction, reference)
    if key not in _counted:
        _counted[key] = _counts(prediction, reference)
        if len(_counted) > KEPT:
            _counted.popitem(last=False)
    _counted.move_to_end(key)
    return _counted[key]


def _key(prediction: Mapping[str, Any], reference: Mapping[str, Any]) -> bytes:
    key = xxhash.xxh3_128(open_file(prediction["mask"]).read())
    parts = [(one["id"], one["label"], one["isthing"]) for one in prediction["segments"]]
    key.update(repr(parts).encode())
    for one in reference["objects"]:
        rle = one.get("mask") or {"size": (), "counts": ""}
        key.update(f"{one['label']!r} {one.get('thing')} {one.get('crowd')} {rle}".encode())
    return key.digest()


def _counts(prediction: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Counts]:
    segments = prediction["segments"]
    objects = [one for one in reference["objects"] if one.get("mask")]
    ids = panoptic_files.decode(prediction)
    shared = _shared(ids, [one["id"] for one in segments], objects)
    found: dict[str, Counts] = {}
    for one in objects:
        found.setdefault(str(one["label"]), Counts(bool(one["thing"])))
    for one in segments:
        found.setdefault(str(one["label"]), Counts(bool(one["isthing"])))
    crowd = np.array([bool(one.get("crowd")) for one in objects], bool)
    of = [np.array([str(one["label"]) for one in side], object) for side in (objects, segments)]
    same = of[0][:, None] == of[1][None]
    inner, void = shared[1:, 1:], shared[0, 1:]
    actual, predicted = shared[1:].sum(1), shared[:, 1:].sum(0)
    unions = actual[:, None] + (predicted - void)[None] - inner
    ious = np.where(same & ~crowd[:, None], inner / np.maximum(unions, 1), 0.0)
    rows, columns = np.nonzero(ious > MATCH)
    for row, column in zip(rows, columns, strict=True):
        own = found[of[0][row]]
        own.iou, own.matched = own.iou + float(ious[row, column]), own.matched + 1
    for row in np.flatnonzero(~crowd):
        found[of[0][row]].missed += row not in rows
    uncounted = void + (inner * (same & crowd[:, None])).sum(0)
    for column in np.flatnonzero((predicted > 0) & (uncounted <= MATCH * predicted)):
        found[of[1][column]].wrong += column not in columns
    return {label: own for label, own in found.items() if own.matched + own.wrong + own.missed}


def _shared(ids: Array, known: list[int], objects: list[Mapping[str, Any]]) -> Array:
    """Return pixels by actual and predicted segment, each after 0: void, and no segment.

    Shape (objects + 1, segments + 1).
    """
    numbers = mask_overlap.numbered(objects)
    numbers = np.zeros(ids.shape, np.int32) if numbers is None else numbers
    check_sizes(ids, numbers)
    order = np.argsort(np.array(known, np.int64), kind="stable")
    ordered = np.array(known, np.int64)[order]
    places = np.searchsorted(ordered, ids.ravel()).clip(max=max(len(known) - 1, 0))
    columns = np.zeros(ids.size, np.int64)
    if len(known):
        columns = np.where(ordered[places] == ids.ravel(), order[places] + 1, 0)
    width = len(known) + 1
    cells = np.bincount(numbers.ravel() * np.int64(width) + columns,
                        minlength=(len(objects) + 1) * width)  # fmt: skip
    return cells.reshape(len(objects) + 1, width)
