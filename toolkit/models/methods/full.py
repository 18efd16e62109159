"""Every parameter is trained (Devlin et al. 2019, section 3.2: fine-tuning)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, ClassVar, Literal

from toolkit.errors import RecipeError
from toolkit.models.method import Method, MethodContext


class Full(Method):
    """All parameters.

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


def _input_embeddings(model: Any) -> Any:
    with suppress(AttributeError, NotImplementedError):
        if (found := model.get_input_embeddings()) is not None:
            return found
    raise RecipeError(f"method.embeddings: {type(model).__name__} names no input embeddings")
