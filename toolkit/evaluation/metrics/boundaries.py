"""How well the boundaries of regions agree: F1 within a tolerance (Csurka et al. 2013)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from datasets import Features, Value

from toolkit.evaluation.mask_files import Classes, decode, ignored_value
from toolkit.evaluation.metrics.base import Array, RowMetric
from toolkit.evaluation.pixel_counts import check_sizes

TOLERANCE = 0.0075  # of the image's diagonal


class BoundaryF1(RowMetric):
    """Mean over images of the mean over their classes of F1 of boundary pixels.

    A boundary pixel is right where the other mask has one of the same class nearer than 0.75% of
    the image's diagonal. Classes are those of either mask; edges of the image, and of what is
    ignored, are no boundaries. A class that fills both masks counts 1.
    """

    bounds = (0.0, 1.0)
    source = "Csurka et al. (2013), What is a good evaluation measure for semantic segmentation?"

    def __init__(self, classes: int, **evaluate_kwargs: Any) -> None:
        self.count = classes
        super().__init__(**evaluate_kwargs)

    @property
    def name(self) -> str:
        """The key of the result."""
        return "boundary_f1"

    def stored(self) -> Features:
        return Features(predictions=Value("float64"), references=Value("bool"))

    def encode(self, predictions: Any, references: Any) -> tuple[Any, Any]:
        pairs = zip(predictions, references, strict=True)
        found = [of_masks(decode(one), decode(other)) for one, other in pairs]
        return found, [True] * len(found)

    def rows(self, predictions: Any, references: Any) -> Any:
        return predictions.to_numpy()


def of_masks(predicted: Classes, actual: Classes) -> float:
    """Return the mean F1 over the classes of two masks; NaN where all pixels are ignored.

    Raises:
        UserError: masks of two sizes.
    """
    check_sizes(predicted, actual)
    ignored = actual == ignored_value(actual)
    classes = np.union1d(predicted[~ignored], actual[~ignored])
    reach = TOLERANCE * math.hypot(*actual.shape)
    found = [_f1(predicted == one, actual == one, ignored, reach) for one in classes]
    return float(np.mean(found)) if found else math.nan


def _f1(predicted: Array, actual: Array, ignored: Array, reach: float) -> float:
    one, other = (boundary(mask & ~ignored, ignored) for mask in (predicted, actual))
    if not one.any() and not other.any():
        return float(np.array_equal(predicted & ~ignored, actual & ~ignored))
    if not one.any() or not other.any():
        return 0.0
    # Nothing outside the box of both is a boundary, so that a small region costs little.
    box = _box(one | other)
    one, other = one[box], other[box]
    precision, recall = _near(one, other, reach), _near(other, one, reach)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary(mask: Array, ignored: Array) -> Array:
    """Return the pixels of a mask that have a counted pixel of another class beside them."""
    from scipy.ndimage import binary_erosion

    return np.asarray(mask & ~binary_erosion(mask | ignored, border_value=1))


def _near(pixels: Array, others: Array, reach: float) -> float:
    """Return the share of some pixels that are nearer to one of the others than `reach`."""
    from scipy.ndimage import distance_transform_edt

    return float((distance_transform_edt(~others)[pixels] < reach).mean())


def _box(mask: Array) -> tuple[slice, slice]:
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
