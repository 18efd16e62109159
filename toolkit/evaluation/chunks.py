"""Rows that were prepared in several chunks (windows of a long text).

The column `chunk_of` of a prepared split has the raw row of each chunk. Without it, each prepared
row is a chunk by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from toolkit.data.columns import numbers
from toolkit.plugin_types import Ints

if TYPE_CHECKING:
    import datasets

CHUNK_OF = "chunk_of"


def given(prepared: datasets.Dataset) -> bool:
    """Return whether a row may have several chunks."""
    return CHUNK_OF in prepared.column_names


def rows_of(prepared: datasets.Dataset, places: Sequence[int] | Ints | None = None) -> Ints:
    """Return the raw row of some chunks, or of all."""
    if not given(prepared):
        return np.arange(len(prepared)) if places is None else np.asarray(places, np.int64)
    found = numbers(prepared, CHUNK_OF).astype(np.int64)
    return found if places is None else found[np.asarray(places, np.int64)]


def bounds(prepared: datasets.Dataset, rows: int) -> Ints:
    """Return where the chunks of each raw row begin, and the end: shape (rows + 1,).

    Raises:
        ValueError: a row has no chunk, or chunks are not in the order of their rows.
    """
    if not given(prepared) and len(prepared) == rows:
        return np.arange(rows + 1)
    owners = rows_of(prepared)
    steps = np.diff(owners)
    whole = len(owners) and owners[0] == 0 and owners[-1] == rows - 1
    if rows and (not whole or (steps < 0).any() or (steps > 1).any()):
        raise ValueError(f"{len(owners)} rows for {rows}: it must keep every row, in order")
    return np.asarray(np.searchsorted(owners, np.arange(rows + 1)))


def windows(starts: Ints, most: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of raw rows, from and to, with about `most` chunks together."""
    first, rows = 0, len(starts) - 1
    while first < rows:
        last = int(np.searchsorted(starts, starts[first] + most, side="right")) - 1
        last = min(max(last, first + 1), rows)
        yield first, last
        first = last


def select(
    raw: datasets.Dataset, prepared: datasets.Dataset, rows: Sequence[int] | Ints
) -> tuple[datasets.Dataset, datasets.Dataset]:
    """Return some raw rows, and all their chunks."""
    if not given(prepared):
        return raw.select(rows), prepared.select(rows)
    starts = bounds(prepared, len(raw))
    places = [np.arange(starts[row], starts[row + 1]) for row in rows]
    owners = np.repeat(np.arange(len(places)), [len(part) for part in places])
    chosen = prepared.select(np.concatenate(places)).remove_columns(CHUNK_OF)
    return raw.select(rows), chosen.add_column(CHUNK_OF, owners.tolist())
