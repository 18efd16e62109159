"""The top layers are trained, the rest is frozen (Yosinski et al. 2014, arXiv 1411.1792)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from toolkit.errors import Fault, RecipeError
from toolkit.models import frozen, structure
from toolkit.models.method import MethodContext
from toolkit.models.methods.full import Full


class Partial(Full):
    """The last `blocks` blocks (of a decoder, its last), the layers above them, and the head."""

    blocks: Annotated[int, Field(ge=0)] = 2

    def apply(self, model: Any, context: MethodContext) -> Any:
        """Return the model with its lower part frozen, running statistics of norms included."""
        model = super().apply(model, context)
        found = structure.find_structure(model)
        first = len(found.blocks) + 1 - self.blocks
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(found.depths[name] >= first)
        frozen.freeze_statistics(model)
        return model

    def check(self, model: Any) -> None:
        """Compare with the number of blocks that the model has.

        Raises:
            RecipeError: it has fewer, or none that can be recognised.
        """
        there = len(structure.find_structure(model).blocks)
        if self.blocks > there or not there:
            what = (
                f"{self.blocks} last blocks are to be trained; {type(model).__name__} has {there}"
            )
            raise RecipeError(Fault("method.blocks", what))
