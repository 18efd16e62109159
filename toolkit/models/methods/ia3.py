"""Learned factors on activations (Liu et al. 2022, "(IA)^3", arXiv 2205.05638)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.models import structure
from toolkit.models.methods.adapter import Adapter

if TYPE_CHECKING:
    import peft


class Ia3(Adapter):
    """One factor per feature: on what goes into attention, and on the feed-forward's inner layer.

    The paper scales keys and values. Here queries are scaled, too: in q·k a factor on one is a
    factor on the other, and some models have one layer for all three. With so few parameters it
    needs a learning rate some ten times that of lora.
    """

    def targets(self, model: Any) -> list[str]:
        """Return attention's projections but for that of its output, and feed-forward's last."""
        if isinstance(self.target_modules, list):
            return super().targets(model)
        attention = structure.attention_layers(model, structure.find_structure(model))
        inputs = [name for names in attention.values() for name in names[:-1]]
        return [*inputs, *_inner_layers(model)] or super().targets(model)

    def config(self, model: Any) -> peft.PeftConfig:
        """Return peft's IA3Config; of feed-forward layers the input is scaled."""
        import peft

        common, inner = self.common(model), set(_inner_layers(model))
        scaled_before = [name for name in common["target_modules"] if name in inner]
        return peft.IA3Config(feedforward_modules=scaled_before, **common)


def _inner_layers(model: Any) -> list[str]:
    """Return the layers outside attention that lead from a wide inner layer back."""
    found = structure.find_structure(model)
    attention = {n for names in structure.attention_layers(model, found).values() for n in names}
    layers = [n for n in structure.linear_layers(model, found.blocks) if n not in attention]
    widths = [structure.widths(model.get_submodule(name)) for name in layers]
    return [name for name, (taken, given) in zip(layers, widths, strict=True) if taken > given]
