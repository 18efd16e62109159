"""Two classes, one of them positive: the curves of the threshold, and how it is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit_plugins.vision.classification.options import read_point

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


def choose(point: str, scores: Array, positive: Array) -> dict[str, float]:
    """Return the threshold that a rule chooses, with both rates on these rows.

    "sensitivity >= x" takes the highest threshold that still has it, so the best specificity;
    "specificity >= x" the lowest; "youden" the largest sum of both (Youden 1950).
    """
    rule, wanted = read_point(point)
    thresholds, sensitivity, specificity = shares(scores, positive)
    if rule == "youden":
        place = int(np.argmax(sensitivity + specificity))
    elif rule == "sensitivity":
        place = int(np.flatnonzero(sensitivity >= wanted)[-1])
    else:
        place = int(np.flatnonzero(specificity >= wanted)[0])
    return {
        "threshold": float(thresholds[place]),
        "validation_sensitivity": float(sensitivity[place]),
        "validation_specificity": float(specificity[place]),
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
