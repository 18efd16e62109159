"""Untrusted text, made safe to print and store: no control characters, no secrets.

Column names, labels, paths and recipes come from others. Control characters are escaped as Python
does (`\\x1b`), and tokens of the Hub are masked.
"""

from __future__ import annotations

import difflib
import io
import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

# Control characters except tab and newline, Unicode line separators, and marks that change the
# direction of the text around them.
_CONTROL = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{20,}")
_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN")


def printable(text: object) -> str:
    """Return text with control characters escaped and tokens masked."""
    return _CONTROL.sub(lambda mark: repr(mark[0])[1:-1], without_tokens(str(text)))


def printable_line(text: object) -> str:
    """Return `printable` text in one line, so that a name cannot imitate another message."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def error_line(error: BaseException) -> str:
    """Return an error's kind and the first line of its message."""
    lines = str(error).strip().splitlines() or [repr(error)]
    return printable_line(f"{type(error).__name__}: {lines[0]}")


def print_text(console: Console, text: object, style: str | None = None) -> None:
    """Print untrusted text to a console."""
    console.print(printable(text), style=style, highlight=False, markup=False)


def without_tokens(text: str) -> str:
    """Return text with tokens of the Hub masked, and with those of the environment."""
    for name in _VARIABLES:
        value = os.environ.get(name, "")
        if len(value) >= 8:  # shorter values are no tokens, and would mask ordinary words
            text = text.replace(value, "hf_***")
    return _TOKEN.sub("hf_***", text)


class MaskedStream(io.TextIOBase):
    """A stream of text in which tokens are masked, also those in messages of libraries."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text without tokens."""
        self._stream.write(without_tokens(text))
        return len(text)

    def flush(self) -> None:
        """Flush what is below."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the number of the file below."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has a plain attribute
        """Return the encoding below."""
        return self._stream.encoding


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return " Did you mean 'x'?" for the known name closest to `name`, or "" if none is close.

    cutoff: minimum similarity from 0 to 1 (see difflib).
    """
    lowered = {str(candidate).lower(): str(candidate) for candidate in known}
    close = difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=cutoff)
    return f" Did you mean {lowered[close[0]]!r}?" if close else ""


def listing(names: Iterable[object], most: int = 12) -> str:
    """Return names as "a, b, c"; more than `most` are cut, with their number."""
    lines = [printable_line(name) for name in names]
    more = f" and {len(lines) - most} more" if len(lines) > most else ""
    return ", ".join(lines[:most]) + more if lines else "(none)"


_THINGS = {"annotations": "annotation", "boxes": "box", "classes": "class", "crowds": "crowd",
           "files": "file", "images": "image", "lines": "line", "masks": "mask",
           "objects": "object", "outlines": "outline", "parts": "part", "regions": "region",
           "rows": "row", "segmentations": "segmentation", "segments": "segment",
           "shapes": "shape", "tasks": "task", "tiles": "tile"}  # fmt: skip
_VERBS = {"are": "is", "have": "has", "differ": "differs", "belong": "belongs", "lie": "lies"}
_OF_ONE = re.compile(rf"\b({'|'.join(_THINGS)})\b(?:( that)? ({'|'.join(_VERBS)})\b)?")


def counted(count: int, what: str) -> str:
    """Return "12 images have no label" for "images have no label", and "1 image has no label".

    The first plural noun of images and annotations is put into the singular, with the verb that
    follows at once, and what stands for it afterwards.
    """
    found = _OF_ONE.search(what)
    if count != 1 or found is None:
        return f"{count:,} {what}"
    noun, that, verb = found.groups()
    head = what[: found.start()] + _THINGS[noun] + (that or "")
    rest = re.sub(r"\btheir\b", "its", what[found.end() :]).replace(" are not ", " is not ", 1)
    rest = re.sub(r"\b(around|of|in) them\b", r"\1 it", rest)
    return f"1 {head}{f' {_VERBS[verb]}' if verb else ''}{rest}"
