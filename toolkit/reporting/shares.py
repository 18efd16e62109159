"""Shares of rows as text, with the interval that so many rows allow."""

from __future__ import annotations

from toolkit.evaluation.shares import wilson
from toolkit.reporting.formatting import NONE, score

FEW = 10  # rows, below which their share says nothing of others


def share_of(found: int, rows: int, independent: bool = True) -> str:
    """Return "0.931 [0.921, 0.940]", with the Wilson interval; "2 of 3" for few rows.

    Args:
        independent: whether the rows are; otherwise there is no interval.
    """
    if not rows:
        return NONE
    if rows < FEW:
        return f"{found} of {rows}"
    low, high = wilson(found, rows) if independent else (None, None)
    return score({"value": found / rows, "low": low, "high": high})
