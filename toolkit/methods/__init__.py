"""What is trained: a module per method, between "model made" and "trainer made".

A method is a pydantic class whose fields are its settings in the recipe's `method:` block and
whose `apply(model)` returns the model to train.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

from toolkit.errors import RecipeError, listing, nearest

if TYPE_CHECKING:
    from pydantic import BaseModel

NAMES = ("full",)


class Method(Protocol):
    """Prepares a model for training."""

    def apply(self, model: Any) -> Any:
        """Return the model to train (the same object, or one wrapped around it)."""


def get(name: str) -> type[BaseModel]:
    """Return the class of a method.

    Raises:
        RecipeError: no such method.
    """
    if name not in NAMES:
        raise RecipeError(f"there is no method {name!r}.{nearest(name, NAMES)} "
                          f"Methods: {listing(NAMES)}.")  # fmt: skip
    found: type[BaseModel] = importlib.import_module(f"toolkit.methods.{name}").METHOD
    return found
