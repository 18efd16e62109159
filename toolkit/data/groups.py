"""Groups of rows that belong together (a passage, speaker, customer), as `data.group` names them.

A row without a group is one by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.checks import absent
from toolkit.data.columns import column_values
from toolkit.plugin_types import Ints

if TYPE_CHECKING:
    import datasets


def of_rows(split: datasets.Dataset, column: str) -> list[str | None]:
    """Return the group of each row as text, None for a row without one."""
    cells = column_values(split, column)
    return [None if empty else str(cell)
            for cell, empty in zip(cells.to_pylist(), absent(cells), strict=True)]  # fmt: skip


def codes(groups: Sequence[str | None]) -> Ints:
    """Return an integer per row, equal within a group, in the order in which groups begin."""
    found: dict[Any, int] = {}
    return np.array([found.setdefault((row,) if group is None else group, len(found))
                     for row, group in enumerate(groups)], np.int64)  # fmt: skip


def notes(found: Mapping[str, list[str | None]], column: str) -> Iterator[str]:
    """Yield what a reader must know of the groups of all splits."""
    alone = sum(groups.count(None) for groups in found.values())
    if alone:
        yield f"{alone:,} rows have no {column!r}, and each of them counts as a group"
    for one, other in combinations(found, 2):
        shared = len((set(found[one]) & set(found[other])) - {None})
        if shared:
            yield f"{shared:,} groups of {column!r} are in both {one} and {other}"
