"""What is wrong with objects over the threshold, and the images and objects worth looking at.

The kinds are those of TIDE (Bolya et al. 2020, A General Toolbox for Identifying Object Detection
Errors), of which a wrong object has the first that fits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.evaluation.metrics.base import Array
from toolkit.evaluation.metrics.box_matching import RIGHT, at_threshold, overlaps

NEAR = 0.1  # IoU below which a wrong box has to do with no object
KINDS = ("right", "duplicate", "wrong class", "poor overlap", "wrong class, poor overlap",
         "background")  # fmt: skip
MISSED = "missed"
Pairs = Iterable[tuple[Any, Any]]


def kinds(prediction: Mapping[str, Any], reference: Mapping[str, Any]) -> tuple[list[str], int]:
    """Return the kind of each object ("" where it is ignored), and how many objects are missed.

    Missed are those that no wrong object stands for, be it by its class or its place.
    """
    matches, missed, _ = at_threshold(prediction, reference)
    actual = reference["objects"]
    crowd = np.array([bool(one.get("crowd")) for one in actual], bool)
    shared = overlaps(prediction["objects"], actual, crowd)
    found, covered = list[str](), set[int]()
    for one, match, row in zip(prediction["objects"], matches, shared, strict=True):
        if match != -1:
            found.append("right" if match >= 0 else "")
            continue
        own = np.array([str(other["label"]) == str(one["label"]) for other in actual], bool)
        kind, place = _kind(np.where(crowd, 0.0, row), own)
        found.append(kind)
        covered |= {place} if kind not in ("duplicate", "background") else set()
    return found, len(set(missed) - covered)


def _kind(overlaps: Array, own: Array) -> tuple[str, int]:
    """Return the kind of a wrong object, and the number of the actual one that it stands for."""
    if not len(overlaps):
        return "background", -1
    same, other = np.where(own, overlaps, 0.0), np.where(own, 0.0, overlaps)
    for kind, values, least in (("duplicate", same, RIGHT), ("wrong class", other, RIGHT),
                                ("poor overlap", same, NEAR),
                                ("wrong class, poor overlap", other, NEAR)):  # fmt: skip
        if values.max() >= least:
            return kind, int(values.argmax())
    return "background", -1


def totals(pairs: Pairs) -> Counter[str]:
    """Return kind -> objects."""
    counts: Counter[str] = Counter()
    for pair in pairs:
        found, missed = kinds(*pair)
        counts.update(kind for kind in found if kind)
        counts[MISSED] += missed
    return counts


def galleries(pairs: Pairs, limit: int = 12) -> dict[str, list[Any]]:
    """Return what is worth looking at, at most `limit` of each, the worst first.

    Returns:
        "worst": numbers of the rows with the most wrong and missed objects for those there are;
        "false_positives": (row, predicted object) by falling score; "missed": (row, actual
        object) that no right object stands for, the largest first.
    """
    rows, wrong, missed = list[tuple[float, int, int]](), list[Any](), list[Any]()
    for row, (prediction, reference) in enumerate(pairs):
        matches, lost, counted = at_threshold(prediction, reference)
        errors = matches.count(-1) + len(lost)
        right = len(counted) - len(lost)
        if errors:
            rows.append((right / (right + errors), -errors, row))
        wrong += [(row, one) for one, match in zip(prediction["objects"], matches, strict=True)
                  if match == -1]  # fmt: skip
        missed += [(row, reference["objects"][place]) for place in lost]
    return {
        "worst": [row for *_, row in sorted(rows)[:limit]],
        "false_positives": sorted(wrong, key=lambda pair: -pair[1]["score"])[:limit],
        "missed": sorted(missed, key=lambda pair: -_area(pair[1]["box"]))[:limit],
    }


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
