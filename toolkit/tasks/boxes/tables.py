"""Scores of boxes by class and size, kinds of errors, and curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.evaluation.metrics.base import Floats
from toolkit.evaluation.metrics.box_curves import Curves, curve
from toolkit.evaluation.metrics.box_matching import at_threshold
from toolkit.evaluation.metrics.box_scene import RANGES, THRESHOLDS, Scene
from toolkit.evaluation.metrics.boxes import count_error
from toolkit.plugin_types import Curve, Table
from toolkit.tasks.boxes import mistakes
from toolkit.tasks.boxes.thresholds import Sweep

Cells = Sequence[str | float | int | None]
LINES = 12  # classes of a figure; of more the mean is drawn
RECALLS = np.linspace(0, 1, 101)


def tables(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Table]:
    """Return scores by class and by size, and the kinds of errors; {} without any box."""
    found = list(pairs)
    scene = Scene.of_pairs(found)
    if not scene.labels:
        return {}
    errors = mistakes.totals(found)
    kinds = [(kind, errors[kind]) for kind in (*mistakes.KINDS, mistakes.MISSED)]
    return {
        "classes": _by_class(found, scene),
        "sizes": _by_size(scene),
        "errors at the threshold": Table(("error", "objects"), kinds),
    }


def _by_class(pairs: Sequence[tuple[Any, Any]], scene: Scene) -> Table:
    whole = np.ones(scene.images)
    precisions = Curves.made(scene, "all", range(len(THRESHOLDS))).average_precision(whole)
    counts = {label: np.zeros(3) for label in scene.labels}  # right, predicted, actual
    for prediction, reference in pairs:
        matches, _, counted = at_threshold(prediction, reference)
        for one, match in zip(prediction["objects"], matches, strict=True):
            counts[str(one["label"])] += (match >= 0, match != -2, 0)
        for place in counted:
            counts[str(reference["objects"][place]["label"])] += (0, 0, 1)
    rows: list[Cells] = []
    for number, label in enumerate(scene.labels):
        right, predicted, actual = counts[label].tolist()
        images = len(np.unique(scene.of[(scene.kind == number) & ~scene.crowd]))
        off = float(np.mean([count_error(*pair, label) for pair in pairs]))
        rows.append((label, _known(precisions[number].mean()), _known(precisions[number, 0]),
                     _share(right, predicted), _share(right, actual),
                     _share(2 * right, predicted + actual), off, images, int(actual),
                     int(predicted)))  # fmt: skip
    columns = ("class", "AP", "AP50", "precision", "recall", "F1", "count error", "images",
               "objects", "predicted")  # fmt: skip
    return Table(columns, rows)


def _by_size(scene: Scene) -> Table:
    whole, rows = np.ones(scene.images), list[Cells]()
    names = {"all": "all", "small": "small (up to 32 x 32 pixels)",
             "medium": "medium (up to 96 x 96)", "large": "large"}  # fmt: skip
    for place, area in enumerate(RANGES):
        curves = Curves.made(scene, area, range(len(THRESHOLDS)))
        found = (curves.average_precision(whole), curves.recall(whole))
        rows.append((names[area], *(_mean(values) for values in found),
                     int((~scene.ignored[place]).sum())))  # fmt: skip
    return Table(("size", "AP", "AR100", "objects"), rows)


def _share(over: float, under: float) -> float | None:
    return over / under if under else None


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def curves(pairs: Iterable[tuple[Any, Any]], threshold: float) -> Mapping[str, Curve]:
    """Return precision over recall, and F1 over the threshold, by name; {} without objects."""
    scene = Scene.of_pairs(pairs)
    known = np.flatnonzero(
        np.bincount(scene.kind[~scene.crowd], minlength=len(scene.labels))
    ).tolist()
    if not len(known) or not len(scene.box):
        return {}
    lines = {scene.labels[number]: _stairs(*curve(scene, number)) for number in known}
    if len(known) > LINES:
        lines = {f"mean of {len(known)} classes": np.mean(list(lines.values()), axis=0)}
    sweep = Sweep.of(scene)
    points = sweep.points()
    return {
        "precision_recall": Curve(
            "Precision and recall of boxes (IoU 0.5)", "recall", "precision",
            {name: list(zip(RECALLS.tolist(), values.tolist(), strict=True))
             for name, values in lines.items()},
        ),
        "f1_by_threshold": Curve(
            "F1 over the score threshold (IoU 0.5)", "threshold", "F1", {"F1": points},
            {f"chosen: {threshold:.2f}": (threshold, sweep.at(threshold))},
        ),
    }  # fmt: skip


def _stairs(recalls: Floats, precisions: Floats) -> Floats:
    """Return the best precision at `RECALLS`, 0 where a recall is not reached."""
    places = np.searchsorted(recalls, RECALLS)
    found: Floats = np.append(precisions, 0.0)[places]
    return found
