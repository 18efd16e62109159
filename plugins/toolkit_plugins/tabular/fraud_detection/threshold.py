"""What validation chooses: how log odds become a probability, and the alert threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from toolkit_plugins.tabular.fraud_detection.options import FraudOptions

Array = np.ndarray[Any, Any]
FEWEST = 5  # frauds and legitimate rows; fewer are too few to fit numbers to
CURVE = 200  # points of a curve, at most


def logit(probability: Array) -> Array:
    """Return log odds, of probabilities kept off 0 and 1."""
    p = np.clip(probability, 1e-9, 1 - 1e-9)
    found: Array = np.log(p) - np.log1p(-p)
    return found


def log_odds(outputs: Any) -> Array:
    """Return log odds of fraud, float64 (rows, 1 or 2): of the logits, and of trees beside them."""
    logits = outputs.logits.double()
    parts = [logits[:, 1] - logits[:, 0]]
    if (trees := getattr(outputs, "boosting", None)) is not None:
        parts.append(trees.double())
    return np.column_stack([part.cpu().numpy() for part in parts])


def probability(parts: Array, calibration: Mapping[str, Any]) -> Array:
    """Return the probability of fraud by log odds (rows, 1 or 2), and what `weights` chose.

    Before it has, the parts weigh the same.
    """
    usual = 1 / parts.shape[1]
    slopes = [calibration.get(name, usual) for name in ("slope", "boosting")[: parts.shape[1]]]
    found: Array = 1 / (1 + np.exp(-(parts @ slopes + calibration.get("shift", 0.0))))
    return found


def weights(parts: Array, fraud: Array) -> dict[str, float]:
    """Return the weights and the shift of log odds (rows, 1 or 2) that fit best (Platt 1999).

    No weight is below 0, so that none turns a ranking around. Where frauds are too few, or where
    no part ranks better than chance, the parts weigh the same.
    """
    from sklearn.linear_model import LogisticRegression

    names = ("slope", "boosting")[: parts.shape[1]]
    best, least = {**dict.fromkeys(names, 1 / len(names)), "shift": 0.0}, np.inf
    if min(fraud.sum(), (1 - fraud).sum()) < FEWEST:
        return best
    # The best fit without negative weights is the best of those on some of the parts.
    for kept in ([*range(len(names))], *([place] for place in range(len(names)))):
        fitted = LogisticRegression(C=1e6).fit(parts[:, kept], fraud)
        odds = fitted.decision_function(parts[:, kept])
        lost = float(np.logaddexp(0, np.where(fraud > 0, -odds, odds)).sum())
        if (fitted.coef_ > 1e-3).all() and lost < least:
            found = zip((names[place] for place in kept), fitted.coef_[0].tolist(), strict=True)
            slopes = dict.fromkeys(names, 0.0) | dict(found)
            best, least = {**slopes, "shift": float(fitted.intercept_[0])}, lost
    return best


def choose(scores: Array, fraud: Array, amounts: Array | None, options: FraudOptions) -> float:
    """Return the threshold of least cost; without amounts, of a false positive rate."""
    if not fraud.any():
        return 0.5
    if amounts is None:
        return at_rate(scores, fraud, max(options.false_positive_rates, default=0.0))
    return cheapest(scores, fraud, amounts, options.cost_alarm, options.cost_missed)[0]


def cheapest(
    probability: Array, fraud: Array, amount: Array, alarm: float, missed: float
) -> tuple[float, Array, Array]:
    """Return the threshold of least cost, and all possible thresholds with their costs.

    Costs are means per row, as in `metrics.ExpectedCost`.
    """
    order = np.argsort(-probability, kind="stable")
    falling = probability[order]
    lost = (missed * fraud * np.abs(amount))[order]
    total = np.concatenate([[lost.sum()], lost.sum() - np.cumsum(lost)])
    total += alarm * np.arange(len(order) + 1)
    # A threshold lies between two different scores, or beyond all of them.
    bounds = np.concatenate([[1.0], (falling[1:] + falling[:-1]) / 2, [0.0]])
    real = np.concatenate([[True], falling[1:] != falling[:-1], [True]])
    bounds, total = bounds[real], total[real] / max(len(order), 1)
    best = int(np.argmin(total))
    return float(bounds[best]), bounds, total  # 1: it costs least to alert nobody


def at_rate(probability: Array, fraud: Array, rate: float) -> float:
    """Return the lowest threshold that keeps a false positive rate; 0.5 where none catches any."""
    order = np.argsort(-probability, kind="stable")
    falling, caught = probability[order], np.cumsum(fraud[order])
    wrong = np.cumsum(1 - fraud[order])
    ends = np.append(falling[1:] != falling[:-1], True)
    right = ends & (wrong <= rate * wrong[-1] * (1 + 1e-12)) & (caught > 0)
    if not right.any():
        return 0.5
    last = int(np.flatnonzero(right)[-1])
    below = falling[last + 1] if last + 1 < len(falling) else 0.0
    return float((falling[last] + below) / 2)
