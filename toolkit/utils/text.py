"""Text from outside as it may be shown or kept: it moves no terminal, hides nothing, is no secret.

Column names, labels, paths and recipes are written by others. What a terminal would obey is shown
as Python writes it (`\\x1b`), and tokens of the Hub are left out.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

# Control characters but tab and line end, line ends that are none to Python's `print`, and marks
# that turn the direction of what stands around them.
_OBEYED = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{20,}")
_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN")


def printable(text: object) -> str:
    """Return text with everything written out that a terminal or browser would obey."""
    return _OBEYED.sub(lambda mark: repr(mark[0])[1:-1], without_tokens(str(text)))


def printable_line(text: object) -> str:
    """Return `plain` text in one line, so that a name cannot pass for a message of its own."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def print_text(console: Console, text: object, style: str | None = None) -> None:
    """Print a line that may hold names, paths or texts of others."""
    console.print(printable(text), style=style, highlight=False, markup=False)


def has_token(text: str) -> bool:
    """Return whether a text holds what looks like a token of the Hub."""
    return without_tokens(text) != text


def without_tokens(text: str) -> str:
    """Return text without tokens of the Hub, and without that of the environment."""
    for name in _VARIABLES:
        value = os.environ.get(name, "")
        if len(value) >= 8:  # shorter ones are no tokens, and would take words out
            text = text.replace(value, "hf_***")
    return _TOKEN.sub("hf_***", text)


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return " Did you mean 'x'?" for the known name closest to `name`, or "" if none is close.

    cutoff: how alike they must be, from 0 to 1 (see difflib).
    """
    lowered = {str(candidate).lower(): str(candidate) for candidate in known}
    close = difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=cutoff)
    return f" Did you mean {lowered[close[0]]!r}?" if close else ""


def listing(names: Iterable[object], most: int = 12) -> str:
    """Return names as "a, b, c", cut with a count where there are more than `most`."""
    lines = [printable_line(name) for name in names]
    more = f" and {len(lines) - most} more" if len(lines) > most else ""
    return ", ".join(lines[:most]) + more if lines else "(none)"
