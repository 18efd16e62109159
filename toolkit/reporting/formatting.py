"""Numbers and names as the terminal, the model card, the comparison and report.html write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

NONE = "n/a"  # no value, or an undefined one
#: Abbreviations of metrics that are never written in small letters (average precision and recall).
CAPITALS = re.compile(r"\b(?:ap|ar)\d*\b")


def number(value: Any, digits: int = 3) -> str:
    """Return a number with so many decimals, or significant digits below 0.01.

    What is left of 0 by rounding in 64 bits is 0.
    """
    if value is None or value != value:
        return NONE
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    size = abs(value)
    if size < 1e-15:
        return f"{0:.{digits}f}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}" if size < 0.01 else f"{value:.{digits}f}"


def score(found: Mapping[str, Any]) -> str:
    """Return "0.931 [0.921, 0.940]" for a mapping with value, low and high."""
    value = number(found.get("value"))
    if found.get("low") is None or found.get("high") is None:
        return value
    return f"{value} [{number(found['low'])}, {number(found['high'])}]"


def share(part: float, whole: float) -> str:
    """Return "12.3%"."""
    return f"{100 * part / whole:.1f}%" if whole else NONE


def p_value(value: float) -> str:
    """Return "0.034" or "< 0.001"."""
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def duration(seconds: float) -> str:
    """Return "41 s", "12 min" or "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table, and an empty one after it."""
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cells)} |"
    yield ""


def words(name: str) -> str:
    """Return an identifier as words: "log_loss" as "log loss", "mask_ap50" as "mask AP50"."""
    return CAPITALS.sub(lambda found: found[0].upper(), str(name).replace("_", " "))


def sentence(text: str) -> str:
    """Return text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def cut(value: object, longest: int = 60) -> str:
    """Return text of at most so many characters."""
    text = str(value)
    return text if len(text) <= longest else text[: longest - 1] + "…"
