"""The head alone, on features that the frozen model computes once (linear probing).

Alain & Bengio 2016; as a baseline that fine-tuning must beat: Kornblith et al. 2019.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from toolkit.errors import Fault, RecipeError
from toolkit.models.linear_fit import STRENGTHS
from toolkit.models.method import Method, MethodContext
from toolkit.models.methods.adapter import lost_to_peft
from toolkit.models.structure import head_modules


class Head(Method):
    """Only the head, the pretrained model stays as it is.

    A linear head is set to its exact optimum, without epochs; a deeper one is trained by Trainer,
    `training.num_train_epochs` times over the features. Either way the encoder runs once over the
    rows, or not at all where an earlier run has left the features in the cache.

    pooling: "model" reads what the model's own head reads; "mean" gives a model that reads its
    first token a block that holds the mean of all tokens, as sentence encoders want to be read.
    C: inverse strengths of the penalty to choose from, by the loss on validation.
    """

    pooling: Literal["model", "mean"] = "model"
    C: tuple[Annotated[float, Field(gt=0)], ...] = Field(STRENGTHS, min_length=1)
    _standing_in: Any = PrivateAttr(None)

    def check(self, model: Any) -> None:
        """Raise RecipeError for a model that generates, or has nothing above its base."""
        generates = getattr(model, "can_generate", bool)()
        if generates and getattr(model.config, "is_encoder_decoder", False):
            why = "is sequence to sequence, and learns in its encoder and decoder"
        elif not _own_parameters(model):
            why = "has no parameters of its own above the pretrained part"
        else:
            return
        others = "full, partial, layerwise, lora, dora, ia3 or adalora"
        if lost_to_peft(model):  # detectors whose heads share weights
            others = "full, partial or layerwise"
        what = f"head cannot train {type(model).__name__}, which {why}: use {others}"
        raise RecipeError(Fault("method", what))

    def apply(self, model: Any, context: MethodContext) -> Any:
        """Return the model with its head fitted (nothing is left to train) or ready to train."""
        from toolkit.models.feature_stand_in import on_features
        from toolkit.models.linear_probe import find_logits_layer, fit_exactly
        from toolkit.models.mean_pooling import add_mean_pooling

        model.requires_grad_(False)
        batch = context.first_batch(model)
        head = find_logits_layer(model, batch)
        if self.pooling == "mean":
            if head is None:
                what = "mean is for heads that end in one linear layer"
                raise RecipeError(Fault("method.pooling", what))
            add_mean_pooling(model, head, batch)
        if head is not None and (self.pooling == "mean" or _is_whole_head(model, head)):
            fit_exactly(model, head, context, self.C)
            return model
        for parameter in _own_parameters(model).values():
            parameter.requires_grad_(True)
        self._standing_in = on_features(model, context)
        return model

    def while_training(self, model: Any) -> AbstractContextManager[None]:
        """Put the features in the place of the frozen part."""
        return self._standing_in or nullcontext()


def _own_parameters(model: Any) -> dict[str, Any]:
    """Return the parameters outside of the base model: of the head, and the model's own."""
    head = {*head_modules(model)}
    return {n: p for n, p in model.named_parameters() if "." not in n or n.split(".")[0] in head}


def _is_whole_head(model: Any, head: Any) -> bool:
    own = {id(parameter) for parameter in head.parameters()}
    if getattr(model, "base_model", model) is model:
        return True
    return all(id(parameter) in own for parameter in _own_parameters(model).values())
