"""Steps compiled by torch.compile, for batches of any length."""

from __future__ import annotations

from typing import Any

import torch

from toolkit.evaluation.predicting import evaluating
from toolkit.training.eager import Inputs, Way
from toolkit.training.outcomes import reason, require_alike
from toolkit.training.untouched import untouched


class Compiled(Way):
    """Takes steps on the compiled model; validation and saving see the model itself."""

    name = "compiled"

    def __init__(
        self, trainer: Any, model: Any, note: str | None = None, backend: str = "inductor"
    ) -> None:
        """Compile nothing yet: that takes a minute, at the first batch.

        Args:
            backend: of torch.compile.
        """
        super().__init__(trainer, model, note)
        self.plain, self.backend = model, backend

    def forward_backward(self, inputs: Inputs, num_items: Any) -> Any:
        """Run a batch, after the compiled model was compared with the plain one on the first."""
        try:
            if self.model is self.plain and self.name == "compiled":
                self.model = torch.compile(self.plain, dynamic=True, backend=self.backend)
                self._check(inputs, num_items)
            return super().forward_backward(dict(inputs), num_items)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # by code yet to be compiled: it has added no gradient
            if self.name == "eager":
                raise
            self.name, self.model = "eager", self.plain
            self.note = f"plain steps, as compiling them failed: {reason(error)}"
            return super().forward_backward(inputs, num_items)

    def _check(self, inputs: Inputs, num_items: Any) -> None:
        """Compare loss and gradients, without dropout: compiled, it draws other numbers."""
        with untouched(self.plain), evaluating(self.plain):
            found, expected = (
                self._outcome(model, dict(inputs), num_items) for model in (self.model, self.plain)
            )
        require_alike(
            self.trainer, "compiled, a step gives a loss and gradient norm of", found, expected
        )

    def _outcome(self, model: Any, inputs: Inputs, num_items: Any) -> list[float]:
        self.plain.zero_grad()
        loss = self.trainer.compute_loss(model, inputs, num_items_in_batch=num_items)
        loss.backward()
        gradients = [p.grad for p in self.plain.parameters() if p.grad is not None]
        return [float(loss.detach()), float(torch.nn.utils.get_total_norm(gradients))]
