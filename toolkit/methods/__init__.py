"""What is trained: a module per method, between "model made" and "trainer made"."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from typing import Any

from toolkit.errors import RecipeError, listing, nearest
from toolkit.recipe import MethodSpec
from toolkit.recipe.schema import Part

NAMES = ("full",)


class Method(Part, ABC):
    """Prepares a model for training; its fields are its settings in the recipe."""

    @abstractmethod
    def apply(self, model: Any) -> Any:
        """Return the model to train (the same object, or one wrapped around it)."""


def get(name: str) -> type[Method]:
    """Return the class of a method.

    Raises:
        RecipeError: no such method.
    """
    if name not in NAMES:
        raise RecipeError(f"there is no method {name!r}.{nearest(name, NAMES)} "
                          f"Methods: {listing(NAMES)}.")  # fmt: skip
    found: type[Method] = importlib.import_module(f"toolkit.methods.{name}").METHOD
    return found


def of(spec: MethodSpec) -> Method:
    """Return the method of a recipe with its settings (which have been checked before)."""
    return get(spec.name).model_validate(spec.model_extra or {})
