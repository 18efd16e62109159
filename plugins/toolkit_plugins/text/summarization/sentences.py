"""A document's sentences: where each begins and ends.

A rule, no model: the same text gives the same sentences everywhere, without a download.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

#: Between the parts of a document that came as a list (ASCII's record separator, which tokenizers
#: leave out, and a space for them): they are its sentences, as they are.
PART = "\x1e\n"
_CLOSERS = "\"'\u2019\u201d\u00bb)\\]\u300d\u300f\uff09\u3011"
#: Marks that end a sentence anywhere (scripts without spaces), and those that need a space behind.
_END = re.compile(
    rf"[\u3002\uff01\uff1f\uff61]+[{_CLOSERS}]*|[.!?\u2026\u061f\u06d4\u0964\u0965]+[{_CLOSERS}]*"
    r"(?=\s|$)|\n"
)
_WIDE = frozenset("\u3002\uff01\uff1f\uff61")
_QUOTATIVE = frozenset("\u3068\u3063\u306a\u306e")
_ABBREVIATED = """
    al. approx. apr. art. aug. ave. bros. ca. capt. cf. ch. co. col. corp. dec. dept. dr. ed. eds.
    e.g. eq. eqs. esp. est. etc. feb. fig. figs. gen. gov. hon. i.e. inc. jan. jr. jul. jun. lt.
    ltd. mar. messrs. mr. mrs. ms. mt. no. nos. nov. oct. op. p. pp. prof. ref. refs. rep. rev. sec.
    sect. sen. sep. sept. sgt. sr. st. tab. viz. vol. vols. vs. w.r.t. resp. bzw. z.b. d.h. u.a.
    usw. nr. abs. evtl. ggf. mme. mlle. sra. ud."""
_ABBREVIATIONS = frozenset(_ABBREVIATED.split())
#: May end a sentence as well: they do before one of the words with which sentences begin.
_OPEN = frozenset({"etc.", "inc.", "ltd.", "co.", "corp.", "jr.", "sr.", "al.", "usw.", "no."})
_BEGINNINGS = """
    a after also although an and as at because before but by during for from he her his how however
    i if in it its no on our she since so some that the their then there these they this those
    though to we what when where while who with yet you"""
_STARTS = frozenset(_BEGINNINGS.split())
_INITIAL = re.compile(r"[^\W\d_]\.")
_ACRONYM = re.compile(r"(?:[^\W\d_]\.){2,}")
_NUMBER = re.compile(r"\(?\d{1,4}\.")
_TURN = re.compile(r"[^:\n]{1,40}:[ \t]")
TURNS = 0.8  # share of lines that begin with a speaker's name, from which a text is a dialogue


def split(text: str) -> list[Span]:
    """Return the sentences of a text: first character and the one behind the last of each.

    Lines of a dialogue ("Ann: Hello. Are you there?") are taken whole, and so are the parts of a
    document that came as a list. Each character but spaces is in exactly one sentence.
    """
    if PART[0] in text:
        return [*_trimmed(text, _cuts(text, PART[0]))]
    if _is_dialogue(text):
        return [*_trimmed(text, _cuts(text, "\n"))]
    return [*_trimmed(text, _ends(text))]


def _is_dialogue(text: str) -> bool:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return len(lines) > 1 and sum(map(bool, map(_TURN.match, lines))) >= TURNS * len(lines)


def _cuts(text: str, mark: str) -> Iterator[int]:
    yield from (found.start() for found in re.finditer(mark, text))


def _trimmed(text: str, ends: Iterator[int]) -> Iterator[Span]:
    """Yield the spans between ends, without the spaces around them, and none that is empty."""
    start = 0
    for end in [*ends, len(text)]:
        part = text[start:end]
        if bare := part.strip():
            first = start + len(part) - len(part.lstrip())
            yield first, first + len(bare)
        start = end


def _ends(text: str) -> Iterator[int]:
    start = 0
    for found in _END.finditer(text):
        if _is_end(text, start, found):
            yield found.end()
            start = found.end()


def _is_end(text: str, start: int, found: re.Match[str]) -> bool:
    mark, after = found.group(), text[found.end() : found.end() + 40].lstrip()
    if mark == "\n":
        return _line_ends(text, found)
    if mark[0] in _WIDE:  # but for a Japanese quotation that goes on: "..." to itta
        return mark[-1] in _WIDE or not after or after[0] not in _QUOTATIVE
    if after[:1].islower():  # "... et al. show", "Really?" he asked
        return False
    if mark[0] != "." or len(mark.rstrip("\"'\u2019\u201d\u00bb)]")) > 1:
        return True
    word = text[start : found.start() + 1].split()[-1].lstrip("([\"'\u201c\u2018\u00ab")
    begins = re.match(r"\w*", after).group().lower() in _STARTS  # type: ignore[union-attr]  # always matches
    if word.lower() in _OPEN or _ACRONYM.fullmatch(word):
        return begins or not after
    if _NUMBER.fullmatch(word) and text[start : found.start()].strip() == word[:-1]:
        return False  # "2. Press the button": the number of a list
    return not (word.lower() in _ABBREVIATIONS or (_INITIAL.fullmatch(word) and word != "I."))


def _line_ends(text: str, found: re.Match[str]) -> bool:
    """Return whether a line's end is a sentence's: not where text only wraps there."""
    after = text[found.end() :][:200]
    return not after.lstrip(" \t")[:1].islower()
