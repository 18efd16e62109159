"""Fine-tuning of the model itself: all of it, by layerwise rates, or its top layers."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from toolkit.errors import Fault, RecipeError
from toolkit.models import frozen, structure
from toolkit.models.method import Method, MethodContext


class Full(Method):
    """All parameters (Devlin et al. 2019, section 3.2: fine-tuning).

    head: "random" leaves the new head as the model class makes it; "probe" first fits it on the
    frozen model (linear probing, then fine-tuning: Kumar et al. 2022), so that the first steps do
    not distort the pretrained features. Where the head is no linear layer, it stays random.
    embeddings: "freeze" leaves the input embeddings as they are. In small text models they are half
        of all parameters; a batch touches few of them, but the optimizer updates all.
    """

    from_scratch: ClassVar[bool] = True

    head: Literal["random", "probe"] = "random"
    embeddings: Literal["train", "freeze"] = "train"

    def apply(self, model: Any, context: MethodContext) -> Any:
        """Return the model with every parameter trainable."""
        model.requires_grad_(True)
        if self.embeddings == "freeze":
            _input_embeddings(model).requires_grad_(False)
        if self.head == "probe":
            from toolkit.models.linear_probe import fit_head

            fit_head(model, context)
        return model


class Layerwise(Full):
    """All parameters; each block learns `decay` times as fast as the block above it.

    Howard & Ruder 2018; Clark et al. 2020.

    decay: learning rate of a block, relative to the block above it.
    head_factor: factor on the learning rate of the layer that makes the logits; a new head whose
    inputs are small (after a pooler's tanh) has a longer way to go than pretrained weights.
    """

    decay: Annotated[float, Field(gt=0, le=1)] = 0.85
    head_factor: Annotated[float, Field(gt=0)] = 1.0

    def learning_rates(self, model: Any) -> dict[str, float]:
        """Return decay^(blocks above) for parameters in or below the model's blocks."""
        found = structure.find_structure(model)
        top = len(found.blocks) + 1
        if top == 1:
            return {}
        below = {name: top - depth for name, depth in found.depths.items() if depth < top}
        factors = {name: self.decay**blocks for name, blocks in below.items()}
        for last in structure.linear_layers(model, found.head)[-1:]:
            weights = model.get_submodule(last).named_parameters(prefix=last)
            factors |= {name: self.head_factor for name, _ in weights}
        return factors


class Partial(Full):
    """The last `blocks` blocks (of a decoder, its last), the layers above them, and the head.

    Yosinski et al. 2014, arXiv 1411.1792.

    blocks: number of blocks that are trained, from the top.
    """

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


def _input_embeddings(model: Any) -> Any:
    with suppress(AttributeError, NotImplementedError):
        if (found := model.get_input_embeddings()) is not None:
            return found
    what = f"{type(model).__name__} names no input embeddings"
    raise RecipeError(Fault("method.embeddings", what))
