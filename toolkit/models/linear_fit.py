"""The best linear layer for fixed features, exactly: logistic, one-vs-rest logistic, or ridge.

Minimises, over weight W and bias b of logits = W x + b, with features x centred and scaled,

    mean loss(logits, label) + |W|^2 / (2 C rows)

which is scikit-learn's penalised logistic regression (its `C`) where the loss is cross-entropy.
Convex, so the optimum does not depend on a seed, an order of the rows, or a learning rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

Loss = Callable[[Any, Any], Any]
Layer = tuple[torch.Tensor, torch.Tensor]
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # C, from the strongest penalty down
PATIENCE = 2  # weaker penalties in a row that predict worse end the search
# A fit ends when a step improves the objective by no larger a share. Products in float32 allow no
# more than the second.
ROUGH, EXACT = 1e-4, 1e-7
MOST_STEPS = 500


@dataclass(frozen=True)
class LabelledFeatures:
    """Features of shape (rows, width) and labels.

    parts: is gone through again and again, so that not all of it has to lie in memory at once.
    """

    parts: Iterable[tuple[torch.Tensor, torch.Tensor]]
    rows: int

    def moments(self) -> tuple[torch.Tensor, float]:
        """Return the mean of each feature, and one standard deviation for all of them.

        A scale for each would give features that hardly vary huge weights, through which dropout
        and the first steps of fine-tuning would shake the logits.
        """
        mean = torch.stack([features.double().sum(0) for features, _ in self.parts]).sum(0)
        mean /= self.rows
        square = sum(float((f.double() - mean).square().sum()) for f, _ in self.parts)
        return mean.float(), float(np.sqrt(square / (self.rows * len(mean)))) + 1e-12


@dataclass
class LinearFit:
    """A linear layer: weight (outputs, width), bias (outputs,), and the C that it was fitted with.

    losses: C -> mean loss on the rows that chose among them.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    strength: float
    losses: dict[float, float]


def loss_for(labels: torch.Tensor, smoothing: float = 0.0) -> Loss:
    """Return the mean loss that transformers' heads have for such labels.

    Cross-entropy for class ids, binary cross-entropy for rows of 0 and 1, the squared error for
    other numbers.
    """
    if not labels.is_floating_point():
        return lambda logits, y: functional.cross_entropy(logits, y, label_smoothing=smoothing)
    if labels.ndim == 2 and bool(((labels == 0) | (labels == 1)).all()):
        return functional.binary_cross_entropy_with_logits
    return lambda logits, y: functional.mse_loss(logits, y.reshape(logits.shape))


def fit_linear(
    train: LabelledFeatures,
    held_out: LabelledFeatures,
    outputs: int,
    loss: Loss,
    strengths: Sequence[float] = STRENGTHS,
) -> LinearFit:
    """Return the optimum on `train` for the C that predicts `held_out` best.

    Args:
        outputs: logits per row. loss: (logits, labels) -> mean over the rows.
        strengths: values of C to try, rising; the search ends where more only makes it worse.
    """
    problem = _Problem(train, outputs, loss)
    flat = np.zeros(problem.size)
    losses: dict[float, float] = {}
    starts: dict[float, Any] = {}
    for strength in strengths:
        flat = problem.solve(flat, strength, ROUGH)  # from where the stronger penalty ended
        starts[strength] = flat
        losses[strength] = problem.loss_of(flat, held_out)
        best = min(losses, key=lambda c: losses[c])
        if len(losses) - 1 - list(losses).index(best) >= PATIENCE:
            break
    weight, bias = problem.layer(problem.solve(starts[best], best, EXACT))
    return LinearFit(weight, bias, best, losses)


class _Problem:
    """The objective over a flat vector, as scipy's L-BFGS takes it (Liu and Nocedal 1989)."""

    def __init__(self, train: LabelledFeatures, outputs: int, loss: Loss) -> None:
        self.train, self.loss = train, loss
        self.mean, self.scale = train.moments()
        self.shape = (outputs, len(self.mean))
        self.size = outputs * (len(self.mean) + 1)

    def solve(self, start: Any, strength: float, tolerance: float) -> Any:
        """Return the minimum for one C."""
        from scipy.optimize import minimize

        options = {"maxiter": MOST_STEPS, "gtol": 0.0, "ftol": tolerance}
        return minimize(
            self._value, start, args=(strength,), jac=True, method="L-BFGS-B", options=options
        ).x

    def _value(self, flat: Any, strength: float) -> tuple[float, Any]:
        leaf = self._tensor(flat).requires_grad_()
        with torch.enable_grad():
            layer = self._unscaled(leaf)
            penalty = leaf[: -self.shape[0]].square().sum() / (2 * strength * self.train.rows)
            penalty.backward()  # type: ignore[no-untyped-call]  # torch's
            total = penalty.item()
            for features, labels in self.train.parts:
                share = len(labels) / self.train.rows
                part = share * self.loss(functional.linear(features, *layer), labels)
                part.backward(retain_graph=True)
                total += part.item()
        assert leaf.grad is not None  # noqa: S101 - backward has just filled it
        return total, leaf.grad.double().cpu().numpy()

    def _tensor(self, flat: Any) -> torch.Tensor:
        return torch.from_numpy(flat).to(self.mean.device, torch.float32)

    def _unscaled(self, flat: torch.Tensor) -> Layer:
        """Return weight and bias on features as they are: centring and scaling folded in."""
        weight = flat[: -self.shape[0]].reshape(self.shape) / self.scale
        return weight, flat[-self.shape[0] :] - weight @ self.mean

    def layer(self, flat: Any) -> Layer:
        """Return weight and bias of a solution, on features as they are."""
        return self._unscaled(self._tensor(flat))

    def loss_of(self, flat: Any, held_out: LabelledFeatures) -> float:
        """Return the mean loss of a solution on other rows."""
        layer, total = self.layer(flat), 0.0
        with torch.no_grad():
            for features, labels in held_out.parts:
                loss = self.loss(functional.linear(features, *layer), labels)
                total += len(labels) * float(loss)
        return total / held_out.rows
