"""Baselines of panoptic segmentation: the most frequent class of stuff, and that of each position.

Both are the baselines of masks of classes; segments are made of what they predict: of stuff one a
class, of things the connected parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluation.metrics import mask_overlap
from toolkit.plugin_types import Baseline, Prediction, Row
from toolkit.tasks.masks.baselines import Majority, PositionMajority
from toolkit.tasks.masks.pixels import PixelCounts
from toolkit.tasks.masks.png import Classes, dtype_for
from toolkit.tasks.masks.segments import Segment, Segments

if TYPE_CHECKING:
    from toolkit.tasks.masks.panoptic import PanopticPlugin

LEAST = 0.001  # share of the image that a part of a thing has


def baselines_of(plugin: PanopticPlugin[Any]) -> list[Baseline]:
    """Return the baselines of a scenario of segments."""
    view = ClassesOf(plugin)
    return [MajorityStuff(view), PositionMajority(view)]


class MajorityStuff(Majority):
    """Predicts the class of stuff with the most training pixels everywhere.

    Without stuff it is that of all classes, as one segment.
    """

    name = "majority_stuff"


class ClassesOf:
    """What the baselines of masks of classes ask of a plugin, of one whose rows have segments."""

    def __init__(self, plugin: PanopticPlugin[Any]) -> None:
        self.plugin = plugin
        self.classes: Sequence[str] = plugin.classes
        self.image, self.target = plugin.image, plugin.target
        self.things = plugin.things

    def references(self, rows: Sequence[Row]) -> list[Any]:
        """Return {"mask": class numbers (height, width), ignored where nothing is known}."""
        return [{"mask": self._mask(one)} for one in self.plugin.references(rows)]

    def _mask(self, reference: Any) -> Classes | None:
        objects = [one for one in reference["objects"] if one.get("mask")]
        numbers = mask_overlap.numbered(objects)
        if numbers is None:
            return None
        places = {name: place for place, name in enumerate(self.classes)}
        kind = dtype_for(len(self.classes))
        ignored = np.iinfo(kind).max
        known = [ignored if one["crowd"] else places.get(one["label"], ignored) for one in objects]
        found: Classes = np.array([ignored, *known], kind)[numbers]
        return found

    def counts_of(self, split: str) -> PixelCounts:
        """Return the training pixels of each class of stuff; of all, where there is none."""
        counts = np.zeros(len(self.classes), np.int64)
        places = {name: place for place, name in enumerate(self.classes)}
        rows = (self.plugin.data or {})[split].select_columns([self.target])
        stuff = set(self.classes) - self.things
        for row in rows:
            for one in row[self.target] or ():
                wanted = one["label"] in (stuff or places) and one["label"] in places
                if wanted and not one["crowd"]:
                    counts[places[one["label"]]] += int(one["area"] or 0)
        return PixelCounts(counts, counts * 0, counts * 0, 0, len(rows))

    def prediction(self, mask: Classes, confidence: float) -> Prediction:
        """Return the segments of a mask of class numbers, all of one score."""
        from scipy import ndimage

        ids, found = np.zeros(mask.shape, np.int32), list[Segment]()
        for kind in np.unique(mask).tolist():
            pixels = mask == kind
            parts, count = pixels.astype(np.int32), 1
            if self.classes[kind] in self.things:
                parts, count = ndimage.label(pixels)
            areas = np.bincount(parts.ravel(), minlength=count + 1)
            for part in range(1, count + 1):
                if areas[part] >= LEAST * mask.size or count == 1:
                    found.append(Segment(len(found) + 1, kind, confidence, int(areas[part])))
                    ids[parts == part] = len(found)
        return self.plugin.prediction(Segments(ids, found))
