"""What the sections of a report are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from markupsafe import Markup

from toolkit.reporting import charts
from toolkit.reporting.formatting import number, sentence, words

NUMBERS = 120  # rows of the table behind a chart, at most


class Table(NamedTuple):
    """A table; the first cell heads its row.

    heat: shares from 0 to 1 by which cells are shaded, as many as the rows have further cells.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    heat: Sequence[Sequence[float]] = ()


class Chart(NamedTuple):
    title: str
    svg: str
    caption: str = ""
    numbers: Table | None = None


class Picture(NamedTuple):
    """An image that a plugin has drawn, as a data URI."""

    title: str
    data: str
    width: int
    height: int


class Example(NamedTuple):
    """A test row: prediction, label, and what the model read, or what the plugin shows of it.

    moved: what moved the prediction.
    """

    row: int
    predicted: str
    actual: str
    note: str
    cells: Mapping[str, Any]
    shown: Markup | str = ""
    moved: Markup | str = ""


class Examples(NamedTuple):
    title: str
    caption: str
    rows: Sequence[Example]


class Code(NamedTuple):
    """Commands, or (folded) a file behind a summary."""

    title: str
    text: str
    folded: bool = False


@dataclass
class Section:
    """A part of the report: a question, its answer in a sentence or two, and what shows it.

    notes: what a reader must know before trusting it.
    """

    id: str
    title: str
    answer: list[str] = field(default_factory=list)
    blocks: list[Any] = field(default_factory=list)
    notes: Sequence[str] = ()


def line_chart(
    key: str,
    title: str,
    drawn: Mapping[str, Sequence[charts.Point]],
    x: str,
    y: str,
    marks: Mapping[str, charts.Point] | None = None,
    caption: str = "",
) -> Chart:
    """Return lines as a chart with its numbers. key: unique on the page."""
    marks = marks or {}
    svg = charts.lines(drawn, x, y, marks, name=f"{title}: {words(y)} over {words(x)}", key=key)
    points = [(line, point) for line, all_points in drawn.items()
              for point in charts.thinned(all_points, max(2, NUMBERS // len(drawn)))]  # fmt: skip
    rows = [[name, *(number(float(value)) for value in point)]
            for name, point in [*points, *marks.items()]]  # fmt: skip
    return Chart(sentence(title), svg, caption, Table(f"Numbers: {title}", ["line", x, y], rows))
