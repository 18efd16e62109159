"""Answers as tables hold them, and their spans in the contexts."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from toolkit.errors import DataError, Fault
from toolkit_plugins.text import offsets
from toolkit_plugins.text.cells import text_of

REACH = 100  # characters by which an offset may be off, where the answer occurs more than once
AROUND = 100  # characters on both sides of an answer that are compared with the question

State = Literal["right", "repaired", "first of several", "not found"]


@dataclass(frozen=True)
class Place:
    """The span context[start:end] of an answer, and how it was found; 0, 0 if it was not."""

    start: int
    end: int
    state: State


def read(value: Any, start: Any, column: str) -> list[tuple[str, int | None]]:
    """Return the answers of a row, each with its offset or None; empty where there is none.

    Args:
        value: {text: [..], answer_start: [..]} as in SQuAD, a list of such or of texts, one text.
        start: of a text, where its table has a column for it.

    Raises:
        DataError: it is none of these.
    """
    if value is None:
        return []
    if isinstance(value, Mapping):
        found = _squad(value, column)
    elif isinstance(value, list):
        found = [pair for item in value for pair in read(item, None, column)]
    elif isinstance(value, bytes) or (isinstance(value, str) and _looks_written_out(value)):
        raise _unfit(value, column)
    else:
        found = [(str(value), _offset(start, column))]
    return [(text, offset) for text, offset in found if text.strip()]


def _squad(value: Mapping[str, Any], column: str) -> list[tuple[str, int | None]]:
    if "text" not in value:
        raise _unfit(dict(value), column)
    texts, starts = value["text"], value.get("answer_start")
    texts = [] if texts is None else texts if isinstance(texts, list) else [texts]
    starts = [None] * len(texts) if starts is None else starts
    starts = starts if isinstance(starts, list) else [starts]
    if len(starts) != len(texts) or any(isinstance(text, list | dict) for text in texts):
        raise _unfit(dict(value), column)
    pairs = zip(texts, starts, strict=True)
    return [("" if text is None else str(text), _offset(start, column)) for text, start in pairs]


def _looks_written_out(text: str) -> bool:
    return text.startswith("{") and "answer_start" in text


def _offset(value: Any, column: str) -> int | None:
    if value is None or value == "" or value != value:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.5
    if number != int(number):
        raise DataError(Fault(column, f"holds the offset {value!r}: a whole number is expected"))
    return int(number)


def _unfit(value: Any, column: str) -> DataError:
    return DataError(
        Fault(
            column,
            f"holds {str(value)[:60]}: an answer is a text, a list of texts, or "
            '{"text": [..], "answer_start": [..]}; no answer is an empty one',
        )
    )


def place(text: str, start: int | None, context: str, question: str) -> Place:
    """Find an answer in its context.

    An offset that fits is taken as it is. One that does not is repaired where the text occurs once
    in the context, or where one place is nearest and within REACH. Without an offset, the one of
    several places is taken whose surroundings share most words with the question. Case, spaces and
    the Unicode form may differ.
    """
    if start is not None and start >= 0 and context.startswith(text, start):
        return Place(start, start + len(text), "right")
    spans = _spans(text, context)
    if not spans:
        return Place(0, 0, "not found")
    if len(spans) == 1:
        return Place(*spans[0], "right" if start is None else "repaired")
    if start is None:
        words = set(_words(question))
        best = max(spans, key=lambda span: (_shared(words, context, span), -span[0]))
        return Place(*best, "first of several")
    near = sorted(spans, key=lambda span: abs(span[0] - start))
    gaps = [abs(span[0] - start) for span in near[:2]]
    if gaps[0] <= REACH and gaps[0] < gaps[1]:
        return Place(*near[0], "repaired")
    return Place(0, 0, "not found")


def _at(context: str, start: int | None, unit: str) -> int | None:
    found = None if start is None else offsets.place(context, start, unit)
    return start if found is None else found


def _spans(text: str, context: str) -> list[tuple[int, int]]:
    """Return all spans of a text: exact ones, or those that differ in case, spaces and form."""
    exact = [m.span() for m in re.finditer(re.escape(text), context)]
    if exact:
        return exact
    loose = r"\s+".join(re.escape(word) for word in text.split())
    found = [m.span() for m in re.finditer(loose, context, re.IGNORECASE)]
    return found or ([] if text.isascii() and context.isascii() else _decomposed(text, context))


def _decomposed(text: str, context: str) -> list[tuple[int, int]]:
    """Return the spans of a text after canonical decomposition of both (NFD)."""
    parts = [unicodedata.normalize("NFD", character) for character in context]
    whole = "".join(parts)
    owner = [place for place, part in enumerate(parts) for _ in part]
    words = unicodedata.normalize("NFD", text).split()
    loose = r"\s+".join(re.escape(word) for word in words)
    # Neither an accent nor a last consonant (Hangul) is left behind.
    found = re.finditer(rf"{loose}(?![\u0300-\u036f\u1160-\u11ff])", whole, re.IGNORECASE)
    spans = [(owner[m.start()], owner[m.end() - 1] + 1) for m in found]
    return [span for span in spans if not unicodedata.combining(context[span[0]])]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _shared(question: set[str], context: str, span: tuple[int, int]) -> int:
    around = context[max(0, span[0] - AROUND) : span[0]] + " " + context[span[1] :][:AROUND]
    return len(question & set(_words(around)))


@dataclass(frozen=True)
class Layout:
    """The columns of a table, and how its rows are read.

    start: a flat table's column of offsets, used where it is there.
    """

    question: str
    context: str
    answers: str
    start: str

    def rows(self, split: Any) -> Iterator[dict[str, Any]]:
        """Yield the rows of a split, with the columns that are read of it."""
        wanted = [self.question, self.context, self.answers, self.start]
        table = split.select_columns([n for n in wanted if n in split.column_names])
        for batch in table.iter(1000):
            for values in zip(*batch.values(), strict=True):
                yield dict(zip(batch, values, strict=True))

    def gold(self, row: Mapping[str, Any]) -> list[tuple[str, int | None]]:
        """Return the answers of a row."""
        return read(row.get(self.answers), row.get(self.start), self.answers)

    def texts(self, row: Mapping[str, Any]) -> tuple[str, str]:
        """Return question and context of a row."""
        return text_of(row[self.question], self.question), text_of(row[self.context], self.context)

    def places(self, row: Mapping[str, Any], unit: str = offsets.CHARACTERS) -> list[Place]:
        """Return the spans of the answers of a row.

        Args:
            unit: what offsets count, as `unit` says of the split.
        """
        question, context = self.texts(row)
        return [
            place(text, _at(context, start, unit),
                  context, question)
            for text, start in self.gold(row)
        ]  # fmt: skip

    def unit(self, rows: Callable[[], Iterable[Mapping[str, Any]]]) -> str:
        """Return what the offsets of the rows count: see `offsets.unit_of`."""
        return offsets.unit_of(lambda: (
            (text, start, self.texts(row)[1])
            for row in rows() for text, start in self.gold(row) if start is not None
        ))  # fmt: skip

    def states(
        self, rows: Iterable[Mapping[str, Any]], unit: str = offsets.CHARACTERS
    ) -> Counter[str]:
        """Count, over the rows, how answers were found, and questions without any."""
        counts: Counter[str] = Counter()
        for row in rows:
            places = self.places(row, unit)
            counts.update(place.state for place in places)
            counts["rows"] += 1
            counts["unanswerable"] += not places
            counts["lost"] += bool(places) and all(p.state == "not found" for p in places)
        return counts


def shared(contexts: Mapping[str, set[str]]) -> Iterator[str]:
    """Yield how many contexts of a split (split -> its contexts) occur in train as well."""
    for name, own in contexts.items():
        count = len(own & contexts["train"]) if name != "train" else 0
        if count:
            yield (f"{name}: {count:,} of {len(own):,} contexts occur in train, too "
                   "(data.split.group=context keeps them apart)")  # fmt: skip


def in_words(name: str, counts: Mapping[str, int], unit: str = offsets.CHARACTERS) -> Sequence[str]:
    """Return notes on how the answers of a split were located."""
    found = []
    if unit != offsets.CHARACTERS:
        found.append(f"offsets of answers count {unit}, and are read so")
    if counts["unanswerable"]:
        found.append(f"{counts['unanswerable']:,} of {counts['rows']:,} questions have no answer")
    if counts["repaired"]:
        found.append(
            f"{counts['repaired']:,} answers were not at their offset in the context, but "
            "elsewhere in it"
        )
    if counts["first of several"]:
        found.append(
            f"{counts['first of several']:,} answers without an offset occur more than once in "
            "their context: the one whose surroundings share most words with the question was taken"
        )
    if counts["not found"]:
        found.append(
            f"{counts['not found']:,} answers do not occur in their context "
            f"({counts['lost']:,} questions have no other; they are scored, but not trained on)"
        )
    return [f"{name}: {what}" for what in found]
