"""What is trained, and how fast: a module per method, between "model made" and "trainer made"."""

from __future__ import annotations

import importlib

from toolkit.errors import RecipeError
from toolkit.models.method import Method
from toolkit.recipe import MethodSpec
from toolkit.utils.text import listing, nearest

NAMES = (
    "full",
    "layerwise",
    "partial",
    "head",
    "lora",
    "dora",
    "ia3",
    "adalora",
    "qlora",
    "distill",
)


def get_method(name: str) -> type[Method]:
    """Return the class of a method.

    Raises:
        RecipeError: no such method.
    """
    if name not in NAMES:
        raise RecipeError(
            f"there is no method {name!r}.{nearest(name, NAMES)} Methods: {listing(NAMES)}."
        )
    found: type[Method] = importlib.import_module(f"toolkit.models.methods.{name}").METHOD
    return found


def method_for(spec: MethodSpec) -> Method:
    """Return the method of a recipe with its settings (which have been checked before)."""
    return get_method(spec.name).model_validate(spec.model_extra or {})
