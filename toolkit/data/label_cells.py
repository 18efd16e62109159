"""Cells of a target column as they are written: lists, a 0 or 1 per class, whole numbers."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from toolkit.data.columns import BATCH, kind_of, tables

if TYPE_CHECKING:
    import datasets


def hot_places(cells: Iterable[Sequence[Any]]) -> int:
    """Return how many places lists of 0 and 1 have, where all are such, and as long; else 0."""
    length = 0
    for values in cells:
        if len(values) < 2 or (length and len(values) != length):
            return 0
        if not all(isinstance(v, int | float) and v in (0, 1) for v in values):
            return 0
        length = len(values)
    return length


def written_list(text: str) -> list[Any] | None:
    """Return the list that a text is, as JSON or Python write it; None for another text."""
    if not (text.strip().startswith("[") and text.strip().endswith("]")):
        return None
    for read in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            found = read(text.strip())
            return found if isinstance(found, list) else None
    return None


def all_written_lists(cells: Iterable[Any]) -> bool:
    """Return whether all cells are texts that are lists."""
    return all(isinstance(cell, str) and written_list(cell) is not None for cell in cells)


def all_whole(names: Collection[str]) -> bool:
    """Return whether all labels are whole numbers, which may be written as 1.0 somewhere."""
    return all(re.fullmatch(r"-?(0|[1-9]\d*)(\.0+)?", name) for name in names)


def counted(split: datasets.Dataset, column: str) -> Iterator[tuple[Any, int]]:
    """Yield the different cells of a column and how many rows have each; lists come row by row."""
    if kind_of(split.features[column]) not in ("text", "number", "boolean"):
        yield from ((cell, 1) for cell in cells(split, column))
        return
    found = Counter[Any]()
    for table in tables(split, [column]):
        for kind in pc.value_counts(table[column]).to_pylist():
            found[kind["values"]] += kind["counts"]
    yield from found.items()


def kinds(split: datasets.Dataset, column: str) -> Iterator[Any]:
    """Yield the different cells of a column."""
    return (cell for cell, _ in counted(split, column))


def cells(split: datasets.Dataset, column: str) -> Iterator[Any]:
    """Yield the cells of a column, row by row."""
    for batch in split.select_columns([column]).iter(BATCH):
        yield from batch[column]
