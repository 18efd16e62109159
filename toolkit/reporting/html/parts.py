"""What the sections of a report are made of, and how numbers and others' texts are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit.reporting import charts

NONE = "\u2013"  # stands where there is no number
NUMBERS = 120  # rows of the table behind a chart, at most


@dataclass(frozen=True)
class Table:
    """A table: its caption, what heads its columns, and rows whose first cell heads the row.

    heat: shares from 0 to 1 by which cells are shaded, as many as the rows have further cells.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    heat: Sequence[Sequence[float]] = ()


@dataclass(frozen=True)
class Chart:
    """A chart, what it says in words, and the numbers behind it."""

    title: str
    svg: str
    says: str = ""
    numbers: Table | None = None


@dataclass(frozen=True)
class Picture:
    """A picture that a plugin has drawn, as a data URI."""

    title: str
    data: str
    width: int
    height: int


@dataclass(frozen=True)
class Example:
    """A test row: what was said of it, what is true, and what the model read."""

    row: int
    said: str
    true: str
    note: str
    cells: Mapping[str, Any]


@dataclass(frozen=True)
class Examples:
    """Test rows of one kind."""

    title: str
    says: str
    rows: Sequence[Example]


@dataclass(frozen=True)
class Notes:
    """What a reader must know before trusting a score."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Lines to copy: commands in the open, a file (with what it is) behind a summary."""

    title: str
    text: str
    folded: bool = False


@dataclass
class Section:
    """A part of the report: a question, its answer in a sentence or two, and what shows it."""

    id: str
    title: str
    answer: list[str] = field(default_factory=list)
    blocks: list[Any] = field(default_factory=list)


def number(value: Any, digits: int = 3) -> str:
    """Return a number as it is shown, or a dash."""
    if value is None or value != value:
        return NONE
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}" if 0 < size < 0.01 else f"{value:.{digits}f}"


def score(found: Mapping[str, Any], digits: int = 3) -> str:
    """Return "0.931 [0.921, 0.940]"."""
    value = number(found.get("value"), digits)
    if found.get("low") is None or found.get("high") is None:
        return value
    return f"{value} [{number(found['low'], digits)}, {number(found['high'], digits)}]"


def words(name: str) -> str:
    """Return a name of the code as words."""
    return str(name).replace("_", " ")


def sentence(text: str) -> str:
    """Return text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def share(part: float, whole: float) -> str:
    """Return "12.3%"."""
    return f"{100 * part / whole:.1f}%" if whole else NONE


def line_chart(
    key: str,
    title: str,
    drawn: Mapping[str, Sequence[charts.Point]],
    x: str,
    y: str,
    marks: Mapping[str, charts.Point] | None = None,
    says: str = "",
    *,
    from_zero: bool = False,
) -> Chart:
    """Return lines as a chart with its numbers. key: what no other chart of the page is called."""
    marks = marks or {}
    name = f"{title}: {words(y)} over {words(x)}"
    svg = charts.lines(drawn, x, y, marks, name=name, key=key, from_zero=from_zero)
    rows = [
        [line, number(float(p[0])), number(float(p[1]))]
        for line, points in drawn.items()
        for p in charts.thinned(points, max(2, NUMBERS // max(len(drawn), 1)))
    ]
    rows += [[mark, number(float(p[0])), number(float(p[1]))] for mark, p in marks.items()]
    return Chart(sentence(title), svg, says, Table(f"Numbers: {title}", ["line", x, y], rows))
