"""Pairs that are probably no translations: they are kept, and reported."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.columns import column_values
from toolkit.evaluation.metrics.generation import is_copy, units
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets

#: A text that has so many times the words of its translation, and more (as Moses' clean-corpus has
#: it), and the words that it needs at least: a title of one may take nine.
MOST_TIMES, FEWEST = 9.0, 10
SHOWN = 3  # rows of a kind that are named
ENOUGH = 200  # pairs from which words of both languages can be learnt
SURE = 5.0  # times as probable as the other language, per text, in powers of e
WORD = re.compile(r"[^\W\d_]+")
TOKENISED = re.compile(r"\S [.,!?]($| )")


def notes(rows: datasets.Dataset, columns: tuple[str, str], split: str) -> Iterator[str]:
    """Yield what is odd about the pairs of a split: how many, and which rows come first."""
    if not set(columns) <= set(rows.column_names):
        return
    sources = _texts(rows, columns[0])
    targets = _texts(rows, columns[1])
    pairs = [(n, a, b) for n, (a, b) in enumerate(zip(sources, targets, strict=True))
             if a.strip() and b.strip()]  # fmt: skip
    found = {
        "have the same text on both sides, and teach a model to copy":
            [n for n, a, b in pairs if is_copy(b, a)],
        f"are more than {MOST_TIMES:.0f} times as long on one side: misaligned?":
            [n for n, a, b in pairs if _uneven(a, b)],
        "have a source that is probably in the language of the targets":
            _swapped([pair for pair in pairs if not is_copy(pair[2], pair[1])]),
    }  # fmt: skip
    for what, places in found.items():
        if places:
            which = listing(str(place + 1) for place in places[:SHOWN])
            more = f" and {len(places) - SHOWN:,} more" if len(places) > SHOWN else ""
            yield f"{split}: {len(places):,} of {len(sources):,} pairs {what} (row {which}{more})"
    if len(pairs) >= 10 and sum(bool(TOKENISED.search(b)) for *_, b in pairs) > len(pairs) / 2:
        yield (f"{split}: most targets have a space before punctuation: if they are tokenised, "
               "BLEU is not comparable with that of others")  # fmt: skip


def _texts(rows: datasets.Dataset, column: str) -> list[str]:
    """Return a text for each row; of several references the first."""
    return [_text(value) for chunk in column_values(rows, column).chunks
            for value in chunk.to_pylist()]  # fmt: skip


def _text(value: Any) -> str:
    first = (value or [None])[0] if isinstance(value, list) else value
    return "" if first is None else str(first)


def _uneven(source: str, target: str) -> bool:
    short, long = sorted((len(units(source)), len(units(target))))
    return long >= FEWEST and long > MOST_TIMES * max(short, 1)


def _swapped(pairs: Sequence[tuple[int, str, str]]) -> list[int]:
    """Return the rows whose source has the words of targets: naive Bayes on all pairs' words."""
    if len(pairs) < ENOUGH:
        return []
    words = [tuple(WORD.findall(text.casefold()) for text in pair[1:]) for pair in pairs]
    sides = [Counter(word for pair in words for word in pair[side]) for side in (0, 1)]
    whole = [sum(side.values()) for side in sides]
    vocabulary = len(set(sides[0]) | set(sides[1]))

    def evidence(word: str) -> float:
        """Return the logarithm of how many times as probable a word is in targets."""
        one, other = ((side[word] + 1) / (size + vocabulary)
                      for side, size in zip(sides, whole, strict=True))  # fmt: skip
        return float(np.log(other / one))

    return [row for (row, *_), (source, _) in zip(pairs, words, strict=True)
            if sum(map(evidence, source)) > SURE]  # fmt: skip
