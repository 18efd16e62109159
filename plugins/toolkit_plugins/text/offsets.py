"""Offsets that count something else than the characters of the context as it stands.

Files come from programs that count bytes or UTF-16 code units, or counted before line ends or the
Unicode form of the text were changed. Which it is shows over all answers of a split.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]
Answer = tuple[str, int, str]  # text, offset, context
CHARACTERS = "characters"
ENOUGH = 0.8  # share of the answers of a split that stand where a unit says
CR, LF = 13, 10


def _forms(context: str, form: str) -> Ints:
    """Return how many characters each becomes in a Unicode form, as a whole sequence."""
    if form == "NFD":
        return np.array([len(unicodedata.normalize("NFD", c)) for c in context], np.int64)
    return np.array([not unicodedata.combining(c) for c in context], np.int64)


def _line_feeds(codes: Ints) -> Ints:
    return np.asarray(~((codes == CR) & (np.append(codes[1:], 0) == LF)), np.int64)


def _both_marks(codes: Ints) -> Ints:
    return 1 + np.asarray((codes == LF) & (np.append(0, codes[:-1]) != CR), np.int64)


#: What is counted -> how much of it each character of a context is.
WIDTHS: Mapping[str, Callable[[str, Ints], Ints]] = {
    "bytes of UTF-8": lambda _, c: 1 + (c >= 0x80).astype(np.int64) + (c >= 0x800) + (c >= 0x10000),
    "code units of UTF-16": lambda _, c: 1 + (c >= 0x10000).astype(np.int64),
    "characters of a text whose lines end in a line feed": lambda _, c: _line_feeds(c),
    "characters of a text whose lines end in CR and LF": lambda _, c: _both_marks(c),
    "characters of the composed text (NFC)": lambda text, _: _forms(text, "NFC"),
    "characters of the decomposed text (NFD)": lambda text, _: _forms(text, "NFD"),
}


def place(context: str, offset: int, unit: str) -> int | None:
    """Return the place among the characters of a context; None where the unit has none there."""
    if unit == CHARACTERS or offset < 0:
        return offset
    codes = np.frombuffer(context.encode("utf-32-le", "surrogatepass"), np.uint32)
    ends = np.append(0, np.cumsum(WIDTHS[unit](context, codes.astype(np.int64))))
    found = int(np.searchsorted(ends, offset, side="right")) - 1
    return found if ends[found] == offset else None


def stands(text: str, context: str, start: int | None) -> bool:
    """Return whether a text stands at a place of a context, in whatever Unicode form."""
    if start is None or start < 0:
        return False
    if context.startswith(text, start):
        return True
    there = unicodedata.normalize("NFC", context[start : start + 3 * len(text)])
    return not text.isascii() and there.startswith(unicodedata.normalize("NFC", text))


def unit_of(answers: Callable[[], Iterable[Answer]]) -> str:
    """Return what the offsets of a split count: characters, unless another unit fits more of them.

    Args:
        answers: returns all answers with an offset; called again where some do not fit.
    """
    if all(context.startswith(text, start) for text, start, context in answers()):
        return CHARACTERS
    fits, total = Counter[str](), 0
    for text, start, context in answers():
        total += 1
        fits.update(
            unit for unit in (CHARACTERS, *WIDTHS)
            if stands(text, context, place(context, start, unit))
        )  # fmt: skip
    best = max((CHARACTERS, *WIDTHS), key=lambda unit: fits[unit])  # the first of the best
    return best if fits[best] >= ENOUGH * total else CHARACTERS
