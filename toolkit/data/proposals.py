"""Columns of a table that fit the options of a scenario, by their names and values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from toolkit.data.columns import column_values, kind_of
from toolkit.plugin_types.columns import Column

if TYPE_CHECKING:
    import datasets

SAMPLE = 100_000  # rows that are looked at
MOST_CLASSES = 1000
LONG = 60  # letters, on average: longer texts name no class
#: What columns of labels are called.
LABELS = ("label", "class", "category", "target", "y", "intent", "sentiment", "topic", "tag",
          "team", "type", "rating", "score")  # fmt: skip


def propose(rows: datasets.Dataset, wanted: Mapping[str, tuple[str, Column]]) -> dict[str, str]:
    """Return option -> column, for options whose column the rows lack and that another one fits.

    Targets go first; a column is proposed once. A name that is nearly the same wins, then what the
    values say: for a target few different ones, for a text the longest.

    Args:
        wanted: option -> the column that it names now, and how the option is marked.
    """
    rows = rows.select(range(min(len(rows), SAMPLE)))
    there = {name for name, _ in wanted.values()}
    free = [name for name in rows.column_names if name not in there]
    found: dict[str, str] = {}
    lacking = {option: of for option, of in wanted.items() if of[0] not in rows.column_names}
    for option, (name, mark) in sorted(
        lacking.items(), key=lambda item: item[1][1].role == "input"
    ):
        fitting = [column for column in free if _fits(rows, column, mark)]
        chosen = _by_name(name, fitting) or _by_values(rows, fitting, mark)
        if chosen is not None:
            found[option] = chosen
            free.remove(chosen)
    return {option: found[option] for option in lacking if option in found}


def _fits(rows: datasets.Dataset, column: str, mark: Column) -> bool:
    kind = kind_of(rows.features[column])
    if mark.files:
        first = next((cell for cell in rows[column] if cell), None)
        return kind == "other" or str(first).lower().endswith(mark.files)
    if mark.role == "target" and mark.kind in ("", "text"):
        return kind in ("text", "number", "boolean", "list", "other")
    return kind in {mark.kind or kind, "text"}  # cells of csv are texts


def _by_name(name: str, columns: Iterable[str]) -> str | None:
    lowered = {column.lower(): column for column in columns}
    close = get_close_matches(name.lower(), lowered, n=1, cutoff=0.75)
    return lowered[close[0]] if close else None


def _by_values(rows: datasets.Dataset, columns: list[str], mark: Column) -> str | None:
    """Return the column whose values are those of a target, or of an input of texts or files."""
    if mark.role == "input":
        if mark.kind != "text" and not mark.files:
            return None  # one number is as good as another
        return max(columns, key=lambda column: _length(rows, column), default=None)
    if mark.kind not in ("", "text"):
        return None
    few = [column for column in columns if _are_classes(rows, column)]
    named = [column for word in LABELS for column in few if word in column.lower().split("_")]
    # The class mostly stands behind what it is the class of.
    return next(iter(named), few[-1] if few else None)


def _length(rows: datasets.Dataset, column: str) -> float:
    """Return how long the texts of a column are on average; 0 of what is no text."""
    if kind_of(rows.features[column]) != "text":
        return 0.0
    lengths = pc.utf8_length(column_values(rows, column))
    return float(np.nan_to_num(pc.mean(lengths).as_py() or 0.0))


def _are_classes(rows: datasets.Dataset, column: str) -> bool:
    if kind_of(rows.features[column]) not in ("text", "number", "boolean", "other"):
        return False
    try:
        different = pc.count_distinct(column_values(rows, column)).as_py()
    except NotImplementedError:  # of a type that pyarrow does not count
        return False
    most = min(MOST_CLASSES, len(rows) // 2)
    return 2 <= different <= max(2, most) and _length(rows, column) <= LONG
