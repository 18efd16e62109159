"""Boosted trees as tensors: fitted by scikit-learn, walked by torch, saved as weights are.

Friedman, Greedy Function Approximation: A Gradient Boosting Machine (2001); histograms as in
Ke et al., LightGBM (2017), by scikit-learn's HistGradientBoostingClassifier.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

TENSORS = ("roots", "feature", "threshold", "left", "right", "value", "start")


class Trees(nn.Module):
    """The log odds that boosted trees give a row of numbers without gaps.

    All nodes stand in one list; a leaf is its own left and right, so that rows that have arrived
    stay where they are while deeper trees are walked.

    Args:
        trees, nodes: how many there are. steps: from a root to the deepest leaf.
    """

    roots: torch.Tensor
    feature: torch.Tensor
    threshold: torch.Tensor
    left: torch.Tensor
    right: torch.Tensor
    value: torch.Tensor
    start: torch.Tensor

    def __init__(self, trees: int, nodes: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        sizes = dict.fromkeys(TENSORS, nodes) | {"roots": trees, "start": 1}
        for name, size in sizes.items():
            real = name in ("threshold", "value", "start")
            kind = torch.float32 if real else torch.int64
            self.register_buffer(name, torch.zeros(size, dtype=kind))

    def forward(self, columns: torch.Tensor) -> torch.Tensor:
        """Return log odds of shape (rows,) for float32 of shape (rows, columns)."""
        place = self.roots.expand(len(columns), -1)
        for _ in range(self.steps):
            beyond = columns.gather(1, self.feature[place]) > self.threshold[place]
            place = torch.where(beyond, self.right[place], self.left[place])
        return self.value[place].sum(1) + self.start


def tensors_of(fitted: Any) -> tuple[dict[str, int], dict[str, torch.Tensor]]:
    """Return what `Trees` is made with and its tensors, of a HistGradientBoostingClassifier.

    It is one of two classes, fitted on float32 without missing values or categorical columns.
    """
    nodes = [grown[0].nodes for grown in fitted._predictors]
    first = np.cumsum([0, *(len(tree) for tree in nodes)])
    whole, own = np.concatenate(nodes), np.arange(first[-1])
    before = np.repeat(first[:-1], np.diff(first))
    leaf = whole["is_leaf"].astype(bool)
    found = {
        "roots": first[:-1],
        "feature": np.where(leaf, 0, whole["feature_idx"]),
        "threshold": _at_most(whole["num_threshold"]),
        "left": np.where(leaf, own, whole["left"] + before),
        "right": np.where(leaf, own, whole["right"] + before),
        "value": whole["value"],
        "start": np.ravel(fitted._baseline_prediction)[:1],
    }
    sizes = {"trees": len(nodes), "nodes": len(whole), "steps": int(whole["depth"].max())}
    real = ("threshold", "value", "start")
    kinds = {name: np.float32 if name in real else np.int64 for name in TENSORS}
    return sizes, {name: torch.from_numpy(found[name].astype(kinds[name])) for name in TENSORS}


def _at_most(thresholds: Any) -> Any:
    """Return the largest float32 that is no larger: what is compared with it is float32, too."""
    near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
