"""Baselines of masks: the most frequent class, that of each position, a threshold, and colours."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from toolkit.evaluation.metrics.base import Array, Floats
from toolkit.evaluation.pixel_counts import ious, mean
from toolkit.plugin_types import Baseline, BaselineData, BaselineResult, Ints, Prediction, Row
from toolkit.tasks.masks.png import (
    Classes,
    colours,
    decode,
    dtype_for,
    ignored_value,
    image_size,
    nearest,
)
from toolkit.utils.logging import quiet_fit

if TYPE_CHECKING:
    import datasets

    from toolkit.tasks.masks.pixels import PixelCounts

BATCH = 100  # rows that are read together
GRID = 128  # cells a side, of which each has its own most frequent class
SIDE = 256  # pixels a side, at most, of an image whose pixels are thresholded or classified
FITTING = 0.5  # of a baseline's time; the rest is for predicting
POLARITY_ROWS = 200  # training images that say which side of the threshold is the foreground
PIXELS, PER_IMAGE = 60_000, 200  # that colours are learned from
LEVELS = 256  # of grey


class MaskSource(Protocol):
    """What these baselines ask of a plugin; a mask of class numbers is an array or a file."""

    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def image(self) -> str: ...
    @property
    def target(self) -> str: ...
    def references(self, rows: Sequence[Row]) -> list[Any]: ...
    def counts_of(self, split: str) -> PixelCounts: ...
    def prediction(self, mask: Classes, confidence: float) -> Prediction: ...


class MaskBaseline(Baseline):
    """A baseline that learns from rows one by one, and predicts class shares of each pixel.

    `learn` is given training rows in random order for half of the time; test rows are predicted in
    random order until it is spent.
    """

    def __init__(self, plugin: MaskSource) -> None:
        self.plugin = plugin
        self.count = len(plugin.classes)

    @abstractmethod
    def learn(self, rows: Iterator[tuple[Any, Classes]]) -> int:
        """Fit on cells of images and their masks; return how many were used."""

    @abstractmethod
    def predict(self, image: Any) -> tuple[Classes, float]:
        """Return a mask of any size for the cell of an image, and the mean share of its classes."""

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Fit on train and predict test within about `seconds`."""
        end = time.monotonic() + seconds
        used = self.learn(self._rows(data.train, data.train_order, end - FITTING * seconds))
        predictions, tested = list[Prediction](), self.plugin.image
        for row in _batches(data.test.select_columns([tested]), data.test_order):
            mask, confidence = self.predict(row[tested])
            whole = nearest(mask.astype(dtype_for(self.count)), image_size(row[tested]))
            predictions.append(self.plugin.prediction(whole, confidence))
            if time.monotonic() > end:
                break
        return BaselineResult(predictions, data.test_order[: len(predictions)], used)

    def _rows(
        self, train: datasets.Dataset, order: Ints, end: float
    ) -> Iterator[tuple[Any, Classes]]:
        """Yield images with their masks, at least one, until the time is over."""
        image, target = self.plugin.image, self.plugin.target
        for row in _batches(train.select_columns([image, target]), order):
            reference = self.plugin.references([row])[0]["mask"]
            if reference is not None:
                yield row[image], decode(reference)
            if time.monotonic() > end:
                return


def _batches(rows: datasets.Dataset, order: Ints) -> Iterator[Any]:
    for start, end in pairwise([*range(0, len(order), BATCH), len(order)]):
        yield from rows.select(order[start:end]).to_list()


class Majority(MaskBaseline):
    """Predicts the class with the most training pixels everywhere."""

    name = "majority"

    def learn(self, rows: Iterator[tuple[Any, Classes]]) -> int:
        """Take the counts of all training pixels, which are known."""
        counts = self.plugin.counts_of("train")
        self.best, self.share = int(counts.pixels.argmax()), float(counts.shares.max())
        return counts.rows

    def predict(self, image: Any) -> tuple[Classes, float]:
        """Return the class as a mask of one pixel."""
        return np.full((1, 1), self.best), self.share


class PositionMajority(MaskBaseline):
    """Predicts the class that most training masks have at a position, of a grid over the image.

    A strong one where images are alike: the sky is up, and the road down.
    """

    name = "position_majority"

    def learn(self, rows: Iterator[tuple[Any, Classes]]) -> int:
        """Count classes by position."""
        counts, used = np.zeros((GRID, GRID, self.count), np.int32), 0
        for _, mask in rows:
            small = nearest(mask, (GRID, GRID))
            y, x = np.nonzero(small != ignored_value(mask))
            counts[y, x, small[y, x]] += 1
            used += 1
        # Where nothing was ever counted, the class of most pixels.
        counts[counts.sum(-1) == 0] = counts.sum((0, 1))
        self.mask = counts.argmax(-1)
        self.share = float((counts.max(-1) / np.maximum(counts.sum(-1), 1)).mean())
        return used

    def predict(self, image: Any) -> tuple[Classes, float]:
        """Return the grid."""
        return self.mask, self.share


