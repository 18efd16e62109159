"""Conversion to JSON: NaN and infinity to null, numpy scalars to numbers, the rest to text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any


def line(value: Any, default: Callable[[Any], Any] | None = None) -> str:
    """Return a value as one line of JSON, without escaping non-ASCII characters.

    Args:
        default: of `json.dumps`, for what is no JSON; `plain` where not given.
    """
    default = default or plain
    try:
        return json.dumps(value, ensure_ascii=False, default=default, allow_nan=False)
    except ValueError:  # NaN is rare, and checking every number costs time
        return json.dumps(finite(value), ensure_ascii=False, default=default)


def parsed(value: Any) -> Any:
    """Return a value as it comes back from a file of JSON."""
    return json.loads(line(value))


def finite(value: Any) -> Any:
    """Return a value with NaN and infinity, which JSON lacks, replaced by None."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def plain(value: Any) -> Any:
    """Return a JSON value for a numpy scalar, a mapping, a date or a path."""
    if isinstance(value, Mapping):
        return dict(value)
    return value.item() if hasattr(value, "item") else str(value)
