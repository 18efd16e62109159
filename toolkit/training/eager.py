"""The plain training step; other ways of it are measured against it, and fall back on it."""

from __future__ import annotations

from typing import Any

Inputs = dict[str, Any]


class Way:
    """How the forward and backward pass of a batch are run.

    Attributes:
        name: eager, captured or compiled.
        unpadded: padding is removed inside the model.
        note: why this way, in one line; for the report.
        keeps_gradients: gradients are to be zeroed in place, as their addresses are in use.
    """

    name = "eager"
    unpadded = False
    keeps_gradients = False

    def __init__(self, trainer: Any, model: Any, note: str | None = None) -> None:
        """Take the Trainer and the model as accelerate has prepared it."""
        self.trainer, self.model, self.note = trainer, model, note

    def forward_backward(self, inputs: Inputs, num_items: Any) -> Any:
        """Add a batch's gradients to those of the parameters, and return its loss, detached.

        Args:
            inputs: tensors on the device.
            num_items: what the Trainer counted over the whole step, if anything.
        """
        step = getattr(self.trainer, "lean_step", self.trainer.training_step)
        return step(self.model, inputs, num_items)

    def record(self) -> dict[str, Any]:
        """Return what run.json keeps, and `ways.chosen` takes when the run is resumed."""
        return {"name": self.name, "unpadded": self.unpadded, "note": self.note}
