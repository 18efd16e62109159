"""How many pixels and images of each class there are: for weights of classes, and for notes."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import DataError, Fault
from toolkit.evaluation.baselines import row_batches
from toolkit.evaluation.mask_files import decode, ignored_value
from toolkit.evaluation.metrics.base import Array, Floats
from toolkit.plugin_types import Row
from toolkit.utils.text import counted, listing

if TYPE_CHECKING:
    import datasets

SHOWN = 5  # rows that are named
FEW = 0.001  # share of pixels below which a class is called rare
STRIP = 1 << 22  # pixels that are counted together: each takes 8 bytes then
SPLITS = 8  # whose counts are remembered: copies of a plugin ask for them again
_known: OrderedDict[tuple[str, str, int], PixelCounts] = OrderedDict()


@dataclass(frozen=True)
class PixelCounts:
    """Of the rows of a split: pixels and images of each class, shape (classes,).

    together: all counted pixels of the images in which a class is. ignored: pixels that are not
    counted. rows: with a mask.
    """

    pixels: Array
    images: Array
    together: Array
    ignored: int
    rows: int

    @classmethod
    def of(
        cls, rows: datasets.Dataset, mask: Callable[[Row], Any], classes: int, where: str
    ) -> PixelCounts:
        """Count them, decoding each mask once.

        Args:
            mask: what gives a row's, None for one without. where: the split, for faults.

        Raises:
            DataError: a number that is no class.
        """
        pixels, images, together = np.zeros((3, classes), np.int64)
        ignored, wrong, count = 0, list[tuple[int, int]](), 0
        for row, found in enumerate(_counted(rows, mask)):
            if found is None:
                continue
            ignored, count = ignored + found[-1], count + 1
            own = np.pad(found[:-1], (0, max(0, classes + 1 - len(found))))
            if own[classes:].any():
                wrong.append((row, int(np.flatnonzero(own)[-1])))
                continue
            pixels += own[:classes]
            images += own[:classes] > 0
            together += np.where(own[:classes] > 0, own.sum(), 0)
        if wrong:
            raise DataError(list(_faults(wrong, classes, where)))
        return cls(pixels, images, together, int(ignored), count)

    @property
    def shares(self) -> Floats:
        """The share of each class of the counted pixels."""
        return np.asarray(self.pixels / max(1, self.pixels.sum()), np.float64)

    def balanced(self, power: float = 1.0) -> list[float]:
        """Weights by median frequency balancing (Eigen and Fergus 2015), 1 in the mean of pixels.

        They are raised to a power before; 0.5 is milder. A class's frequency is its share of the
        pixels of the images in which it is. One that is nowhere has the weight 1.
        """
        there = self.pixels > 0
        frequency = self.pixels / np.maximum(self.together, 1)
        weights = np.ones(len(self.pixels))
        if there.any():
            weights[there] = (np.median(frequency[there]) / frequency[there]) ** power
            weights[there] /= float(weights @ self.shares)
        return [float(weight) for weight in weights]

    def notes(self, split: str, names: Sequence[str], train: PixelCounts) -> Iterator[str]:
        """Yield what is to be known of a split's classes. train: the counts of the training rows.

        Classes that have few pixels are named for train alone.
        """
        missing = [name for name, n in zip(names, self.pixels, strict=True) if not n]
        if missing:
            what = "the model cannot learn them" if self is train else "no score is of them"
            yield f"{split}: no pixel of {listing(missing, 10)}: {what}"
        if self is train:
            found = zip(names, self.shares, self.images, strict=True)
            rare = [f"{name} ({share:.2%} of the pixels, {counted(n, 'images')})"
                    for name, share, n in found if 0 < share < FEW]  # fmt: skip
            if rare:
                yield f"{split}: rare classes: {listing(rare, 10)}"
        if self.ignored:
            share = self.ignored / (self.ignored + int(self.pixels.sum()))
            yield f"{split}: {share:.1%} of the pixels are ignored, as their masks say"


def counts_of(
    rows: datasets.Dataset, mask: Callable[[Row], Any], classes: int, where: str, column: str
) -> PixelCounts:
    """Return what `PixelCounts.of` does, once for the same rows and column."""
    key = rows._fingerprint, column, classes
    if key not in _known:
        _known[key] = PixelCounts.of(rows.select_columns([column]), mask, classes, where)
        if len(_known) > SPLITS:
            _known.popitem(last=False)
    return _known[key]


def _counted(rows: datasets.Dataset, mask: Callable[[Row], Any]) -> Iterator[Array | None]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for batch in row_batches(rows):
            yield from pool.map(_count, map(mask, batch))


def _count(cell: Any) -> Array | None:
    """Return the pixels of each number in a mask, and last those that are ignored."""
    if cell is None:
        return None
    classes = decode(cell)
    most = ignored_value(classes)
    flat = classes.ravel()
    counts = np.zeros(most + 1, np.int64)
    for start in range(0, len(flat), STRIP):
        counts += np.bincount(flat[start : start + STRIP], minlength=most + 1)
    there = np.flatnonzero(counts[:most])
    last = int(there[-1]) + 1 if len(there) else 0
    return np.append(counts[:last], counts[most])


def _faults(wrong: list[tuple[int, int]], classes: int, where: str) -> Iterator[Fault]:
    for row, number in wrong[:SHOWN]:
        what = f"its mask holds {number}: classes are numbered 0 to {classes - 1}"
        yield Fault(f"{where} row {row + 1}", what)
    if len(wrong) > SHOWN:
        yield Fault(where, f"and {len(wrong) - SHOWN:,} more such masks")
