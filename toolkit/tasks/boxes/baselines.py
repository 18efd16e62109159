"""The baseline of boxes that look at no image: those that are frequent in training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from toolkit.evaluation.baselines import row_batches
from toolkit.evaluation.metrics.base import Floats
from toolkit.evaluation.metrics.box_curves import Curves
from toolkit.evaluation.metrics.box_matching import RIGHT
from toolkit.evaluation.metrics.box_scene import Scene
from toolkit.plugin_types import Baseline, BaselineData, BaselineResult, Prediction, Row
from toolkit.tasks.boxes import found, geometry, images
from toolkit.tasks.boxes.thresholds import Sweep
from toolkit.utils.text import counted

CLUSTERS = (1, 2, 4, 8, 16)  # of the boxes of a class, of which validation chooses
BOXES = 5000  # of a class that are clustered
IMAGES = 2000  # of validation


class Sized(NamedTuple):
    """A row's boxes as shares of its image: centre x and y, width, height; and their labels."""

    boxes: Floats
    labels: Sequence[str]


@dataclass(frozen=True)
class Placed:
    """Boxes that are placed on each image, as shares of it, with labels and scores.

    threshold: of the score from which on a box is an object.
    """

    boxes: Floats
    labels: Sequence[str]
    scores: Sequence[float]
    threshold: float = found.USUAL

    def on(self, size: tuple[int, int] | None, most: int) -> Prediction:
        """Return the prediction for an image of a size; where it is not known, no box."""
        if size is None:
            return found.split([], self.threshold)
        whole = geometry.clip(geometry.from_centres(self.boxes, size), size)
        return found.split(zip(whole, self.labels, self.scores, strict=True), self.threshold, most)


class FrequentBoxes(Baseline):
    """The same boxes on each image: the centres of clusters of each class's training boxes.

    Boxes are relative to the size of the image. A box's score is the share of training images in
    which it is right. How many clusters there are is chosen by AP50 on validation, and so is the
    threshold.

    Args:
        plugin: a `BoxesPlugin`, whose module imports this one.
    """

    name = "frequent_boxes"

    def __init__(self, plugin: Any) -> None:
        self.plugin = plugin

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Fit on the training images that there is time for, and predict all of test."""
        end = time.monotonic() + seconds
        sized, used = self._sized(data.train.select(data.train_order), end - 0.5 * seconds)
        placed, setting = Placed(np.zeros((0, 4)), (), ()), "no training image can be read"
        if sized:
            options = [(count, self._placed(sized, count)) for count in self._counts(sized)]
            placed, setting = self._chosen(options, data, end - 0.2 * seconds)
        predictions = [placed.on(images.size_of(row[self.plugin.image]), self.plugin.most)
                       for rows in row_batches(data.test.select(data.test_order))
                       for row in rows]  # fmt: skip
        return BaselineResult(predictions, data.test_order, used, setting)

    def _sized(self, rows: Any, end: float) -> tuple[list[Sized], int]:
        """Return the boxes of images whose size can be read, and how many were looked at."""
        kept, done = [], 0
        for some in row_batches(rows):
            done += len(some)
            for row in some:
                size = images.size_of(row[self.plugin.image])
                if size is not None:
                    kept.append(sized(row.get(self.plugin.target) or (), size))
            if time.monotonic() > end:
                return kept, done
        return kept, done

    @staticmethod
    def _counts(sized: Sequence[Sized]) -> list[int]:
        most = max((list(one.labels).count(label) for one in sized for label in set(one.labels)),
                   default=1)  # fmt: skip
        return [count for count in CLUSTERS if count <= 4 * most]

    def _placed(self, sized: Sequence[Sized], count: int) -> Placed:
        """Return the centres of so many clusters of each class, or of as many as it has boxes."""
        boxes, labels, scores = [np.zeros((0, 4))], list[str](), list[float]()
        for label in sorted({label for one in sized for label in one.labels}):
            parts = [one.boxes[[name == label for name in one.labels]] for one in sized]
            of_label = np.concatenate(parts)
            owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
            centres = clustered(of_label[:BOXES], count)
            near = geometry.ious(_corners(centres), _corners(of_label)) >= RIGHT
            boxes.append(centres)
            labels += [label] * len(centres)
            scores += [len(np.unique(owner[row])) / len(sized) for row in near]
        return Placed(np.concatenate(boxes), labels, scores)

    def _chosen(
        self, options: Sequence[tuple[int, Placed]], data: BaselineData, end: float
    ) -> tuple[Placed, str]:
        """Return the option of the best AP50 on validation, with its threshold; or the first."""
        rows = [] if data.validation is None else data.validation.select(
            range(min(IMAGES, len(data.validation)))).to_list()  # fmt: skip
        best: tuple[float, Placed, str] | None = None
        sizes = [images.size_of(row[self.plugin.image]) for row in rows]
        for count, placed in options:
            if best is not None and time.monotonic() > end:
                break
            score, threshold = judged(self.plugin, rows, [placed.on(s, self.plugin.most)
                                                          for s in sizes])  # fmt: skip
            if best is None or score > best[0]:
                with_threshold = Placed(placed.boxes, placed.labels, placed.scores, threshold)
                best = score, with_threshold, f"{counted(count, 'boxes')} per class"
        return (best[1], best[2]) if best else (options[0][1], "")


def judged(
    plugin: Any, rows: Sequence[Row], predictions: Iterable[Prediction]
) -> tuple[float, float]:
    """Return AP50 (0 where it is not known), and the threshold of the best F1."""
    scene = Scene.of_pairs(zip(predictions, plugin.references(rows), strict=True))
    score = Curves.made(scene, "all", [0]).average_precision(np.ones(scene.images))
    known = score[~np.isnan(score)]
    threshold = Sweep.of(scene).best()
    return (float(known.mean()) if len(known) else 0.0,
            found.USUAL if threshold is None else threshold)  # fmt: skip


def sized(objects: Iterable[Any], size: tuple[int, int]) -> Sized:
    """Return a row's boxes as shares of the image; crowds are left out."""
    kept = [one for one in objects if not one.get("crowd")]
    boxes = np.array([one["box"] for one in kept], np.float64).reshape(-1, 4)
    return Sized(geometry.to_centres(boxes, size), [str(one["label"]) for one in kept])


def clustered(boxes: Floats, count: int) -> Floats:
    """Return the centres of at most so many clusters of boxes."""
    from sklearn.cluster import KMeans

    different = np.unique(boxes, axis=0)
    if len(different) <= count:
        return different
    fitted: Callable[..., Any] = KMeans(count, n_init=1, random_state=0).fit
    centres: Floats = np.asarray(fitted(boxes).cluster_centers_)
    return centres


def _corners(boxes: Floats) -> Floats:
    return geometry.from_centres(boxes, (1, 1))
