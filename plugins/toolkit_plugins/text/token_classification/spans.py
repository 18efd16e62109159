"""Character spans of annotators: what their offsets count, and whether they fit their text."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

from toolkit_plugins.text import offsets

ENOUGH = 0.8  # share of the spans that stand where a way of counting says
LOOKED_AT = 2000  # spans that show what offsets count
TRIMMED = "blanks at the edges of spans were left out"
TWICE = "spans given twice were taken once"
MOVED = "spans were not at their offsets, but at the one other place of their text"
# Why a row cannot be used: reasons as they are counted.
NO_NUMBER = "an offset that is no whole number"
NO_LABEL = "a span without a label"
BEYOND = "a span that ends beyond the text"
REVERSED = "a span that does not end after its start"
BLANK = "a span of blanks alone"
ELSEWHERE = "a span whose text is not at its offsets"


@dataclass(frozen=True)
class Given:
    """A span as it was annotated. text: what it covers, where the file says so."""

    start: Any
    end: Any
    label: Any
    text: str | None = None


@dataclass(frozen=True)
class Counting:
    """What offsets count, and whether the end is the place of the last character itself."""

    unit: str = offsets.CHARACTERS
    inclusive: bool = False

    def place(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """Return a span in characters; None where its ends are none."""
        if start < 0 or end < 0:
            return None
        places = (offsets.place(text, start, self.unit),
                  offsets.place(text, end + self.inclusive, self.unit))  # fmt: skip
        return None if None in places else places  # type: ignore[return-value]

    def __str__(self) -> str:
        last = " up to the last one" if self.inclusive else ""
        return f"{self.unit}{last}"


@dataclass(frozen=True)
class Read:
    """The spans of a text, in order. why: the row cannot be used. overlap: two that share a place.

    counts: what was done -> how many spans.
    """

    spans: Sequence[tuple[int, int, str]]
    counts: Counter[str]
    why: str = ""
    overlap: str = ""


def counting_of(rows: Iterable[tuple[str, Sequence[Given]]]) -> Counting:
    """Return what the offsets of texts count: characters, unless another way fits more spans.

    A span fits where its own text stands, or, if files do not say it, where words begin and end.
    """
    found = ((text, whole, span.text) for text, spans in rows for span in spans
             if (whole := _whole(span)) is not None)  # fmt: skip
    seen = list(islice(found, LOOKED_AT))
    usual = Counting()
    if all(_fits(text, usual.place(text, *ends), given) for text, ends, given in seen):
        return usual
    ways = [Counting(unit, last) for last in (False, True)
            for unit in (offsets.CHARACTERS, *offsets.WIDTHS)]  # fmt: skip
    fits = {way: sum(_fits(text, way.place(text, *ends), given) for text, ends, given in seen)
            for way in ways}  # fmt: skip
    best = max(ways, key=lambda way: fits[way])  # the first of the best
    return best if fits[best] >= ENOUGH * len(seen) else usual


def _whole(span: Given) -> tuple[int, int] | None:
    start, end = _number(span.start), _number(span.end)
    return None if start is None or end is None else (start, end)


def _number(value: Any) -> int | None:
    try:
        number = float(value)
        return int(number) if number == int(number) else None
    except (TypeError, ValueError, OverflowError):
        return None


def _fits(text: str, ends: tuple[int, int] | None, given: str | None) -> bool:
    if ends is None or not 0 <= ends[0] < ends[1] <= len(text):
        return False
    if given is not None:
        return _same(text[slice(*ends)], given)
    return not within_word(text, ends[0]) and not within_word(text, ends[1]) and (
        text[slice(*ends)] == text[slice(*ends)].strip()
    )  # fmt: skip


def within_word(text: str, place: int) -> bool:
    """Return whether a place is between two letters or digits."""
    return 0 < place < len(text) and text[place - 1].isalnum() and text[place].isalnum()


def _same(one: str, other: str) -> bool:
    """Return whether two texts differ in blanks and Unicode form at most."""
    forms = (unicodedata.normalize("NFC", " ".join(text.split())) for text in (one, other))
    return next(forms) == next(forms)


def read(text: str, given: Sequence[Given], counting: Counting) -> Read:
    """Return the spans of a text in characters, sorted, trimmed and each once."""
    counts, found = Counter[str](), set[tuple[int, int, str]]()
    for span in given:
        ends, why = _placed(text, span, counting, counts)
        label = "" if span.label is None else str(span.label).strip()
        if why or not label:
            return Read((), Counter(), why or NO_LABEL)
        start, end = _trimmed(text, *ends)
        if start >= end:
            return Read((), Counter(), BLANK)
        counts[TRIMMED] += (start, end) != ends
        counts[TWICE] += (start, end, label) in found
        found.add((start, end, label))
    spans = sorted(found)
    both = next(((a, b) for a, b in pairwise(spans) if b[0] < a[1]), None)
    overlap = "" if both is None else " and ".join(
        f"{label} {text[start:end][:40]!r} [{start}, {end})" for start, end, label in both
    )  # fmt: skip
    return Read(spans, counts, "", overlap)


def _placed(
    text: str, span: Given, counting: Counting, counts: Counter[str]
) -> tuple[tuple[int, int], str]:
    """Return a span in characters, or why it is none."""
    whole = _whole(span)
    if whole is None:
        return (0, 0), NO_NUMBER
    if whole[0] < 0 or whole[0] >= whole[1] + counting.inclusive:
        return (0, 0), REVERSED
    ends = counting.place(text, *whole)
    if span.text is not None and span.text.strip() and not _fits(text, ends, span.text):
        first = text.find(span.text)
        if first < 0 or text.find(span.text, first + 1) >= 0:
            return (0, 0), ELSEWHERE
        counts[MOVED] += 1
        return (first, first + len(span.text)), ""
    return (ends, "") if ends is not None and ends[1] <= len(text) else ((0, 0), BEYOND)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    inside = text[start:end]
    return start + len(inside) - len(inside.lstrip()), end - len(inside) + len(inside.rstrip())
