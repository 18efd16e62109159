"""A classical detector: blobs of a threshold on colour or grey, told apart by size and colour."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.evaluation.metrics.base import Array, Floats
from toolkit.evaluation.metrics.box_matching import RIGHT
from toolkit.plugin_types import Baseline, BaselineData, BaselineResult, Prediction, Row
from toolkit.tasks.boxes import found, geometry, images
from toolkit.tasks.boxes.baselines import judged
from toolkit.utils.logging import quiet_fit

SMALLEST = 1e-4  # share of the image that a blob's box has at least
MOST = 100  # blobs of a threshold, the largest
OTHERS = 40  # blobs of a training image that are no object, of which some are drawn
OVERLAP = 0.5  # IoU from which on two boxes of a class are one
IMAGES = 300  # of validation that the threshold is chosen on
SIDE = 320  # pixels that the longest side is reduced to, by a whole factor
OTHER = ""  # label of blobs that are no object
Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Blobs:
    """The blobs of an image: boxes as shares of it (corners), and what is known of each."""

    boxes: Floats
    features: Floats


class ThresholdBlobs(Baseline):
    """Connected regions of Otsu's thresholds on saturation and grey, classified by their look.

    Each region is described by place, size, form and mean colour; a logistic regression on those
    of training says which class it is, or none. The threshold is chosen on validation.

    Args:
        plugin: a `BoxesPlugin`, whose module imports this one.
    """

    name = "threshold_blobs"

    def __init__(self, plugin: Any) -> None:
        self.plugin = plugin

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Fit on the training images that there is time for; predict as many of test."""
        end = time.monotonic() + seconds
        features, labels, used = self._training(data, end - 0.6 * seconds)
        model = fitted(features, labels)
        threshold = found.USUAL
        if data.validation is not None:
            order = np.random.default_rng(0).permutation(len(data.validation))[:IMAGES]
            rows = data.validation.select(order)
            known = [*self._found(model, rows, threshold, end - 0.4 * seconds)]
            few = rows.select(range(len(known))).to_list()
            threshold = judged(self.plugin, few, known)[1]
        tested = data.test.select(data.test_order)
        predictions = [*self._found(model, tested, threshold, end)]
        rows_of_test = data.test_order[: len(predictions)]
        return BaselineResult(predictions, rows_of_test, used)

    def _training(self, data: BaselineData, end: float) -> tuple[Floats, list[str], int]:
        """Return what is known of the blobs of training, their labels, and how many images."""
        features, labels, used = [np.zeros((0, FEATURES))], list[str](), 0
        rng = np.random.default_rng(0)
        for row in _rows(data.train.select(data.train_order)):
            read = images.pixels_of(row[self.plugin.image])
            used += 1
            if read is not None:
                blobs = blobs_of(read[0])
                names = self._labels(blobs, row, read[1])
                others = [place for place, name in enumerate(names) if name == OTHER]
                left_out = set(rng.permutation(others)[OTHERS:].tolist())
                kept = [place for place in range(len(names)) if place not in left_out]
                features.append(blobs.features[kept])
                labels += [names[place] for place in kept]
            if time.monotonic() > end:
                break
        return np.concatenate(features), labels, used

    def _labels(self, blobs: Blobs, row: Row, size: Size) -> list[str]:
        """Return the label of the object that each blob overlaps most, or OTHER."""
        objects = [one for one in row.get(self.plugin.target) or () if not one.get("crowd")]
        boxes = np.array([one["box"] for one in objects], np.float64).reshape(-1, 4)
        overlaps = geometry.ious(blobs.boxes * np.tile(size, 2), boxes)
        if not objects:
            return [OTHER] * len(blobs.boxes)
        best = overlaps.argmax(axis=1)
        return [str(objects[at]["label"]) if row_of[at] >= RIGHT else OTHER
                for at, row_of in zip(best, overlaps, strict=True)]  # fmt: skip

    def _found(self, model: Any, rows: Any, threshold: float, end: float) -> Iterator[Prediction]:
        """Yield predictions until the time is over, but at least one."""
        for row in _rows(rows):
            read = images.pixels_of(row[self.plugin.image])
            if read is None or model is None:
                yield found.split([], threshold)
            else:
                yield found.split(_objects(model, *read), threshold, self.plugin.most)
            if time.monotonic() > end:
                return


def _rows(split: Any) -> Iterator[Row]:
    for place in range(len(split)):  # one by one: each holds a file
        yield split[place]


