"""`PanopticPlugin`: each pixel of an image in one segment, an object or a region of a class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from toolkit.evaluation import panoptic_files
from toolkit.evaluation.metrics import panoptic as metrics
from toolkit.plugin_types import (
    Baseline,
    Figure,
    JsonValue,
    Options,
    Prediction,
    Row,
    Shown,
    Table,
)
from toolkit.plugin_types.occlusion import logit
from toolkit.tasks.boxes import BoxesPlugin
from toolkit.tasks.masks import panoptic_shown, segments
from toolkit.tasks.masks.panoptic_baselines import baselines_of
from toolkit.tasks.masks.segments import Segments

OptionsT = TypeVar("OptionsT", bound=Options)
USUAL_THRESHOLD = 0.5
THINGS = "things"  # key of the statistics
ALL = ("pq", "sq", "rq")


class PanopticPlugin(BoxesPlugin[OptionsT]):
    """A scenario that divides an image into segments: countable things, and stuff such as sky.

    The options mark an image as input, and a column of segments as target: a list of {"box",
    "label", "crowd", "area", "shape": an RLE of COCO, "thing"} which do not overlap. Of a class of
    stuff an image has one segment. Pixels in no segment are void, and so are crowds: neither right
    nor wrong. A subclass gives `prepare`, `load_model`, and `decode`, which ends with `prediction`.
    """

    with_masks: ClassVar[bool] = True
    noun: ClassVar[str] = "segments"

    @property
    def things(self) -> frozenset[str]:
        """The classes whose objects are told apart; of the others an image has one segment."""
        known: Any = self.statistics.get(THINGS)
        return frozenset(map(str, known)) if known is not None else self._things_of_train

    @cached_property
    def _things_of_train(self) -> frozenset[str]:
        if self.data is None or "train" not in self.data:
            return frozenset()
        rows = self.data["train"].select_columns([self.target])
        return frozenset(str(one["label"]) for row in rows for one in row[self.target] or ()
                         if one["thing"])  # fmt: skip

    def training_statistics(self) -> Mapping[str, JsonValue]:
        """Return which classes are things, for predictions of the saved model."""
        return {THINGS: sorted(self.things)}

    @property
    def threshold(self) -> float:
        """The probability of its class from which a segment is reported."""
        found: Any = self.calibration.get("threshold")
        if found is None:
            found = getattr(self.options, "threshold", None)
        return USUAL_THRESHOLD if found is None else float(found)

    def calibrate(self, predictions: Sequence[Prediction]) -> Mapping[str, JsonValue]:
        """Return the threshold, which goes with the saved model."""
        return {"threshold": self.threshold}

    def prediction(self, found: Segments) -> Prediction:
        """Return {"mask": a PNG of ids, "segments": [{"id", "label", "score", "isthing", "area"}]}.

        The id of a pixel is R + 256 G + 256^2 B; 0 is in no segment.
        """
        names, things = self.classes, self.things
        listed = [
            {
                "id": one.number,
                "label": names[one.kind],
                "score": one.score,
                "isthing": names[one.kind] in things,
                "area": one.area,
            }
            for one in found.segments
        ]
        return {"mask": panoptic_files.encode(found.ids), "segments": listed}

    def references(self, rows: Sequence[Row]) -> list[Any]:
        """Return {"objects": [{"label", "thing", "crowd", "area", "mask", "box"}]} of each row."""
        found = super().references(rows)
        for row, reference in zip(rows, found, strict=True):
            for given, one in zip(row.get(self.target) or (), reference["objects"], strict=True):
                one["thing"] = bool(given.get("thing"))
        return found

    def decision_margin(self, prediction: Prediction) -> float:
        """Return how near the threshold the nearest score is."""
        apart = (abs(one["score"] - self.threshold) for one in prediction["segments"])
        return min(apart, default=float("inf"))

    def same(self, one: Prediction, other: Prediction) -> bool:
        """Return whether both have the same segments, but for rounding: see `segments.same`."""
        return segments.same(one, other, self.threshold)

    def explained_scores(self, prediction: Prediction) -> Mapping[str, float]:
        """Return the log odds of the most probable segment of each class, the highest first."""
        scores: dict[str, float] = {}
        for one in sorted(prediction["segments"], key=lambda one: -one["score"]):
            scores.setdefault(one["label"], logit(one["score"]))
        return scores

    def usual_metrics(self) -> list[str]:
        """Return metric names for a recipe that names none; the first is the headline."""
        kinds = {name in self.things for name in self.classes}
        if len(kinds) < 2:  # the mean over things, or over stuff, is that over all classes
            return list(ALL)
        return [*ALL, "pq_things", "pq_stuff"]

    def metrics(self) -> Mapping[str, Any]:
        """Return the metrics that the recipe names, or the usual ones."""
        names = (self.recipe.report.metrics if self.recipe else None) or self.usual_metrics()
        return {name: metrics.load(name) for name in names}

    def baselines(self) -> Iterable[Baseline]:
        """Return the most frequent class of stuff, and the most frequent class of each position."""
        return baselines_of(self)

    def show(self, row: Row, prediction: Prediction, reference: Any) -> Sequence[Shown]:
        """Return the image with the predicted segments, and beside it with the actual ones."""
        return panoptic_shown.shown(row[self.image], prediction, reference, self.classes)

    def tables(self, pairs: Iterable[tuple[Prediction, Any]]) -> Mapping[str, Table]:
        """Return PQ, SQ and RQ by class, and over things and stuff."""
        return panoptic_shown.tables(pairs)

    def figures(self, predictions: Iterable[Prediction]) -> Mapping[str, Figure]:
        """Return how many test images reach which panoptic quality of their own."""
        if self.data is None:
            return {}
        return panoptic_shown.figures(self.test_pairs(predictions))

    def galleries(self, predictions: Iterable[Prediction], limit: int = 12) -> dict[str, list[Any]]:
        """Return {"worst": the test rows with the least panoptic quality of their own}."""
        if self.data is None:
            return {}
        return {"worst": panoptic_shown.worst(self.test_pairs(predictions), limit)}

    def test_pairs(self, predictions: Iterable[Prediction]) -> Iterable[tuple[Prediction, Any]]:
        """Return predictions and references of the test rows."""
        return zip(predictions, self._references_of((self.data or {})["test"]), strict=True)

    def notes(self) -> list[str]:
        """Report the classes of things and stuff, and what the segments of each split are."""
        if self.data is None:
            return []
        things = sum(name in self.things for name in self.classes)
        kinds = f"{things} classes of things, {len(self.classes) - things} of stuff"
        return [kinds, *super().notes()]
