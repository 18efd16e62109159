"""Metrics of objects in images: COCO's average precision and recall, F1 at a threshold, counts.

Predictions and references are in the form of `toolkit.tasks.boxes`:
{"objects": [{"box", "label", "score"}], "candidates": [..]} and
{"objects": [{"box", "label", "crowd", "area"}]}. Average precision is over all boxes, whatever the
threshold; precision, recall, F1 and counts are of the objects alone. Objects may have a "mask" (see
`mask_overlap`): `mask_ap` and its like compare masks, `ap` boxes, and precision, recall and F1
masks where there are any.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import xxhash
from datasets import Features, List, Value

from toolkit.errors import UserError
from toolkit.evaluation.metrics import box_library
from toolkit.evaluation.metrics.base import Array, Floats, RowMetric
from toolkit.evaluation.metrics.box_curves import Curves
from toolkit.evaluation.metrics.box_matching import at_threshold
from toolkit.evaluation.metrics.box_scene import (
    RANGES,
    Scene,
    stored_masks,
    stored_prediction,
    stored_reference,
)
from toolkit.evaluation.metrics.sums import SumMetric
from toolkit.utils.text import listing, nearest

SOURCE = "Lin et al. 2014, Microsoft COCO; computed by faster-coco-eval"
KEPT = 2  # scenes whose matches are kept: all metrics of an evaluation score the same one


class Kind(NamedTuple):
    """What a score of COCO is a mean over: a range of areas, and thresholds by number."""

    area: str = "all"
    levels: tuple[int, ...] = tuple(range(10))
    recall: bool = False


KINDS = {
    "ap": Kind(),
    "ap50": Kind(levels=(0,)),
    "ap75": Kind(levels=(5,)),
    "ar100": Kind(recall=True),
    "ap_small": Kind("small"),
    "ap_medium": Kind("medium"),
    "ap_large": Kind("large"),
}
MASK_KINDS = {f"mask_{name}": kind for name, kind in KINDS.items()}


class _Known:
    """A scene that equals another one by its content."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        digest = xxhash.xxh3_128(repr((scene.images, scene.labels)).encode())
        for values in (scene.image, scene.label, scene.box, scene.score, scene.objects, scene.of,
                       scene.kind, scene.actual, scene.crowd, scene.area):  # fmt: skip
            digest.update(f"{values.shape}".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        digest.update("\n".join((*(scene.masks or ()), "", *(scene.actual_masks or ()))).encode())
        self.digest = digest.intdigest()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and other.digest == self.digest


@lru_cache(KEPT)
def _shared(known: _Known) -> Scene:
    return known.scene


class Prepared(NamedTuple):
    """The rows of a metric: curves for any weights, and the library's value of all of them."""

    curves: Curves
    value: float


class CocoMetric(RowMetric):
    """A score of COCO: mean over classes, and over overlaps (IoU) that make a prediction right.

    The value is the library's. In resamples of images, classes that no drawn image has are left
    out, as the library does with classes that no image has. There is no interval where fewer than
    ten images have a class.

    Args:
        kind: one of `KINDS`, or of `MASK_KINDS` for the overlap of masks.

    Raises:
        UserError: faster-coco-eval is not installed.
    """

    bounds = (0.0, 1.0)
    source = SOURCE

    def __init__(self, kind: str = "ap", **evaluate_kwargs: Any) -> None:
        box_library.library()  # at once: what is missing is told before a training
        self.which, self.kind = kind, {**KINDS, **MASK_KINDS}[kind]
        self.masks = kind in MASK_KINDS
        super().__init__(**evaluate_kwargs)

    @property
    def name(self) -> str:
        """The key of the result."""
        return self.which

    def stored(self) -> Features:
        numbers, texts = List(Value("float64")), List(Value("string"))
        masks = {"masks": texts} if self.masks else {}
        return Features(
            predictions={"boxes": numbers, "scores": numbers, "labels": texts,
                         "objects": Value("int64"), **masks},
            references={"boxes": numbers, "labels": texts, "crowd": List(Value("bool")),
                        "area": numbers, **masks},
        )  # fmt: skip

    def encode(self, predictions: Any, references: Any) -> tuple[Any, Any]:
        found = list(map(stored_prediction, predictions))
        actual = list(map(stored_reference, references))
        if self.masks:
            for place, pair in enumerate(zip(predictions, references, strict=True)):
                found[place]["masks"], actual[place]["masks"] = stored_masks(*pair)
        return found, actual

    def rows(self, predictions: Any, references: Any) -> Prepared:
        """Match the boxes of all images once, for all metrics of the same rows."""
        scene = _shared(_Known(Scene.of_columns(predictions, references)))
        area, levels, recall = self.kind
        key = (area, levels)
        if key not in scene.kept:
            scene.kept[key] = Curves.made(scene, area, levels)
        found = box_library.scores(scene)[int(recall)][list(RANGES).index(area)]
        return Prepared(scene.kept[key], mean(found[:, list(levels)]))

    def statistic(self, rows: Prepared, weights: Floats) -> float:
        if (weights == 1).all():
            return rows.value
        of = rows.curves.recall if self.kind.recall else rows.curves.average_precision
        return mean(of(weights))

    def classes(self, rows: Prepared) -> Array:
        """Return which images have actual boxes of each class."""
        return rows.curves.images_of()

    def width(self, rows: Prepared) -> int:
        return rows.curves.width

    def notes(self, rows: Prepared) -> dict[str, Any]:
        """Return the signature: all that has to be equal for two scores to be comparable."""
        return {"signature": box_library.signature(self.masks)}


def mean(values: Floats) -> float:
    """Return the mean of the values that are known; NaN where none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


class BoxSums(SumMetric):
    """A metric of the objects over the threshold, over all classes together (micro).

    An object is right if it overlaps a free actual one of its class by at least 0.5 (IoU); one
    that lies in a crowd is neither right nor wrong.
    """

    bounds = (0.0, 1.0)
    source = SOURCE
    which = ""

    @property
    def name(self) -> str:
        """The key of the result."""
        return self.which

    def counts(self, prediction: Any, reference: Any) -> Sequence[float] | None:
        """Return objects that are right, predicted, and actual."""
        found, _, counted = at_threshold(prediction, reference)
        right = sum(place >= 0 for place in found)
        return right, right + found.count(-1), len(counted)


class BoxPrecision(BoxSums):
    """Share of the predicted objects that are right; 0 where none is predicted."""

    which = "precision"

    def value(self, sums: Floats) -> float:
        right, found, actual = sums
        return float(right / found) if found else 0.0 if actual else float("nan")


class BoxRecall(BoxSums):
    """Share of the actual objects that are found."""

    which = "recall"

    def value(self, sums: Floats) -> float:
        right, _, actual = sums
        return float(right / actual) if actual else float("nan")


class BoxF1(BoxSums):
    """Harmonic mean of precision and recall over the objects of all images."""

    which = "f1"

    def value(self, sums: Floats) -> float:
        right, found, actual = sums
        return float(2 * right / (found + actual)) if found + actual else float("nan")


class CountError(RowMetric):
    """Mean over images of by how many the number of predicted objects is off, whatever the class.

    Crowds do not count as actual objects, nor do predicted ones within a crowd of their class.
    """

    greater_is_better = False
    bounds = (0.0, float("inf"))

    def stored(self) -> Features:
        return Features(predictions=Value("float64"), references=Value("bool"))

    def encode(self, predictions: Any, references: Any) -> tuple[Any, Any]:
        found = [count_error(*pair) for pair in zip(predictions, references, strict=True)]
        return found, [True] * len(found)

    def rows(self, predictions: Any, references: Any) -> Any:
        return predictions.to_numpy()

    def share(self, rows: Any) -> None:
        """Return None: that no image is off by more than one makes it no share."""


def count_error(prediction: Any, reference: Any, label: str | None = None) -> float:
    """Return by how many the number of predicted objects is off, of one class or of all."""
    found = [one for one in prediction["objects"] if label in (None, one["label"])]
    actual = [one for one in reference["objects"] if label in (None, one["label"])]
    counted, predicted = sum(not one.get("crowd") for one in actual), len(found)
    if counted < len(actual):
        matches, *_ = at_threshold({"objects": found}, {"objects": actual})
        predicted -= matches.count(-2)
    return float(abs(predicted - counted))


SUMS: dict[str, type[RowMetric]] = {
    "precision": BoxPrecision,
    "recall": BoxRecall,
    "f1": BoxF1,
    "count_error": CountError,
}
NAMES = (*KINDS, *MASK_KINDS, *SUMS)


def load(name: str) -> RowMetric:
    """Return a fresh metric.

    Raises:
        UserError: no such metric, or faster-coco-eval is not installed.
    """
    if name in KINDS or name in MASK_KINDS:
        return CocoMetric(name)
    if name in SUMS:
        return SUMS[name]()
    raise UserError(f"there is no metric {name!r}.{nearest(name, NAMES)} Metrics: {listing(NAMES)}")
