"""Validation errors of pydantic as messages for the author of a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from toolkit.utils.text import listing, nearest


def _keys(loc: Sequence[Any], values: Any, missing: bool) -> list[str]:
    """Return pydantic's location without the names of union branches."""
    keys: list[str] = []
    for item in loc:
        if isinstance(values, Mapping) and item in values:
            keys, values = [*keys, str(item)], values[item]
        elif isinstance(values, list) and isinstance(item, int):
            keys, values = [*keys, str(item)], values[item] if item < len(values) else None
        elif missing and isinstance(values, Mapping) and item == loc[-1]:
            keys.append(str(item))
    return keys


def distinct_faults(error: ValidationError, values: Any) -> list[tuple[list[str], Any]]:
    """Return one fault per key: a union reports each of its branches."""
    items: dict[str, tuple[list[str], Any]] = {}
    for item in error.errors(include_url=False, include_context=True):
        keys = _keys(item["loc"], values, item["type"] == "missing")
        items.setdefault(repr(keys), (keys, item))
    return list(items.values())


def format_fault(item: Any, model: type[BaseModel]) -> str:
    """Return one of pydantic's errors in terms of YAML keys and blocks."""
    if item["type"] == "extra_forbidden":
        name, known = str(item["loc"][-1]), _siblings(model, item["loc"][:-1])
        return f"unknown key.{nearest(name, known)} Known: {listing(sorted(known), 40)}."
    if item["type"] == "missing":
        return "is missing"
    if item["loc"][-1:] == ("[key]",):
        return "the key must be text: put it in quotes"
    if item["type"] in ("model_type", "dict_type"):
        return f"should be a block of keys, not {item['input']!r}"
    message = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{message}, not {item['input']!r}" if "should" in message else (
        f"{item['input']!r}: {message}"
    )  # fmt: skip


def _siblings(model: Any, loc: Sequence[Any]) -> list[str]:
    for key in loc:
        options = getattr(model, "model_fields", {})
        if key not in options:
            continue
        inner = options[key].annotation
        types = [inner, *getattr(inner, "__args__", ())]
        model = next((found for found in types if hasattr(found, "model_fields")), None)
    return list(getattr(model, "model_fields", {}))
