"""Pixels of two masks counted by actual and predicted class, and what is computed of the counts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import numpy as np
import xxhash

from toolkit.errors import UserError
from toolkit.evaluation.mask_files import Classes, decode, ignored_value, mask_in
from toolkit.evaluation.metrics.base import Array, Floats
from toolkit.plugin_types import open_file

Cells = tuple[Array, Array]
STRIP = 1 << 22  # pixels
KEPT = 4096  # rows whose counts are remembered: all metrics of a run read the same masks
_counted: OrderedDict[tuple[bytes, bytes, int], Cells] = OrderedDict()


def confusion(prediction: Any, reference: Any, classes: int) -> Cells:
    """Return the cells of a row's confusion matrix that are not 0, and their pixels.

    A cell is `actual * classes + predicted`.

    Raises:
        UserError: masks of two sizes, or a number that is no class.
    """
    one, other = mask_in(prediction), mask_in(reference)
    key = _key(one), _key(other), classes
    if key not in _counted:
        _counted[key] = _cells(decode(one), decode(other), classes)
        if len(_counted) > KEPT:
            _counted.popitem(last=False)
    _counted.move_to_end(key)
    return _counted[key]


def _key(mask: Any) -> bytes:
    if isinstance(mask, np.ndarray):
        return xxhash.xxh3_128_digest(f"{mask.shape} {mask.dtype}".encode() + mask.tobytes())
    return xxhash.xxh3_128_digest(open_file(mask).read())


def _cells(predicted: Classes, actual: Classes, classes: int) -> Cells:
    check_sizes(predicted, actual)
    counts, ignored = np.zeros(classes * classes, np.int64), ignored_value(actual)
    step = max(1, STRIP // max(1, actual.shape[1]))
    for top in range(0, len(actual), step):  # a strip at a time: cells take 8 bytes a pixel
        rows, columns = actual[top : top + step], predicted[top : top + step]
        counted = rows != ignored
        rows, columns = rows[counted], columns[counted]
        for name, values in (("a reference", rows), ("a prediction", columns)):
            if (most := int(values.max(initial=0))) >= classes:
                last = f"classes are numbered 0 to {classes - 1}"
                raise UserError(f"the mask of {name} holds {most}: {last}")
        counts += np.bincount(rows.astype(np.intp) * classes + columns, minlength=len(counts))
    there = np.flatnonzero(counts)
    return there, counts[there]


def check_sizes(predicted: Classes, actual: Classes) -> None:
    """Raise UserError where two masks are not of one size."""
    if predicted.shape != actual.shape:
        shapes = [f"{width} x {height}" for height, width in (predicted.shape, actual.shape)]
        raise UserError(f"a predicted mask is {shapes[0]} pixels, the actual one {shapes[1]}")


def total(pairs: Iterable[tuple[Any, Any]], classes: int) -> Array:
    """Return the confusion matrix of all rows, int64 (actual class, predicted class)."""
    found = np.zeros(classes * classes, np.int64)
    for prediction, reference in pairs:
        cells, pixels = confusion(prediction, reference, classes)
        found[cells] += pixels
    return found.reshape(classes, classes)


def ious(matrix: Array) -> Floats:
    """Return TP / (TP + FP + FN) of each class, Jaccard (1912); NaN for one that is not there."""
    return _ratio(np.diagonal(matrix), matrix.sum(0) + matrix.sum(1) - np.diagonal(matrix))


def dices(matrix: Array) -> Floats:
    """Return 2 TP / (2 TP + FP + FN) of each class, Dice (1945); NaN for one that is not there."""
    return _ratio(2 * np.diagonal(matrix), matrix.sum(0) + matrix.sum(1))


def recalls(matrix: Array) -> Floats:
    """Return the share of each class's pixels that are predicted so; NaN for one that has none."""
    return _ratio(np.diagonal(matrix), matrix.sum(1))


def precisions(matrix: Array) -> Floats:
    """Return the share of the pixels predicted as each class that are right; NaN without any."""
    return _ratio(np.diagonal(matrix), matrix.sum(0))


def _ratio(over: Array, under: Array) -> Floats:
    found: Floats = np.full(len(under), np.nan)
    np.divide(over, under, out=found, where=under > 0)
    return found


def mean(values: Floats) -> float:
    """Return the mean of those that are known; NaN where none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
