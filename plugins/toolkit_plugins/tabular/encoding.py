"""Numbers on a common scale, edges of their bins, vocabularies of categories."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


WHOLE = re.compile(r"^(-?\d+)\.0+$")
MOST_VALUES = 200  # of a vocabulary; rarer ones are "other"


def signed_log(values: Array) -> Array:
    """Return signed logarithms: amounts and counts span orders of magnitude."""
    found: Array = np.sign(values) * np.log1p(np.abs(values))
    return found


def quantile_edges(values: Array, bins: int) -> list[float]:
    """Return rising edges at the quantiles: two or more."""
    found = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)).round(6))
    if len(found) < 2:
        found = np.array([found[0] - 1, found[0] + 1])
    return [float(edge) for edge in found]


def by_frequency(values: Sequence[Any]) -> list[str]:
    """Return the most frequent values as texts, the first one first."""
    names, counts = np.unique([as_kind(value) for value in values], return_counts=True)
    most_frequent = np.argsort(-counts, kind="stable")[:MOST_VALUES]
    return [str(names[place]) for place in most_frequent]


def as_kind(value: Any) -> str:
    """Return a categorical value as text; a missing one is a category of its own.

    A number is one category in every form, and so is true, whether a text or not.
    """
    if value is None:
        return ""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.title()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return WHOLE.sub(r"\1", str(value))