class Otsu(MaskBaseline):
    """Parts two classes at a threshold of each image's grey values.

    Otsu (1979), A Threshold Selection Method from Gray-Level Histograms. Which side is which class
    is what gives the larger mean IoU on training images.
    """

    name = "otsu_threshold"

    def learn(self, rows: Iterator[tuple[Any, Classes]]) -> int:
        """Compare both polarities."""
        matrix, used = np.zeros((2, 2)), 0
        for image, mask in rows:
            bright = _brighter(image)
            small = nearest(mask, bright.shape)
            known = small < 2
            cells = small[known].astype(int) * 2 + bright[known]
            matrix += np.bincount(cells, minlength=4).reshape(2, 2)
            used += 1
            if used == POLARITY_ROWS:
                break
        self.dark_is_last = mean(ious(matrix[:, ::-1])) > mean(ious(matrix))
        turned = matrix[:, ::-1] if self.dark_is_last else matrix
        self.share = float(np.trace(turned) / max(turned.sum(), 1))
        return used

    def predict(self, image: Any) -> tuple[Classes, float]:
        """Return which pixels are beyond the threshold, on the foreground's side."""
        return (_brighter(image) != self.dark_is_last).astype(np.uint8), self.share


def _brighter(image: Any) -> Array:
    """Return which pixels of an image are above its threshold, made smaller if it is large."""
    grey = (colours(image, SIDE) @ np.array([0.299, 0.587, 0.114])).round().astype(np.int64)
    return np.asarray(grey > otsu(np.bincount(grey.ravel(), minlength=LEVELS)))


def otsu(counts: Array) -> int:
    """Return the grey value up to which pixels are dark: both sides differ most (Otsu 1979).

    Args:
        counts: pixels of each grey value.
    """
    shares = counts / max(counts.sum(), 1)
    below, moment = np.cumsum(shares), np.cumsum(shares * np.arange(len(shares)))
    between = below * (1 - below)
    apart = np.zeros(len(shares))
    np.divide((moment[-1] * below - moment) ** 2, between, out=apart, where=between > 1e-12)
    best = np.flatnonzero(apart == apart.max())
    return int(best[len(best) // 2])


class PixelLogistic(MaskBaseline):
    """Logistic regression of single pixels: colours, those around, and the position."""

    name = "pixel_logistic_regression"

    def learn(self, rows: Iterator[tuple[Any, Classes]]) -> int:
        """Fit on some pixels of each image."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        rng, features, targets = np.random.default_rng(0), list[Floats](), list[Array]()
        used = 0
        for image, mask in rows:
            found = _features(image)
            small = nearest(mask, found.shape[:2])
            places = np.flatnonzero(small != ignored_value(mask))
            some = rng.choice(places, min(PER_IMAGE, len(places)), replace=False)
            features.append(found.reshape(-1, found.shape[-1])[some])
            targets.append(small.ravel()[some])
            used += 1
            if used * PER_IMAGE >= PIXELS:
                break
        inputs, classes = np.concatenate(features), np.concatenate(targets)
        self.model: Any = None
        self.only = int(classes[0]) if len(classes) else 0
        if len(np.unique(classes)) > 1:  # otherwise there is nothing to tell apart
            with quiet_fit():
                linear = LogisticRegression(max_iter=100)
                self.model = make_pipeline(StandardScaler(), linear).fit(inputs, classes)
        return used

    def predict(self, image: Any) -> tuple[Classes, float]:
        """Return the most probable class of each pixel, of a large image made smaller."""
        if self.model is None:
            return np.full((1, 1), self.only), 1.0
        found = _features(image)
        shares = self.model.predict_proba(found.reshape(-1, found.shape[-1]))
        mask = self.model.classes_[shares.argmax(1)].reshape(found.shape[:2])
        return mask, float(shares.max(1).mean())


def _features(image: Any) -> Floats:
    """Return colours, their squares and means around, and the position: (height, width, 13)."""
    from scipy.ndimage import uniform_filter

    pixels = colours(image, SIDE) / 255.0
    height, width = pixels.shape[:2]
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    around = uniform_filter(pixels, (5, 5, 0))
    place = np.stack([y, x, y * y, x * x], axis=-1)
    return np.concatenate([pixels, pixels**2, around, place], axis=-1)
