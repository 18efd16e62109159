"""The templates filled in: text from outside is escaped, cut short and isolated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from toolkit.reporting import charts
from toolkit.reporting.formatting import number, words
from toolkit.utils.text import printable

HERE = Path(__file__).parent / "html"
CELL = 80  # characters in a table
TEXT = 600  # in a paragraph, or of a row's text


def environment(folder: Path, escaped: bool) -> Environment:
    """Return what fills in the templates of a folder. escaped: whether values are, as HTML."""
    return Environment(loader=FileSystemLoader(folder), autoescape=escaped,  # noqa: S701 - it says
                       undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # fmt: skip


def render(template: str, **values: Any) -> str:
    """Return a page by its template in `html/`."""
    made = environment(HERE, escaped=True)
    made.filters.update(cell=_cell, own=own, plain=charts.text, code=printable, svg=Markup,
                        words=words, number=number)  # fmt: skip
    made.tests["of"] = lambda block, kind: type(block).__name__ == kind
    made.globals["style"] = Markup((HERE / "style.css").read_text(encoding="utf-8"))  # noqa: S704
    return made.get_template(template).render(values)


def own(value: object, longest: int = TEXT) -> Markup:
    """Return outside text with a direction of its own, so that it turns nothing around it."""
    return Markup("<bdi>{}</bdi>").format(charts.text(value, longest))


def _cell(value: object) -> Markup | str:
    """Return a cell of a table: a number as such, anything else as outside text, n/a for none."""
    if value is None:
        return "n/a"
    return number(value) if isinstance(value, int | float) else own(value, CELL)