def _objects(model: Any, pixels: Array, size: Size) -> Sequence[found.Found]:
    blobs = blobs_of(pixels)
    if not len(blobs.boxes):
        return []
    shares = model.predict_proba(blobs.features)
    names = [str(name) for name in model.classes_]
    places, numbers = np.nonzero(shares > 0.01)
    known = np.array([names[number] != OTHER for number in numbers], bool)
    places, numbers = places[known], numbers[known]
    boxes = blobs.boxes[places] * np.tile(size, 2)
    scores = shares[places, numbers]
    kept = geometry.suppressed(boxes, scores, numbers, OVERLAP)
    return [(boxes[place].tolist(), names[numbers[place]], float(scores[place]))
            for place in kept]  # fmt: skip


def fitted(features: Floats, labels: Sequence[str]) -> Any:
    """Return a model of the labels' probabilities; None where no blob is an object."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names = set(labels)
    if not names - {OTHER}:
        return None
    if len(names) == 1:  # nothing to tell apart: a blob that is none, far from all others
        features = np.concatenate([features, np.zeros((1, FEATURES))])
        labels = [*labels, OTHER]
    with quiet_fit():
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(
            features, list(labels)
        )


def blobs_of(pixels: Array) -> Blobs:
    """Return the blobs of colours of shape (height, width, 3), bytes."""
    from scipy import ndimage

    colours = _reduced(pixels)
    grey, most = colours.mean(axis=-1), colours.max(axis=-1)
    saturation = np.where(most > 0, 1 - colours.min(axis=-1) / np.maximum(most, 1e-6), 0)
    apart = abs(grey - np.median(grey))
    boxes, features = [np.zeros((0, 4))], [np.zeros((0, FEATURES))]
    for number, values in enumerate((saturation, apart, grey, 1 - grey)):
        if values.max() == values.min():
            continue
        level = otsu(values)
        for mask in (values > level, values > (level + float(values.max())) / 2):
            whole = ndimage.binary_fill_holes(ndimage.binary_opening(mask))
            marked, count = ndimage.label(whole)
            if not count:
                continue
            found_boxes, found_features = _described(marked, count, colours, saturation, number)
            boxes.append(found_boxes)
            features.append(found_features)
    return Blobs(np.concatenate(boxes), np.concatenate(features))


def _reduced(pixels: Array) -> Floats:
    """Return colours from 0 to 1 of an image of at most SIDE pixels, by means of squares."""
    factor = min(-(-max(pixels.shape[:2]) // SIDE), *pixels.shape[:2])
    height, width = (side // factor * factor for side in pixels.shape[:2])
    squares = pixels[:height, :width].reshape(
        height // factor, factor, width // factor, factor, pixels.shape[2]
    )
    return np.asarray(squares.mean(axis=(1, 3), dtype=np.float32) / 255)


FEATURES = 17


def _described(
    marked: Array, count: int, colours: Floats, saturation: Floats, number: int
) -> tuple[Floats, Floats]:
    """Return boxes as shares of the image, and features, of the largest regions of a mask."""
    from scipy import ndimage

    height, width = marked.shape
    slices = ndimage.find_objects(marked)
    edges = np.array([(x.start, y.start, x.stop, y.stop) for y, x in slices], np.float64)
    boxes = edges / (width, height, width, height)
    across, down = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    order = np.argsort(-across * down, kind="stable")
    order = order[(across * down)[order] >= SMALLEST][:MOST]
    places = marked.ravel()
    pixels = np.bincount(places, minlength=count + 1)[1:]
    looks = [np.bincount(places, values.ravel(), count + 1)[1:] / pixels
             for values in (*np.moveaxis(colours, -1, 0), saturation)]  # fmt: skip
    kind = np.tile(np.eye(4)[number], (count, 1))
    area = np.prod(edges[:, 2:] - edges[:, :2], axis=1)
    columns = [across, down, np.log(across * down), np.sqrt(across * down), pixels / area,
               np.log(across * width / (down * height)), (boxes[:, 0] + boxes[:, 2]) / 2,
               (boxes[:, 1] + boxes[:, 3]) / 2, _touching(boxes), *looks]  # fmt: skip
    found_features = np.concatenate([np.stack(columns, axis=1), kind], axis=1)
    return boxes[order], found_features[order]


def _touching(boxes: Floats) -> Floats:
    """Return how many edges of the image each box touches."""
    return np.asarray((boxes[:, :2] <= 0).sum(axis=1) + (boxes[:, 2:] >= 1).sum(axis=1), np.float64)


def otsu(values: Floats) -> float:
    """Return the threshold that parts values into two classes of the least variance (Otsu 1979)."""
    counts, edges = np.histogram(values, 64)
    centres = (edges[:-1] + edges[1:]) / 2
    below, sums = np.cumsum(counts), np.cumsum(counts * centres)
    above = below[-1] - below
    spread = below * above * (
        sums / np.maximum(below, 1) - (sums[-1] - sums) / np.maximum(above, 1)
    ) ** 2  # fmt: skip
    return float(edges[1 + int(spread.argmax())])
