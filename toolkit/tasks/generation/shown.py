"""A source, what was generated from it and the reference beside each other, differences marked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

from toolkit.evaluation.metrics.generation import WORD, units
from toolkit.plugin_types import MarkedText, SideBySide, Span

LONGEST = 2000  # characters that are compared, and shown
TOKEN = re.compile(rf"{WORD.pattern}|\S")  # a word, or a mark


def side_by_side(
    source: str,
    output: str,
    references: Sequence[str] | None,
    titles: tuple[str, str, str] = ("source", "output", "reference"),
) -> SideBySide:
    """Return the texts by their titles; of several references the one that shares most words.

    Args:
        references: None or empty where none is known: nothing is marked then.
    """
    if not references:
        return SideBySide({titles[0]: source, titles[1]: output})
    own = Counter(units(output))
    nearest = max(references, key=lambda text: (own & Counter(units(text))).total())
    marked, actual = differences(output[:LONGEST], nearest[:LONGEST])
    return SideBySide({titles[0]: source, titles[1]: marked, titles[2]: actual})


def differences(output: str, reference: str) -> tuple[MarkedText, MarkedText]:
    """Return both texts with the words marked that the other has not, or has elsewhere."""
    places = [[match.span() for match in TOKEN.finditer(text)] for text in (output, reference)]
    words = [[text[start:end] for start, end in spans]
             for text, spans in zip((output, reference), places, strict=True)]  # fmt: skip
    found: tuple[list[Span], list[Span]] = ([], [])
    for kind, a, b, c, d in SequenceMatcher(None, words[0], words[1], autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        for side, first, last in ((0, a, b), (1, c, d)):
            if first < last:
                start, end = places[side][first][0], places[side][last - 1][1]
                found[side].append(Span(start, end, actual=bool(side)))
    return MarkedText(output, found[0]), MarkedText(reference, found[1])
