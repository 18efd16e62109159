"""Divergence: a loss that is not finite, or that has grown a hundredfold."""

from __future__ import annotations

import math
from typing import Any

from transformers import TrainerCallback

from toolkit.errors import DivergenceError
from toolkit.utils import distributed

GROWTH = 100.0  # times the loss that training began with, twice in a row
LITTLE = 1e-2  # a first loss below it counts as this much
ADVICE = "try a smaller training.learning_rate, or training.max_grad_norm"


class DivergenceCallback(TrainerCallback):
    """Ends the run where the loss shows that the weights are beyond repair.

    A spike that is gone by the next log does not count. No checkpoint is written of such weights
    (see `refuse_divergence`), so that the last one in the folder is good.
    """

    def __init__(self) -> None:
        self.first: float | None = None
        self.step = self.grown = 0

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        """Check the mean loss of the steps since the last log.

        Raises:
            DivergenceError: it is not finite, or a hundred times the first one for the second time.
        """
        if logs is None or "loss" not in logs:
            return
        loss, first, self.step = logs["loss"], self.step + 1, state.global_step
        steps = f"steps {first} to {self.step}" if self.step > first else f"step {self.step}"
        if not math.isfinite(loss):
            raise DivergenceError(f"the loss is {loss} in {steps}: {ADVICE}")
        if self.first is None:
            self.first = max(abs(loss), LITTLE)
        self.grown = self.grown + 1 if abs(loss) > GROWTH * self.first else 0
        if self.grown > 1:
            growth = f"has grown from {self.first:.3g} to {loss:.3g}"
            raise DivergenceError(f"the loss {growth} in {steps}: {ADVICE}")


def refuse_divergence(model: Any, step: int) -> None:
    """Raise DivergenceError, on all ranks, where weights of any are not finite."""
    import torch

    here = [name for name, p in model.named_parameters() if not torch.isfinite(p).all()]
    found = sorted({name for names in distributed.all_gather_object(here) for name in names})
    if found:
        what = f"{found[0]} and {len(found) - 1} other weights are not finite"
        raise DivergenceError(f"{what} after step {step}: {ADVICE}")
