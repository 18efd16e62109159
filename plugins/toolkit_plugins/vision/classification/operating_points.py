"""Two classes, one of them positive: the curves of the threshold, and how it is chosen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluation.shares import fewest_found, lower_bound, rows_needed
from toolkit.plugin_types import Table
from toolkit.reporting.shares import share_of
from toolkit_plugins.vision.classification.options import Point, read_point

if TYPE_CHECKING:
    from toolkit.plugin_types import Figure, Prediction

Array = np.ndarray[Any, Any]


def shares(scores: Array, positive: Array) -> tuple[Array, Array, Array]:
    """Return thresholds, rising, and the sensitivity and specificity that each of them gives.

    A row is predicted positive where its score is not below the threshold. The thresholds lie
    half-way between neighbouring scores, so that no row lies on one.

    Args:
        scores: probabilities of the positive class. positive: whether it is actual.
    """
    values = np.unique(scores)
    thresholds = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [1.0]])
    of_positive, of_negative = np.sort(scores[positive]), np.sort(scores[~positive])
    missed = np.searchsorted(of_positive, thresholds, "left")
    passed = np.searchsorted(of_negative, thresholds, "left")
    return (
        thresholds,
        1 - missed / max(len(of_positive), 1),
        passed / max(len(of_negative), 1),
    )


@dataclass(frozen=True)
class Validation:
    """What a threshold is chosen on.

    scores: probabilities of the positive class, a row each. positive: whether it is actual.
    groups: an integer per row, where rows of a group depend on each other.
    """

    scores: Array
    positive: Array
    groups: Array | None = None

    def units(self, rule: str) -> Array:
        """Return the scores that a rule counts: of the rows of its class, or of its groups.

        A group has that of its worst row, as it counts as found only if all of it is.
        """
        own = self.positive if rule == "sensitivity" else ~self.positive
        if self.groups is None:
            return np.sort(self.scores[own])
        worst = np.minimum if rule == "sensitivity" else np.maximum
        order = np.argsort(self.groups[own], kind="stable")
        _, starts = np.unique(self.groups[own][order], return_index=True)
        return np.sort(worst.reduceat(self.scores[own][order], starts))


def fault(text: str, found: Validation) -> str | None:
    """Return why validation cannot choose a threshold by a rule; None if it can.

    Labels alone decide that: it is asked before training.
    """
    if found.positive.all() or not found.positive.any():
        return "validation holds rows of one class only"
    point = read_point(text)
    if point.confidence is None:
        return None
    units = len(found.units(point.rule))
    if fewest_found(point.wanted, units, point.confidence) <= units:
        return None
    return (f"{_at_best(point, found)}, and {rows_needed(point.wanted, point.confidence):,} are "
            f"needed for {point.wanted:g}")  # fmt: skip


def note(text: str, found: Validation) -> Iterator[str]:
    """Yield what validation can show of a rule's sensitivity or specificity."""
    point = read_point(text)
    if point.confidence is not None:
        yield f"options.operating_point: {_at_best(point, found)}"
    elif point.rule != "youden":
        yield (f"options.operating_point: {point.wanted:g} is the {point.rule} on validation, "
               "which has chosen the threshold; other rows may well show less. 'with confidence "
               "0.95' asks for a lower bound")  # fmt: skip


def _at_best(point: Point, found: Validation) -> str:
    units = len(found.units(point.rule))
    kind = "positive" if point.rule == "sensitivity" else "negative"
    what = f"{kind} rows" if found.groups is None else f"groups with {kind} rows"
    best = lower_bound(units, units, point.confidence or 0.0)
    return (f"the {units:,} {what} of validation show a {point.rule} of {best:.3f} at best, where "
            f"none is missed (confidence {point.confidence:g})")  # fmt: skip


