"""What comparing runs gave, as one page: no script, no network, light and dark, escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from toolkit.reporting.comparison import cells, facts, p_of, text_of
from toolkit.utils.text import printable_line

if TYPE_CHECKING:
    from toolkit.runs.compare import Compared
    from toolkit.runs.folder import Run

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; }
caption { text-align: left; font-weight: 600; padding: 0.3rem 0; }
th, td { text-align: left; padding: 0.3rem 0.8rem; border-bottom: 1px solid #767676; }
td { font-variant-numeric: tabular-nums; }
h2, td, th { overflow-wrap: anywhere; }
@media print { .wide { overflow: visible; } }
"""
COLUMNS = ("metric", "baseline", "run", "difference", "95% interval", "p", "verdict")
WORDS = (
    "Each run beside the baseline, on the same test rows. The interval of a difference, and how "
    "often one as large would come about by chance (p), are the paired bootstrap's over rows."
)


def page(baseline: Run, found: Sequence[Compared]) -> str:
    """Return the page as HTML."""
    return "\n".join(_lines(baseline, found)) + "\n"


def _lines(baseline: Run, found: Sequence[Compared]) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    yield f"style-src 'unsafe-inline'\">\n<title>Runs compared</title>\n<style>{STYLE}</style>"
    yield "</head>\n<body>\n<main>\n<h1>Runs compared</h1>"
    yield f"<p>{WORDS}</p>"
    yield f"<p>Baseline: {_text(baseline.path)}. {_text(facts(baseline))}.</p>"
    for one in found:
        yield f"<section>\n<h2>{_text(one.run.path)}</h2>\n<p>{_text(facts(one.run))}.</p>"
        rows = [[name.replace("_", " "), *cells(d)] for name, d in one.differences.items()]
        yield from _table("Scores on test", COLUMNS, rows)
        yield from _changes(one)
        yield "</section>"
    yield "</main>\n</body>\n</html>"


def _changes(one: Compared) -> Iterator[str]:
    if one.gained is not None and one.lost is not None and one.mcnemar is not None:
        yield (
            f"<p>Rows right in one only: {one.gained:,} gained, {one.lost:,} lost (McNemar's exact "
            f"test, p = {_text(p_of(one.mcnemar))}).</p>"
        )
    if one.changed is not None:
        yield f"<p>Rows answered differently: {one.changed:,}.</p>"
    if one.changes:
        rows = [
            [f"{c.row:,}", *map(text_of, (c.reference, c.baseline, c.prediction))]
            for c in one.changes
        ]
        names = ("row", "true", "baseline said", "run said")
        yield from _table(f"The first {len(rows)} of them", names, rows)


def _table(caption: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    label = f'role="region" tabindex="0" aria-label="{_text(caption)}"'
    yield f'<div class="wide" {label}>\n<table>\n<caption>{_text(caption)}</caption>\n<thead><tr>'
    yield "".join(f'<th scope="col">{_text(name)}</th>' for name in names)
    yield "</tr></thead>\n<tbody>"
    for first, *others in rows:
        found = "".join(f"<td>{_text(cell)}</td>" for cell in others)
        yield f'<tr><th scope="row">{_text(first)}</th>{found}</tr>'
    yield "</tbody>\n</table>\n</div>"


def _text(value: object) -> str:
    """Return text of others as HTML shows it, with nothing in it that a browser would obey."""
    return escape(printable_line(value))
