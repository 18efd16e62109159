"""The template filled in: everything that others wrote is escaped, cut short and set apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.reporting import charts
from toolkit.reporting.html.parts import Section, number
from toolkit.utils.text import printable

if TYPE_CHECKING:
    from markupsafe import Markup

HERE = Path(__file__).parent
CELL = 80  # characters in a table
TEXT = 600  # in a paragraph, or of a row's text


def render(record: Mapping[str, Any], sections: Sequence[Section]) -> str:
    """Return the page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    loader = FileSystemLoader(HERE)
    made = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters.update(cell=_cell, own=_own, plain=_plain, code=_code, svg=Markup)
    made.tests["number"] = lambda value: isinstance(value, int | float)
    made.tests["of"] = lambda block, kind: type(block).__name__ == kind
    style = Markup((HERE / "style.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return made.get_template("page.html.jinja").render(
        record=record, sections=sections, style=style
    )


def _plain(value: object, longest: int = TEXT) -> str:
    """Return others' text in one line, cut, without what a browser would obey."""
    return charts.text(value, longest)


def _own(value: object, longest: int = TEXT) -> Markup:
    """Return others' text with a direction of its own, so that it turns nothing around it."""
    from markupsafe import Markup

    return Markup("<bdi>{}</bdi>").format(_plain(value, longest))


def _cell(value: object) -> Markup | str:
    """Return a cell of a table: a number as such, anything else as others' text."""
    if isinstance(value, int | float):
        return number(value)
    return _own(value, CELL)


def _code(value: object) -> str:
    """Return text of several lines as it is, without control characters."""
    found = printable(str(value))
    return found.encode("utf-8", "replace").decode("utf-8")
