"""Values as JSON has them: NaN and infinity null, numpy's numbers plain, dates and paths text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def line(value: Any) -> str:
    """Return a value as one line of JSON, its letters as they are."""
    try:
        return json.dumps(value, ensure_ascii=False, default=plain, allow_nan=False)
    except ValueError:  # NaN is rare, and a look at every number is not for free
        return json.dumps(finite(value), ensure_ascii=False, default=plain)


def finite(value: Any) -> Any:
    """Return NaN and infinity as null: JSON has neither."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def plain(value: Any) -> Any:
    """Return numpy scalars, mappings, dates and paths as JSON has them."""
    if isinstance(value, Mapping):
        return dict(value)
    return value.item() if hasattr(value, "item") else str(value)