def table(chosen: Mapping[str, Any], positive: str, pairs: Iterable[Any], grouped: bool) -> Table:
    """Return the rates at the threshold, on validation and, with intervals, on test.

    Args:
        chosen: what `choose` returned. pairs: prediction and label of each test row.
        grouped: whether rows depend on each other; then there are no intervals.
    """
    called = [(p["label"] == positive, label == positive) for p, label in pairs]
    rows = []
    for name, kind in (("sensitivity", True), ("specificity", False)):
        of_kind = [is_called == kind for is_called, actual in called if actual == kind]
        on_test = share_of(sum(of_kind), len(of_kind), not grouped)
        rows.append([name, chosen[f"validation_{name}"], on_test])
    if "lower_bound" in chosen:
        bound = f"lower bound (confidence {chosen['confidence']:g})"
        rows.append([bound, chosen["lower_bound"], None])
    rows.append(["threshold", chosen["threshold"], chosen["threshold"]])
    return Table(["", "validation, which chose it", "test"], rows)


def choose(text: str, found: Validation) -> dict[str, float]:
    """Return the threshold that a rule chooses, with both rates on these rows.

    "sensitivity >= x" takes the highest threshold that still has it, so the best specificity;
    "specificity >= x" the lowest; "youden" the largest sum of both (Youden 1950). With a
    confidence, the one-sided lower bound has to reach x, of rows or (where there are) of groups
    none of whose rows is missed; it is returned, too. There have to be enough of them.
    """
    point = read_point(text)
    thresholds, sensitivity, specificity = shares(found.scores, found.positive)
    bound: dict[str, float] = {}
    if point.rule == "youden":
        place = int(np.argmax(sensitivity + specificity))
    else:
        found = replace(found, groups=None) if point.confidence is None else found
        units = found.units(point.rule)
        below = np.searchsorted(units, thresholds, "left")
        kept = len(units) - below if point.rule == "sensitivity" else below
        least = (ceil(point.wanted * len(units) - 1e-9) if point.confidence is None
                 else fewest_found(point.wanted, len(units), point.confidence))  # fmt: skip
        reached = np.flatnonzero(kept >= least)
        place = int(reached[-1 if point.rule == "sensitivity" else 0])
        if point.confidence is not None:
            bound["lower_bound"] = lower_bound(int(kept[place]), len(units), point.confidence)
            bound["confidence"] = point.confidence
    return {
        "threshold": float(thresholds[place]),
        "validation_sensitivity": float(sensitivity[place]),
        "validation_specificity": float(specificity[place]),
        **bound,
    }


def decided(prediction: Prediction, positive: str, threshold: float) -> Prediction:
    """Return a prediction of two classes with the label that the threshold gives."""
    scores = prediction["scores"]
    negative = next(name for name in scores if name != positive)
    label = positive if scores[positive] >= threshold else negative
    return {"label": label, "score": scores[label], "scores": scores}


def curves(name: str, scores: Array, positive: Array, threshold: float) -> Mapping[str, Figure]:
    """Return the ROC curve, and both rates by threshold, with the current threshold marked."""
    from toolkit.plugin_types import Curve

    thresholds, sensitivity, specificity = shares(scores, positive)
    place = int(np.argmin(np.abs(thresholds - threshold)))
    here = float(sensitivity[place]), float(specificity[place])
    mark = f"current threshold {threshold:.3g}"
    return {
        "roc": Curve(
            f"ROC curve of {name!r} on test",
            "false positive rate",
            "true positive rate (recall)",
            {"model": list(zip(1 - specificity, sensitivity, strict=True)),
             "chance": [(0.0, 0.0), (1.0, 1.0)]},
            {mark: (1 - here[1], here[0])},
        ),
        "threshold": Curve(
            f"Sensitivity and specificity of {name!r} by threshold, on test",
            "threshold",
            "rate",
            {"sensitivity": list(zip(thresholds, sensitivity, strict=True)),
             "specificity": list(zip(thresholds, specificity, strict=True))},
            {mark: (threshold, here[0])},
        ),
    }  # fmt: skip
