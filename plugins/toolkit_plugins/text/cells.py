"""Cells of a table as texts."""

from __future__ import annotations

from typing import Any

from toolkit.errors import DataError, Fault


def text_of(value: Any, column: str) -> str:
    """Return a cell's text; empty for a missing value.

    Raises:
        DataError: it holds a list, an object or bytes.
    """
    if isinstance(value, list | dict | bytes):
        what = f"a text is expected, not {type(value).__name__}"
        raise DataError(Fault(column, f"holds {str(value)[:60]}: {what}"))
    return "" if value is None else str(value)
