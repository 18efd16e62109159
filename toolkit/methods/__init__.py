"""What is trained, and how fast: a module per method, between "model made" and "trainer made"."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from toolkit.errors import RecipeError, listing, nearest
from toolkit.recipe import MethodSpec
from toolkit.recipe.schema import Part

if TYPE_CHECKING:
    import datasets
    from transformers import TrainerCallback

    from toolkit.plugin import Plugin

NAMES = ("full", "layerwise", "partial", "lora", "dora", "ia3", "adalora", "qlora")


@dataclass(frozen=True)
class Material:
    """What a method may look at: the plugin, its prepared splits, the seed."""

    plugin: Plugin[Any]
    prepared: Mapping[str, datasets.Dataset]
    seed: int


class Method(Part, ABC):
    """Prepares a model for training; its fields are its settings in the recipe.

    card_note: what the reader of an adapter's model card must know of it, as Markdown.
    """

    card_note: ClassVar[str] = ""

    @abstractmethod
    def apply(self, model: Any, material: Material) -> Any:
        """Return the model to train (the same object, or one wrapped around it)."""

    def learning_rates(self, model: Any) -> dict[str, float]:
        """Return parameter name -> factor on the learning rate, where it is not 1."""
        return {}

    def check(self, model: Any) -> None:
        """Compare the settings with the model, before anything is trained.

        Raises:
            RecipeError: they do not fit it.
        """

    def base(self, model: Any) -> Any:
        """Return what an adapter stands on, made from the pretrained model; also when reloaded."""
        return model

    def dense(self, model: Any) -> Any:
        """Return what `base` made with ordinary layers, as merging needs them."""
        return model

    def callbacks(self) -> list[TrainerCallback]:
        """Return what the method has to do while the Trainer trains."""
        return []


def get(name: str) -> type[Method]:
    """Return the class of a method.

    Raises:
        RecipeError: no such method.
    """
    if name not in NAMES:
        raise RecipeError(
            f"there is no method {name!r}.{nearest(name, NAMES)} Methods: {listing(NAMES)}."
        )
    found: type[Method] = importlib.import_module(f"toolkit.methods.{name}").METHOD
    return found


def of(spec: MethodSpec) -> Method:
    """Return the method of a recipe with its settings (which have been checked before)."""
    return get(spec.name).model_validate(spec.model_extra or {})
