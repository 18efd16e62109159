"""Cells of a table as texts, and texts that hold a list or an object."""

from __future__ import annotations

import ast
import json
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


def written_out(text: str) -> Any:
    """Return the value that a text is, as JSON or as Python writes it (a cell of csv).

    Raises:
        ValueError: it is neither.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError(f"no list or object: {text[:60]!r}") from None
