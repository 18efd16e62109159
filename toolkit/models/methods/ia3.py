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
    factor on the other, and models whose projections are one layer do not part them. It learns
    from few parameters, and wants a learning rate some ten times that of lora.
    """

    def targets(self, model: Any) -> list[str]:
        """Return attention's projections but for that of its output, and feed-forward's last."""
        if isinstance(self.target_modules, list):
            return super().targets(model)
        found = structure.find_structure(model)
        attention = structure.attention_layers(model, found)
        inputs = [name for names in attention.values() for name in names[:-1]]
        return [*inputs, *self._inner(model)] or super().targets(model)

    def config(self, model: Any) -> peft.PeftConfig:
        """Return peft's IA3Config; of feed-forward layers the input is scaled."""
        import peft

        common, inner = self.common(model), set(self._inner(model))
        scaled_before = [name for name in common["target_modules"] if name in inner]
        return peft.IA3Config(feedforward_modules=scaled_before, **common)

    @staticmethod
    def _inner(model: Any) -> list[str]:
        """Return the layers outside attention that lead from a wide inner layer back."""
        found = structure.find_structure(model)
        held = {n for names in structure.attention_layers(model, found).values() for n in names}
        return [
            name
            for name in structure.linear_layers(model, found)
            if name not in held and _narrows(structure.widths(model.get_submodule(name)))
        ]


def _narrows(width: tuple[int, int]) -> bool:
    return width[0] > width[1]


METHOD = Ia3
