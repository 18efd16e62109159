"""What validation chooses: how scores become probabilities, and the alert threshold."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
FEWEST = 5  # frauds and legitimate rows; fewer are too few to fit two numbers
CURVE = 200  # points of a curve, at most


def logit(probability: Array) -> Array:
    """Return log odds, of probabilities kept off 0 and 1."""
    p = np.clip(probability, 1e-9, 1 - 1e-9)
    found: Array = np.log(p) - np.log1p(-p)
    return found


def platt(probability: Array, fraud: Array) -> tuple[float, float]:
    """Return slope and shift of the log odds that fit best (Platt 1999).

    They never change the ranking: where the best slope would, or frauds are too few, they are 1
    and 0.
    """
    from sklearn.linear_model import LogisticRegression

    if min(fraud.sum(), (1 - fraud).sum()) < FEWEST:
        return 1.0, 0.0
    fitted = LogisticRegression(C=1e6).fit(logit(probability)[:, None], fraud)
    slope = float(fitted.coef_[0, 0])
    return (slope, float(fitted.intercept_[0])) if slope > 1e-3 else (1.0, 0.0)


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
