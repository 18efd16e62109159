"""Average precision and recall of boxes for images that count any number of times.

Precision changes for the better at hits alone, so that these are all that a curve needs, with the
number of predictions before each. All classes and overlaps are computed in one pass over arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from toolkit.evaluation.metrics.base import Array, Floats
from toolkit.evaluation.metrics.box_scene import HIT, IGNORED, RANGES, Scene
from toolkit.plugin_types import Ints

FEW = 0.2  # share of images with a weight, below which others are taken out first
RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, eq=False)
class _Places:
    """Where each image stands in an array of images."""

    order: Ints
    start: Ints

    @classmethod
    def made(cls, column: Ints, images: int) -> _Places:
        order = np.argsort(column, kind="stable")
        return cls(order, np.searchsorted(column[order], np.arange(images + 1)))

    def of(self, images: Ints) -> Ints:
        """Return the places of some images, ascending."""
        parts = [self.order[self.start[image] : self.start[image + 1]] for image in images]
        return np.sort(np.concatenate([np.zeros(0, np.int64), *parts]))


@dataclass(frozen=True, eq=False)
class Curves:
    """The precision-recall curves of each class (segments: class by class, each threshold).

    images, classes, thresholds: how many. seen: the image of each prediction that counts, in
    falling order of score, one stream after the other. hit_image, hit_at: of each hit its image,
    and its place in `seen`; start: where the segment's hits begin, and last their number.
    stream: where the stream of each segment begins in `seen`. of, kind: image and class of each
    actual box that counts.
    """

    images: int
    classes: int
    thresholds: int
    seen: Ints
    hit_image: Ints
    hit_at: Ints
    start: Ints
    stream: Ints
    of: Ints
    kind: Ints

    @classmethod
    def made(cls, scene: Scene, area: str, thresholds: Sequence[int]) -> Curves:
        """Return those for a range of areas and some of `THRESHOLDS`, by number."""
        number = list(RANGES).index(area)
        verdicts = scene.verdicts[number][list(thresholds)]
        order = np.lexsort((-scene.score, scene.label))  # stable: of equal scores the first image
        ends = np.searchsorted(scene.label[order], np.arange(len(scene.labels) + 1))
        seen, hits, stream, length = list[Ints](), list[Ints](), list[int](), 0
        for low, high in pairwise(ends):
            places = order[low:high]
            found = verdicts[:, places]
            counts = found != IGNORED
            alike = bool((counts == counts[:1]).all())
            for level in range(len(found)):
                if level == 0 or not alike:
                    kept = found[level:] if alike else found[level : level + 1]
                    kept = kept[:, counts[level]]
                    here = scene.image[places[counts[level]]]
                    # After the last hit nothing changes.
                    here = here[: 1 + np.flatnonzero((kept == HIT).any(0)).max(initial=-1)]
                    begin, length = length, length + len(here)
                    seen.append(here)
                stream.append(begin)
                hits.append(begin + np.flatnonzero(found[level][counts[level]] == HIT))
        every = np.concatenate([np.zeros(0, np.int64), *seen])
        at = np.concatenate([np.zeros(0, np.int64), *hits]).astype(np.int64)
        start = np.cumsum([0, *map(len, hits)])
        counted = ~scene.ignored[number]
        return cls(
            scene.images, len(scene.labels), len(verdicts), every, every[at], at, start,
            np.array(stream, np.int64), scene.of[counted], scene.kind[counted],
        )  # fmt: skip

    @property
    def width(self) -> int:
        """How many values a computation visits for each image."""
        visited = len(self.seen) + len(self.hit_at) + len(RECALLS) * self.classes * self.thresholds
        return 1 + visited // max(self.images, 1)

    def actual(self, weights: Floats) -> Floats:
        """Return how many actual boxes each class has, shape (classes,)."""
        return np.bincount(self.kind, weights[self.of], self.classes).astype(np.float64)

    def images_of(self) -> Array:
        """Return which images have an actual box of each class that has any, as 0 or 1."""
        found = np.zeros((self.classes, self.images), bool)
        found[self.kind, self.of] = True
        return found[found.any(axis=1)]

    def recall(self, weights: Floats) -> Floats:
        """Return the share of actual boxes that are found, shape (classes, thresholds).

        NaN where there are none.
        """
        sums = np.concatenate([[0.0], np.cumsum(weights[self.hit_image])])[self.start]
        return self._ratio(
            np.diff(sums).reshape(self.classes, self.thresholds), self.actual(weights)[:, None]
        )

    def average_precision(self, weights: Floats) -> Floats:
        """Return the mean precision at 101 recalls, shape (classes, thresholds).

        NaN where there is no actual box. weights: whole numbers, shape (images,).
        """
        if np.count_nonzero(weights) < FEW * self.images:
            return self._of(np.flatnonzero(weights)).average_precision(weights)
        actual = self.actual(weights)
        hits, best = self.points(weights)
        needed = _least_hits(actual)[np.repeat(np.arange(self.classes), self.thresholds)]
        begin, end = self.start[:-1, None], self.start[1:, None]
        before = np.concatenate([[0.0], hits])[begin]
        at = np.maximum(np.searchsorted(hits, before + needed), begin)
        reached = at < end
        values = np.where(reached, np.append(best, 0.0)[np.where(reached, at, len(best))], 0.0)
        found = values.mean(axis=1).reshape(self.classes, self.thresholds)
        return np.where(actual[:, None] > 0, found, np.nan)

    def _of(self, images: Ints) -> Curves:
        """Return these curves with the predictions and actual boxes of some images alone."""
        hits, seen, there = (index.of(images) for index in self._places)
        return replace(
            self, images=0, seen=self.seen[seen], hit_image=self.hit_image[hits],
            hit_at=np.searchsorted(seen, self.hit_at[hits]),
            start=np.searchsorted(hits, self.start), stream=np.searchsorted(seen, self.stream),
            of=self.of[there], kind=self.kind[there],
        )  # fmt: skip

    @cached_property
    def _places(self) -> tuple[_Places, _Places, _Places]:
        columns = self.hit_image, self.seen, self.of
        first, second, third = (_Places.made(column, self.images) for column in columns)
        return first, second, third

    def points(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return of each hit the number of hits up to it, and the best precision from there on.

        The first goes on from segment to segment; precision is that of the hit's own segment.
        """
        hits = np.cumsum(weights[self.hit_image])
        total = np.concatenate([[0.0], np.cumsum(weights[self.seen])])
        counts = np.diff(self.start)
        before = np.repeat(np.concatenate([[0.0], hits])[self.start[:-1]], counts)
        seen = total[self.hit_at + 1] - np.repeat(total[self.stream], counts)
        precision = self._ratio(hits - before, seen, 0.0)
        # One running maximum for all: each segment, seen from behind, lies above those before it.
        step = np.repeat(2.0 * np.arange(len(counts))[::-1], counts)
        return hits, np.maximum.accumulate((precision + step)[::-1])[::-1] - step

    @staticmethod
    def _ratio(over: Floats, under: Floats, otherwise: float = np.nan) -> Floats:
        over, under = np.broadcast_arrays(over, under)
        found: Floats = np.full(over.shape, otherwise)
        return np.divide(over, under, out=found, where=under > 0)


def _least_hits(actual: Floats) -> Floats:
    """Return how many hits reach each recall, shape (classes, recalls), as floats compare them."""
    count = np.maximum(actual, 1)[:, None]
    found = np.ceil(RECALLS * count)
    found -= (found - 1) / count >= RECALLS
    found += found / count < RECALLS
    return found


def curve(scene: Scene, label: int, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """Return recall and best precision of a class after each of its hits, at an IoU of 0.5."""
    found = Curves.made(scene, "all", [0])
    ones = np.ones(scene.images) if weights is None else weights
    hits, best = found.points(ones)
    low, high = found.start[label], found.start[label + 1]
    before = hits[low - 1] if low else 0.0
    return (hits[low:high] - before) / max(found.actual(ones)[label], 1.0), best[low:high]
