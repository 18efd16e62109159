"""Panoptic quality: how well segments are found and outlined, each pixel being in one of them.

Of each class PQ = sum of IoUs of matches / (matches + wrong / 2 + missed / 2), which is SQ (the
mean IoU of matches) times RQ (F1 of the segments); the value is the mean over classes that are in
actual or predicted segments. Kirillov et al. (2019), equation 1; `panoptic_matches` says what
matches. What is drawn for an interval are images: a class's sums over them are added up anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Features, List, Value
from scipy import sparse

from toolkit.errors import UserError
from toolkit.evaluation import panoptic_matches
from toolkit.evaluation.metrics.base import Array, Floats, RowMetric
from toolkit.utils.text import listing, nearest

SUMS = ("iou", "matched", "wrong", "missed")
PARTS = {"": None, "_things": True, "_stuff": False}


def qualities(sums: Floats) -> Floats:
    """Return PQ of each class; NaN for one without segments.

    Args:
        sums: (classes, 4): of IoUs of matches, matches, wrong and missed segments.
    """
    return _ratio(sums[:, 0], _segments(sums))


def segmentation_qualities(sums: Floats) -> Floats:
    """Return SQ of each class: 0 for one without a match, NaN for one without segments."""
    found = _ratio(sums[:, 0], sums[:, 1])
    return np.where(np.isnan(found) & (_segments(sums) > 0), 0.0, found)


def recognition_qualities(sums: Floats) -> Floats:
    """Return RQ of each class; NaN for one without segments."""
    return _ratio(sums[:, 1], _segments(sums))


MEASURES: dict[str, Callable[[Floats], Floats]] = {
    "pq": qualities, "sq": segmentation_qualities, "rq": recognition_qualities,
}  # fmt: skip


def _segments(sums: Floats) -> Floats:
    found: Floats = sums[:, 1] + sums[:, 2] / 2 + sums[:, 3] / 2
    return found


def _ratio(over: Floats, under: Floats) -> Floats:
    found: Floats = np.full(len(under), np.nan)
    np.divide(over, under, out=found, where=under > 0)
    return found


@dataclass(frozen=True)
class Sums:
    """The sums of all rows, sparse: (rows, classes * 4). labels, things: of the classes."""

    cells: Any
    labels: list[str]
    things: Array

    def total(self, weights: Floats) -> Floats:
        """Return what `qualities` takes."""
        return np.asarray(self.cells.T @ weights, np.float64).reshape(len(self.labels), len(SUMS))


class PanopticQuality(RowMetric):
    """PQ, SQ or RQ: the mean over all classes, or over those of things or of stuff.

    Args:
        name: "pq", "sq" or "rq", alone or with "_things" or "_stuff".
    """

    bounds = (0.0, 1.0)
    source = "Kirillov et al. (2019), Panoptic Segmentation, CVPR, 9404-9413"

    def __init__(self, name: str = "pq", **evaluate_kwargs: Any) -> None:
        self._name = name
        measure, _, part = name.partition("_")
        self.measure, self.part = MEASURES[measure], PARTS[f"_{part}" if part else ""]
        super().__init__(**evaluate_kwargs)

    @property
    def name(self) -> str:
        """The key of the result."""
        return self._name

    def stored(self) -> Features:
        """Return the features of the classes of a row, and of their sums one after another."""
        return Features(
            predictions=List({"label": Value("string"), "thing": Value("bool")}),
            references=List(Value("float64")),
        )

    def encode(self, predictions: Any, references: Any) -> tuple[Any, Any]:
        pairs = zip(predictions, references, strict=True)
        found = [panoptic_matches.counts(*pair) for pair in pairs]
        classes = [[{"label": label, "thing": one.thing} for label, one in row.items()]
                   for row in found]  # fmt: skip
        return classes, [[float(getattr(one, name)) for one in row.values() for name in SUMS]
                         for row in found]  # fmt: skip

    def rows(self, predictions: Any, references: Any) -> Sums:
        classes = predictions.to_pylist()
        things: dict[str, bool] = {}
        for row in classes:
            for one in row:
                things.setdefault(one["label"], one["thing"])
        labels = sorted(things)
        places = {label: place * len(SUMS) for place, label in enumerate(labels)}
        columns = [places[one["label"]] + n for row in classes for one in row
                   for n in range(len(SUMS))]  # fmt: skip
        starts = np.cumsum([0, *(len(row) * len(SUMS) for row in classes)])
        values = [value for row in references.to_pylist() for value in row]
        parts = (np.array(values, np.float64), np.array(columns, np.int64), starts)
        cells = sparse.csr_array(parts, shape=(len(classes), len(labels) * len(SUMS)))
        return Sums(cells, labels, np.array([things[label] for label in labels], bool))

    def statistic(self, rows: Sums, weights: Floats) -> float:
        found = self.measure(rows.total(weights))[self._chosen(rows)]
        known = found[~np.isnan(found)]
        return float(known.mean()) if len(known) else float("nan")

    def width(self, rows: Sums) -> int:
        return max(1, int(rows.cells.nnz) // max(1, int(rows.cells.shape[0])))

    def classes(self, rows: Sums) -> Any:
        """Return in which images each class has actual segments, of those that the mean is over.

        A class that is predicted alone has a score of 0 in whatever is drawn.
        """
        whole = rows.total(np.ones(rows.cells.shape[0]))
        there = self._chosen(rows) & (whole[:, 1] + whole[:, 3] > 0)
        cells = rows.cells.tocsc()
        actual = [cells[:, [n * len(SUMS) + 1]] + cells[:, [n * len(SUMS) + 3]]
                  for n in np.flatnonzero(there)]  # fmt: skip
        return np.array([np.asarray(one.toarray()).ravel() > 0 for one in actual])

    def _chosen(self, rows: Sums) -> Array:
        everything = np.ones(len(rows.labels), bool)
        return everything if self.part is None else rows.things == self.part


def names() -> list[str]:
    """Return the names that `load` knows."""
    return [f"{measure}{part}" for part in PARTS for measure in MEASURES]


def load(name: str) -> PanopticQuality:
    """Return a fresh metric.

    Raises:
        UserError: no such metric.
    """
    if name not in (known := names()):
        raise UserError(
            f"there is no metric {name!r}.{nearest(name, known)} Metrics: {listing(known, 20)}"
        )
    return PanopticQuality(name)
