"""Tags of words in any of the usual schemes, read as spans of words.

BIO (IOB2), BIOES and BILOU, of which what does not follow the scheme is no entity; and IOB1, BMES,
and IO with or without the prefix I-, which one rule reads: B and S begin a span, E and S end it,
and any other tag of the same type goes on with it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from toolkit.tasks.tag_sequences import OUTSIDE, spans_of
from toolkit.tasks.tag_sequences import Scheme as StrictScheme

PREFIXED = re.compile(r"([BIESLUM])[-_](.+)", re.DOTALL)
BEGIN, END = "BSU", "ESLU"
STRICT: dict[str, StrictScheme] = {"BIO": "BIO", "BIOES": "BIOES", "BILOU": "BIOES"}
Span = tuple[int, int, str]  # first word, the one after the last, type


@dataclass(frozen=True)
class Scheme:
    """How tags are written.

    name: for the report. prefixed: whether each but O is a prefix and a type. late: tags of BIO
    that go on with no span.
    """

    name: str
    prefixed: bool
    late: int = 0

    def parts(self, tag: str) -> tuple[str, str]:
        """Return prefix and type of a tag, both empty for O."""
        if is_outside(tag):
            return "", ""
        if not self.prefixed:
            return "I", tag
        match = PREFIXED.fullmatch(tag)
        return (match[1], match[2]) if match else ("", "")

    def knows(self, tag: str) -> bool:
        """Return whether a tag is one of this scheme."""
        return bool(tag) and (is_outside(tag) or self.parts(tag)[0] != "")

    def spans(self, tags: Sequence[str]) -> list[Span]:
        """Return the spans of a row of tags; of BIO, BIOES and BILOU as seqeval's strict mode."""
        if self.name in STRICT:
            parts = map(self.parts, tags)
            return spans_of([f"{mark}-{kind}" if mark else OUTSIDE for mark, kind in parts],
                            STRICT[self.name])  # fmt: skip
        found: list[Span] = []
        goes_on = ""  # the type of a span that may be continued
        for place, tag in enumerate(tags):
            mark, kind = self.parts(tag)
            if mark and (mark in BEGIN or kind != goes_on):
                found.append((place, place + 1, kind))
            elif mark:
                found[-1] = (found[-1][0], place + 1, kind)
            goes_on = "" if mark in END else kind
        return found


def is_outside(tag: str) -> bool:
    """Return whether a tag says that its word is in no span."""
    return tag in (OUTSIDE, "o")


def scheme_of(rows: Iterable[Sequence[str]]) -> Scheme:
    """Return the scheme that the tags of a split are written in."""
    rows = [[tag for tag in row if tag] for row in rows]
    names = Counter(tag for row in rows for tag in row if not is_outside(tag))
    marks: dict[str, set[str]] = defaultdict(set)  # type -> its prefixes
    balance = 0
    for name, count in names.items():
        match = PREFIXED.fullmatch(name)
        balance += count if match else -count
        if match:
            marks[match[2]].add(match[1])
    # A type such as "E-mail", among many without a prefix, is no prefix and type.
    if not marks or (balance < 0 and all(len(found) == 1 for found in marks.values())):
        return Scheme("IO (types without a prefix)" if names else "no entities", not names)
    there = set[str]().union(*marks.values())
    if there & {"L", "U"}:
        return Scheme("BILOU", True)
    if there & {"E", "S"}:
        return Scheme("BMES" if "M" in there else "BIOES", True)
    if there == {"I"}:
        return Scheme("IO", True)
    return _bio(rows)


def _bio(rows: Iterable[Sequence[str]]) -> Scheme:
    """Return IOB1, where B- stands only directly after a span of the same type, or BIO.

    Annotators slip in both: the scheme is the one that fewer spans break.
    """
    scheme = Scheme("BIO", True)
    late = first = 0
    for row in rows:
        before = ""
        for mark, kind in map(scheme.parts, row):
            late += mark == "I" and kind != before
            first += mark == "B" and kind != before
            before = kind
    return Scheme("IOB1", True) if late > first else Scheme("BIO", True, late)
