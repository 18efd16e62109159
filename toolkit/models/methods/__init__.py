"""Fine-tuning methods: what is trained, and how fast; each prepares a model for its Trainer."""

from __future__ import annotations

import importlib

from toolkit.errors import RecipeError
from toolkit.models.method import Method
from toolkit.recipe.schema import MethodSpec
from toolkit.utils.text import listing, nearest

#: Name -> module and class; listed without importing any.
METHODS = {
    "full": "full:Full",
    "layerwise": "full:Layerwise",
    "partial": "full:Partial",
    "head": "head:Head",
    "lora": "lora:Lora",
    "dora": "lora:Dora",
    "ia3": "ia3:Ia3",
    "adalora": "adalora:Adalora",
    "qlora": "qlora:Qlora",
    "distill": "distill:Distill",
}


def get_method(name: str) -> type[Method]:
    """Return the class of a method.

    Raises:
        RecipeError: no such method.
    """
    if name not in METHODS:
        raise RecipeError(
            f"there is no method {name!r}.{nearest(name, METHODS)} Methods: {listing(METHODS)}."
        )
    module, _, cls = METHODS[name].partition(":")
    found: type[Method] = getattr(importlib.import_module(f"{__name__}.{module}"), cls)
    return found


def method_for(spec: MethodSpec) -> Method:
    """Return the method of a recipe with its settings (which have been checked before)."""
    return get_method(spec.name).model_validate(spec.model_extra or {})
