"""Learning rates that fall from the head down (Howard & Ruder 2018; Clark et al. 2020)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from toolkit.models import structure
from toolkit.models.methods.full import Full


class Layerwise(Full):
    """All parameters; each block learns `decay` times as fast as the block above it.

    head_factor: on the learning rate of the layer that makes the logits; a new head whose inputs
    are small (after a pooler's tanh) has a longer way to go than pretrained weights.
    """

    decay: Annotated[float, Field(gt=0, le=1)] = 0.85
    head_factor: Annotated[float, Field(gt=0)] = 1.0

    def learning_rates(self, model: Any) -> dict[str, float]:
        """Return decay^(blocks above) for parameters in or below the model's blocks."""
        found = structure.find_structure(model)
        top = len(found.blocks) + 1
        if top == 1:
            return {}
        factors = {
            n: self.decay ** (top - depth) for n, depth in found.depths.items() if depth < top
        }
        for last in structure.linear_layers(model, found.head)[-1:]:
            weights = model.get_submodule(last).named_parameters(prefix=last)
            factors |= {name: self.head_factor for name, _ in weights}
        return factors
