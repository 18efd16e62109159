"""Which trials are stopped early, by their best scores on validation after equally many epochs.

asha: asynchronous successive halving, in the form that stops (Li et al. 2020, "A System for
    Massively Parallel Hyperparameter Tuning", arXiv 1810.05934). At the first validation, the
    third, the ninth and so on a trial goes on if it is in the best third of those that got there.
median: a trial goes on if its best score so far is not worse than the median of the others'
    (Golovin et al. 2017, "Google Vizier"), once four others got there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

PRUNERS = ("none", "asha", "median")
REDUCTION = 3
OTHERS = 4  # whose median means something
NEAR = 1e-6  # epochs: rounding

Evaluations = Sequence[Mapping[str, Any]]


def goes_on(
    prune: str, own: Evaluations, others: Sequence[Evaluations], grace: int, greater_is_better: bool
) -> bool:
    """Return whether a trial goes on after its newest score on validation.

    Args:
        own, others: step, epoch and value of each validation, in their order.
        grace: validations before the first decision, at least 1.
    """
    if prune == "none" or not own:
        return True
    count, epoch = len(own), own[-1]["epoch"]
    if count < grace or (prune == "asha" and not _is_rung(count, grace)):
        return True
    mine = best_until(own, epoch, greater_is_better)
    there = [value for other in others
             if (value := best_until(other, epoch, greater_is_better)) is not None]  # fmt: skip
    if mine is None:  # undefined: as bad as can be
        return not there
    sign = 1 if greater_is_better else -1
    better = sum(sign * value > sign * mine for value in there)
    if prune == "asha":
        return better < max(1, (len(there) + 1) // REDUCTION)
    return len(there) < OTHERS or sign * mine >= sign * median(there)


def best_until(evaluations: Evaluations, epoch: float, greater_is_better: bool) -> float | None:
    """Return the best score up to an epoch; None of a trial that did not get there, or has none."""
    if not evaluations or evaluations[-1]["epoch"] < epoch - NEAR:
        return None
    values = [line["value"] for line in evaluations
              if line["epoch"] <= epoch + NEAR and line["value"] is not None]  # fmt: skip
    return (max if greater_is_better else min)(values, default=None)


def _is_rung(count: int, grace: int) -> bool:
    rung = grace
    while rung < count:
        rung *= REDUCTION
    return rung == count
