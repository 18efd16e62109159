"""Ways that change the model for a step: compared with the plain one, given up if they fail."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from toolkit.evaluation.predicting import evaluating
from toolkit.training.eager import Inputs, Way
from toolkit.training.outcomes import reason, require_alike
from toolkit.training.untouched import untouched


class Checked(Way, ABC):
    """A way of a step on a changed model, or on the model while something is changed.

    Attributes:
        doing: what it does, for the note if that fails.
    """

    doing = ""
    checked = given_up = False

    @abstractmethod
    def changed(self, inputs: Inputs) -> AbstractContextManager[Any]:
        """Return a context with the model to take a step on this batch with."""

    def forward_backward(self, inputs: Inputs, num_items: Any) -> Any:
        """Run a batch, after a comparison with the plain step on the first one."""
        if self.given_up:
            return super().forward_backward(inputs, num_items)
        try:
            if not self.checked:
                self._check(inputs, num_items)
                self.checked = True
            with self.changed(inputs) as model:
                return self.trainer.training_step(model, dict(inputs), num_items)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # in the forward pass, once checked: no gradient is added yet
            self.given_up, self.name, self.unpadded = True, "eager", False
            self.note = f"plain steps, as {self.doing} failed: {reason(error)}"
            return super().forward_backward(inputs, num_items)

    def _check(self, inputs: Inputs, num_items: Any) -> None:
        """Compare loss and gradients, without dropout, which draws other numbers."""
        with untouched(self.model), evaluating(self.model):
            expected = self._outcome(nullcontext(self.model), inputs, num_items)
            found = self._outcome(self.changed(inputs), inputs, num_items)
        what = "a step gives a loss and gradient norm of"
        require_alike(self.trainer, what, found, expected)

    def _outcome(self, changed: Any, inputs: Inputs, num_items: Any) -> list[float]:
        self.model.zero_grad()
        with changed as model:
            loss = self.trainer.compute_loss(model, dict(inputs), num_items_in_batch=num_items)
            loss.backward()
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        return [float(loss.detach()), float(torch.nn.utils.get_total_norm(gradients))]
