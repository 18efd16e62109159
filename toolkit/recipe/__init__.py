"""Recipes: which scenario, model, data and settings. Data only, never code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.recipe.draft import Draft
    from toolkit.recipe.overrides import parse_override
    from toolkit.recipe.reading import read_draft
    from toolkit.recipe.schema import (
        DataSpec,
        MethodSpec,
        ModelSpec,
        Recipe,
        ReportSpec,
        SplitSpec,
    )

__all__ = [
    "DataSpec",
    "Draft",
    "MethodSpec",
    "ModelSpec",
    "Recipe",
    "ReportSpec",
    "SplitSpec",
    "parse_override",
    "read_draft",
]
_HOMES = {"Draft": "draft", "parse_override": "overrides", "read_draft": "reading"}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: listing recipes must not load pydantic."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'schema')}"), name)
