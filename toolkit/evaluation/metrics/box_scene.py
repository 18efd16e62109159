"""The predicted and actual boxes of a split as arrays, and which predictions COCO calls right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from toolkit.evaluation.metrics import mask_overlap
from toolkit.evaluation.metrics.base import Array, Floats
from toolkit.evaluation.metrics.box_matching import MOST, assigned, have_masks, ious
from toolkit.plugin_types import Ints

#: COCO's: IoU that makes a prediction right, and names of the ranges of areas in pixels.
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RANGES = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2),
          "large": (96.0**2, 1e10)}  # fmt: skip
HIT, WRONG, IGNORED = 1, 0, -1
PREDICTED = pa.struct(
    {"boxes": pa.list_(pa.float64()), "scores": pa.list_(pa.float64()),
     "labels": pa.list_(pa.string()), "objects": pa.int64(), "masks": pa.list_(pa.string())}
)  # fmt: skip
ACTUAL = pa.struct(
    {"boxes": pa.list_(pa.float64()), "labels": pa.list_(pa.string()),
     "crowd": pa.list_(pa.bool_()), "area": pa.list_(pa.float64()),
     "masks": pa.list_(pa.string())}
)  # fmt: skip


def stored_prediction(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """Return the boxes of a prediction as flat lists; the first `objects` are over the threshold.

    A box or score that is no finite number becomes 0, which is wrong wherever it counts.
    """
    objects = list(prediction["objects"])
    every = [*objects, *prediction.get("candidates", ())]
    return {
        "boxes": _finite(value for one in every for value in one["box"]),
        "scores": _finite(one["score"] for one in every),
        "labels": [str(one["label"]) for one in every],
        "objects": len(objects),
    }


def stored_reference(reference: Mapping[str, Any]) -> dict[str, Any]:
    """Return the actual boxes of an image as flat lists; an area not given is that of the box."""
    every, areas = list(reference["objects"]), []
    for one in every:
        left, top, right, bottom = one["box"]
        given = one.get("area")
        areas.append(float((right - left) * (bottom - top) if given is None else given))
    return {
        "boxes": _finite(value for one in every for value in one["box"]),
        "labels": [str(one["label"]) for one in every],
        "crowd": [bool(one.get("crowd")) for one in every],
        "area": areas,
    }


def stored_masks(
    prediction: Mapping[str, Any], reference: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    """Return the masks of all predicted and of all actual objects of an image, as texts.

    An object without one (of a baseline that places boxes) has the pixels of its box.
    """
    found = [*prediction["objects"], *prediction.get("candidates", ())]
    size = mask_overlap.size_of(reference["objects"], found)
    made = [[mask_overlap.to_text(one) for one in mask_overlap.of_objects(given, size)]
            for given in (found, reference["objects"])]  # fmt: skip
    return made[0], made[1]


def _finite(values: Iterable[float]) -> list[float]:
    given = np.array([float(value) for value in values])
    found: list[float] = np.nan_to_num(given, posinf=0, neginf=0).tolist()
    return found


@dataclass(frozen=True, eq=False)
class Scene:
    """The predicted and the actual boxes of all images of a split.

    images: how many. labels: the names of classes, sorted. Of each predicted box: its `image`,
    `label` (a number among `labels`), `box`, `score` and whether it is one of the `objects`; in
    falling order of score within an image. Of each actual one: the image `of` which it is, `kind`,
    `actual`, `crowd`, and `area`. masks, actual_masks: of predicted and actual objects as texts of
    `mask_overlap`, which then overlap instead of boxes. kept: what is computed of it, by whoever
    does.
    """

    images: int
    labels: tuple[str, ...]
    image: Ints
    label: Ints
    box: Floats
    score: Floats
    objects: Array
    of: Ints
    kind: Ints
    actual: Floats
    crowd: Array
    area: Floats
    masks: Sequence[str] | None = None
    actual_masks: Sequence[str] | None = None
    kept: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def of_pairs(cls, pairs: Iterable[tuple[Any, Any]]) -> Scene:
        """Return that of predictions and references, in the form of `toolkit.tasks.boxes`.

        It is one of masks where the first objects have masks.
        """
        rest, first = iter(pairs), list[tuple[Any, Any]]()
        for pair in rest:
            first.append(pair)
            if pair[1]["objects"]:
                break
        masks, kept = any(have_masks(*pair) for pair in first), []
        for pair in chain(first, rest):
            found, actual = stored_masks(*pair) if masks else (None, None)
            kept.append(({**stored_prediction(pair[0]), "masks": found},
                         {**stored_reference(pair[1]), "masks": actual}))  # fmt: skip
        return cls.of_columns(
            pa.array([one for one, _ in kept], PREDICTED), pa.array([o for _, o in kept], ACTUAL)
        )

    @classmethod
    def of_columns(cls, predictions: Any, references: Any) -> Scene:
        """Return that of stored rows, as columns of Arrow."""
        found, actual = (_joined(column) for column in (predictions, references))
        names = [part.field("labels").flatten().to_pylist() for part in (found, actual)]
        labels = tuple(sorted({*names[0], *names[1]}))
        number = {name: place for place, name in enumerate(labels)}
        counts, image = _lengths(found.field("scores"))
        scores = found.field("scores").flatten().to_numpy()
        place = np.arange(len(image)) - np.repeat(np.cumsum(counts) - counts, counts)
        decided = place < found.field("objects").to_numpy()[image]
        order = np.lexsort((place, -scores, image))
        boxes = found.field("boxes").flatten().to_numpy().reshape(-1, 4)
        label = np.array([number[name] for name in names[0]], np.int64)
        masks, theirs = _masks(found), _masks(actual)
        return cls(
            len(found), labels, image[order], label[order], boxes[order], scores[order],
            decided[order], _lengths(actual.field("labels"))[1],
            np.array([number[name] for name in names[1]], np.int64),
            actual.field("boxes").flatten().to_numpy().reshape(-1, 4),
            actual.field("crowd").flatten().to_numpy(zero_copy_only=False).astype(bool),
            actual.field("area").flatten().to_numpy(),
            None if masks is None else [masks[place] for place in order], theirs,
        )  # fmt: skip

    @cached_property
    def ignored(self) -> Array:
        """Whether an actual box is ignored, shape (ranges, actual)."""
        return np.stack([self.crowd | (self.area < low) | (self.area > high)
                         for low, high in RANGES.values()])  # fmt: skip

    @cached_property
    def size(self) -> Floats:
        """The areas of predicted boxes or masks, in pixels."""
        if self.masks is not None:
            return mask_overlap.areas([mask_overlap.from_text(text) for text in self.masks])
        found: Floats = np.prod(self.box[:, 2:] - self.box[:, :2], axis=1)
        return found

    def overlaps(self, places: Ints, actual: Ints) -> Floats:
        """Return the overlap of some predicted with some actual objects of an image."""
        crowd = self.crowd[actual]
        if self.masks is None or self.actual_masks is None:
            return ious(self.box[places], self.actual[actual], crowd)
        found = [mask_overlap.from_text(self.masks[place]) for place in places]
        there = [mask_overlap.from_text(self.actual_masks[place]) for place in actual]
        return mask_overlap.ious(found, there, crowd)

    def groups(self) -> Iterator[tuple[Ints, Ints]]:
        """Yield the numbers of predicted and actual boxes of each class in an image, where any."""
        keys = self.image * len(self.labels) + self.label
        theirs = self.of * len(self.labels) + self.kind
        order, order_there = (np.argsort(k, kind="stable") for k in (keys, theirs))
        known = np.unique(keys)
        starts, ends = (np.searchsorted(keys[order], known, side) for side in ("left", "right"))
        first, last = (np.searchsorted(theirs[order_there], known, side)
                       for side in ("left", "right"))  # fmt: skip
        for start, end, low, high in zip(starts, ends, first, last, strict=True):
            yield order[start:end], order_there[low:high]

    @cached_property
    def verdicts(self) -> Array:
        """HIT, WRONG or IGNORED, shape (ranges, thresholds, predictions).

        IGNORED too is what comes after the `MOST` best of a class in an image.
        """
        outside = [(self.size < low) | (self.size > high) for low, high in RANGES.values()]
        found = np.where(outside, IGNORED, WRONG)[:, None].repeat(len(THRESHOLDS), 1)
        found = found.astype(np.int8)
        for places, actual in self.groups():
            found[..., places[MOST:]] = IGNORED
            places = places[:MOST]
            if not len(actual):
                continue
            crowd, ignored = self.crowd[actual], self.ignored[:, actual]
            overlaps = self.overlaps(places, actual)
            taken = assigned(overlaps, crowd, ignored, THRESHOLDS)
            of_match = np.take_along_axis(
                np.broadcast_to(ignored[:, None], (*taken.shape[:2], len(actual))),
                taken.clip(0), axis=-1,
            )  # fmt: skip
            verdict = np.where(of_match, IGNORED, HIT)
            found[..., places] = np.where(taken >= 0, verdict, found[..., places])
        return found


def _joined(column: Any) -> Any:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole


def _lengths(lists: Any) -> tuple[Ints, Ints]:
    """Return how long each list is, and the number of the list of each value."""
    counts = lists.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    return counts, np.repeat(np.arange(len(counts)), counts)


def _masks(column: Any) -> list[str] | None:
    """Return the masks of all objects of a column of rows, where it has them."""
    if column.type.get_field_index("masks") < 0 or column.field("masks").null_count:
        return None
    found: list[str] = column.field("masks").flatten().to_pylist()
    return found
