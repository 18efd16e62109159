"""Recipes: which scenario, model, data and settings. Data only, never code."""

from toolkit.recipe.reading import Draft, draft, parse_override
from toolkit.recipe.schema import DataSpec, MethodSpec, ModelSpec, Recipe, ReportSpec, SplitSpec

__all__ = [
    "DataSpec",
    "Draft",
    "MethodSpec",
    "ModelSpec",
    "Recipe",
    "ReportSpec",
    "SplitSpec",
    "draft",
    "parse_override",
]
