"""Learning rates that fall from the head down (Howard & Ruder 2018; Clark et al. 2020)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from toolkit.methods.full import Full


class Layerwise(Full):
    """All parameters; each block learns `decay` times as fast as the block above it.

    head_factor: on the learning rate of the layer that makes the logits; a new head whose inputs
    are small (a pooler's tanh, say) has a longer way to go than pretrained weights.
    """

    decay: Annotated[float, Field(gt=0, le=1)] = 0.85
    head_factor: Annotated[float, Field(gt=0)] = 1.0

    def learning_rates(self, model: Any) -> dict[str, float]:
        """Return decay^(blocks above) for what stands in or below the model's blocks."""
        blocks = block_list(model)
        if blocks is None:
            return {}
        prefix, count = blocks
        factors = {}
        below = True  # named_parameters lists embeddings before the blocks, heads after them
        for name, _ in model.named_parameters():
            if name.startswith(f"{prefix}."):
                place = int(name.removeprefix(f"{prefix}.").partition(".")[0])
                factors[name] = self.decay ** (count - place)
                below = False
            elif below:
                factors[name] = self.decay ** (count + 1)
        last = next(reversed(dict(model.named_parameters()))).rpartition(".")[0]
        return {**factors, f"{last}.weight": self.head_factor, f"{last}.bias": self.head_factor}


def block_list(model: Any) -> tuple[str, int] | None:
    """Return the name and length of the model's longest list of equal modules: its blocks."""
    from torch import nn

    lists = [
        (len(module), name)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len({type(item) for item in module}) == 1
    ]
    return (max(lists)[1], max(lists)[0]) if lists else None


METHOD = Layerwise
