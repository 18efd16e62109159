"""Groups of rows that belong together (a passage, speaker, customer), and which rows are in them.

A row without a group is one by itself. Values that differ in case, spaces or the composition of
their characters alone name the same group.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from toolkit.data.checks import absent
from toolkit.data.columns import column_values
from toolkit.plugin_types import Ints

if TYPE_CHECKING:
    import datasets

Names = list[str | None]  # the group of each row
Columns = dict[str, Names]  # column -> the group of each row


def of_rows(split: datasets.Dataset, column: str) -> Names:
    """Return the group of each row as text, None for a row without one."""
    cells = column_values(split, column)
    return [None if empty else _name(str(cell))
            for cell, empty in zip(cells.to_pylist(), absent(cells), strict=True)]  # fmt: skip


def _name(cell: str) -> str:
    return " ".join(unicodedata.normalize("NFC", cell).casefold().split())


def named(cluster: Sequence[str], *others: str | None) -> list[str]:
    """Return the columns of groups for intervals: those of `report.cluster`, or the first other."""
    return list(cluster) or [name for name in others if name][:1]


def codes(groups: Sequence[str | None]) -> Ints:
    """Return an integer per row, equal within a group, in the order in which groups begin."""
    found: dict[str | int, int] = {}
    return np.array([found.setdefault(row if group is None else group, len(found))
                     for row, group in enumerate(groups)], np.int64)  # fmt: skip


def of_columns(columns: Mapping[str, Sequence[str | None]]) -> Ints | None:
    """Return the groups of rows by each column, shape (rows, columns); None without columns."""
    found = [codes(names) for names in columns.values()]
    return np.stack(found, axis=1) if found else None


def notes(splits: Mapping[str, Columns], column: str) -> Iterator[str]:
    """Yield what a reader must know of the groups of all splits, by which they are kept apart."""
    found = {name: columns[column] for name, columns in splits.items()}
    alone = sum(groups.count(None) for groups in found.values())
    if alone:
        yield f"{alone:,} rows have no {column!r}, and each of them counts as a group"
    for one, other in combinations(found, 2):
        shared = len((set(found[one]) & set(found[other])) - {None})
        if shared:
            yield f"{shared:,} groups of {column!r} are in both {one} and {other}"
