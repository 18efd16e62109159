"""Scores of masks: a class for each pixel, from one confusion matrix of pixels over a split.

Predictions are {"mask": a PNG of class numbers}, references as well, or the PNG alone; pixels that
a reference ignores count nowhere. What is drawn for an interval are images: the pixels of one are
no independent observations.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Features, List, Value
from scipy import sparse

from toolkit.errors import UserError
from toolkit.evaluation.metrics.base import Floats, RowMetric
from toolkit.evaluation.pixel_counts import confusion, dices, ious, mean, recalls
from toolkit.utils.text import listing, nearest


@dataclass(frozen=True)
class Matrices:
    """The confusion matrices of all rows, sparse: (rows, classes * classes)."""

    cells: Any
    classes: int

    def total(self, weights: Floats) -> Floats:
        """Return their sum, of shape (classes, classes)."""
        return np.asarray(self.cells.T @ weights).reshape(self.classes, self.classes)


class MaskMetric(RowMetric):
    """A metric of the confusion matrix of all pixels.

    Args:
        classes: how many there are, numbered from 0. positive: the number of the foreground, of
            two; by default the last. name: of the result; by default the class's.
    """

    bounds = (0.0, 1.0)

    def __init__(
        self,
        classes: int,
        positive: int | None = None,
        name: str | None = None,
        **evaluate_kwargs: Any,
    ) -> None:
        self._name, self.count = name, classes
        self.positive = classes - 1 if positive is None else positive
        super().__init__(**evaluate_kwargs)

    @property
    def name(self) -> str:
        """The key of the result."""
        return self._name or str(super().name)

    def stored(self) -> Features:
        """Return the features of cells and their pixels, of those that are not 0."""
        return Features(predictions=List(Value("int32")), references=List(Value("int64")))

    def encode(self, predictions: Any, references: Any) -> tuple[Any, Any]:
        found = [confusion(*pair, self.count) for pair in zip(predictions, references, strict=True)]
        return [cells.tolist() for cells, _ in found], [pixels.tolist() for _, pixels in found]

    def rows(self, predictions: Any, references: Any) -> Matrices:
        cells, pixels = predictions.combine_chunks(), references.combine_chunks()
        lengths = pixels.value_lengths().to_numpy(zero_copy_only=False)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        values = pixels.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
        parts = (values, cells.flatten().to_numpy(zero_copy_only=False), starts)
        shape = (len(lengths), self.count**2)
        return Matrices(sparse.csr_array(parts, shape=shape), self.count)

    def statistic(self, rows: Matrices, weights: Floats) -> float:
        matrix = rows.total(weights)
        return self.value(matrix) if matrix.any() else float("nan")

    @abstractmethod
    def value(self, matrix: Floats) -> float:
        """Return the value of a confusion matrix (actual, predicted) that is not empty."""

    def width(self, rows: Matrices) -> int:
        return max(1, int(rows.cells.nnz) // max(1, int(rows.cells.shape[0])))

    def classes(self, rows: Matrices) -> Any:
        """Return in which images each class occurs, of those that the value is a mean over.

        A class that is predicted alone has a score of 0 in whatever is drawn.
        """
        names = self.counted(rows.total(np.ones(rows.cells.shape[0])))
        if names is None:
            return None
        of = [rows.cells[:, [n * self.count + k for k in range(self.count)]].sum(1) for n in names]
        return np.array([np.asarray(pixels).ravel() > 0 for pixels in of])

    def counted(self, matrix: Floats) -> Sequence[int] | None:
        """Return the classes that the value rests on one by one; None: on all pixels alike."""
        return [int(place) for place in np.flatnonzero(matrix.sum(1))]


class MeanIou(MaskMetric):
    """Mean over classes of the intersection over union; classes that are nowhere are left out.

    Of one matrix over the split, not the mean over images: Everingham et al. (2015), The Pascal
    Visual Object Classes Challenge: A Retrospective, section 4.
    """

    source = "Everingham et al. (2015), International Journal of Computer Vision 111:98-136"

    def value(self, matrix: Floats) -> float:
        return mean(ious(matrix))


class MeanDice(MaskMetric):
    """Mean over classes of the Dice coefficient, which is F1 of the pixels."""

    source = "Dice (1945), Ecology 26:297-302"

    def value(self, matrix: Floats) -> float:
        return mean(dices(matrix))


class MeanAccuracy(MaskMetric):
    """Mean over classes of the share of their pixels that are right (recall)."""

    source = "Long et al. (2015), Fully Convolutional Networks for Semantic Segmentation"

    def value(self, matrix: Floats) -> float:
        return mean(recalls(matrix))


class PixelAccuracy(MaskMetric):
    """Share of the pixels that are right."""

    source = MeanAccuracy.source

    def value(self, matrix: Floats) -> float:
        return float(np.trace(matrix) / matrix.sum())

    def counted(self, matrix: Floats) -> Sequence[int] | None:
        return None


class Foreground(MaskMetric):
    """Intersection over union (`iou`) or Dice (`dice`) of the foreground, of two classes.

    NaN where no pixel is, nor is predicted as, foreground.
    """

    def __init__(
        self, classes: int, positive: int | None = None, name: str = "iou", **evaluate_kwargs: Any
    ) -> None:
        if classes != 2:
            what = f"{name} is of the foreground, one of two classes, and there are {classes}"
            raise UserError(f"{what}; take mean_{name}")
        super().__init__(classes, positive, name, **evaluate_kwargs)

    def value(self, matrix: Floats) -> float:
        return float((dices if self.name == "dice" else ious)(matrix)[self.positive])

    def counted(self, matrix: Floats) -> Sequence[int]:
        return [self.positive]


def names() -> list[str]:
    """Return the names that `load` knows."""
    return [*_KINDS, "boundary_f1"]


_KINDS: dict[str, type[MaskMetric]] = {
    "mean_iou": MeanIou,
    "pixel_accuracy": PixelAccuracy,
    "mean_accuracy": MeanAccuracy,
    "mean_dice": MeanDice,
    "iou": Foreground,
    "dice": Foreground,
}


def load(name: str, classes: int, positive: int | None = None) -> RowMetric:
    """Return a fresh metric.

    Args:
        classes, positive: see `MaskMetric`.

    Raises:
        UserError: no such metric, or one that does not fit the number of classes.
    """
    if name == "boundary_f1":
        from toolkit.evaluation.metrics.boundaries import BoundaryF1

        return BoundaryF1(classes)
    if name not in _KINDS:
        known = names()
        raise UserError(
            f"there is no metric {name!r}.{nearest(name, known)} Metrics: {listing(known)}"
        )
    return _KINDS[name](classes, positive, name=name)
