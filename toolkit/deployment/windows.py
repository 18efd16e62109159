"""Rows predicted a window at a time; a row that cannot be predicted costs itself alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from toolkit.errors import ToolkitError
from toolkit.utils.text import error_line

if TYPE_CHECKING:
    import datasets

WINDOW = 4096  # rows that are prepared and predicted together
FEW = 128  # the same, of rows that are explained: each is predicted many times
#: What gives each row its prediction, or prediction and explanation.
Make = Callable[["datasets.Dataset"], list[Any]]


class Line(str):
    """A prediction, or why there is none, that is written already: a line of JSON."""

    __slots__ = ()


def windows(make: Make, rows: datasets.Dataset, done: int, step: int) -> Iterator[list[Any]]:
    """Yield what is made of each window of rows from the row `done` on."""
    import datasets
    from datasets.table import InMemoryTable

    for start in range(done, len(rows), step):
        table = InMemoryTable(rows.with_format("arrow")[start : start + step])
        yield predictions(make, datasets.Dataset(table, info=rows.info), start == 0)


def predictions(make: Make, rows: datasets.Dataset, first: bool) -> list[Any]:
    """Return a prediction for each row, or as a text why there is none.

    Where no row of the first window has one, the fault is not the rows': its error is raised.
    """

    def found(part: datasets.Dataset) -> list[Any]:
        try:
            return list(make(part))
        except Exception as error:  # what hooks and models raise over a row
            if len(part) == 1:
                return [str(error) if isinstance(error, ToolkitError) else error_line(error)]
        half = len(part) // 2
        return [*found(part.select(range(half))), *found(part.select(range(half, len(part))))]

    made = found(rows)
    if first and all(isinstance(one, str) for one in made):
        return list(make(rows))
    return made
