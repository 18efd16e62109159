"""Texts that are nearly equal: a word dropped or changed, a typo, or long ones that share most.

Nothing is compared pair by pair. A text of 8 to 40 words has a 64-bit key as a whole and one for
each word left out: two texts that share a key differ in one word at most. A word with a digit is
never left out, as rows that were made from a template often differ by a number alone. Longer texts
have a MinHash of their runs of three words (Broder 1997): 48 values, compared in 12 bands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xxhash

from toolkit.data.row_hashes import Bools, Hashes, among

FEWEST, MOST = 8, 40  # words of a text that may differ in one of them
LONG, RUN = 32, 3  # words of a text that has a MinHash, and of what it is made of
BANDS, HEIGHT = 12, 4
ALIKE = 0.7  # share of equal values in two MinHashes, which estimates that of equal runs
TRIED = 4  # rows of a band that are compared
BASE = 0x9E3779B97F4A7C15  # odd: then there is a number that divides by it, modulo 2^64
# Scripts that write no blanks between words (Thai to Khmer, kana, Chinese): a letter is a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
_WORDS = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")

Ints = np.ndarray[Any, np.dtype[np.int64]]


class TextSketches:
    """What is kept of rows of texts, some 100 bytes for ten words and 700 for very long ones.

    The order of a row's texts does not count.
    """

    def __init__(self) -> None:
        self._keys: list[Hashes] = []  # of all rows, one row after the other
        self._counts: list[Ints] = []  # keys of each row
        self._minima: list[Any] = []  # of the rows with long texts
        self._long: list[Ints] = []  # their numbers
        self.rows = 0

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """Add rows of normalised texts."""
        if not rows:
            return
        words = _Words(rows)
        owners, keys = words.keys()
        order = np.argsort(owners, kind="stable")
        self._keys.append(keys[order])
        self._counts.append(np.bincount(owners, minlength=len(rows)))
        long, minima = words.minima()
        self._long.append(long + self.rows)
        self._minima.append(minima)
        self.rows += len(rows)

    def among(self, others: TextSketches) -> Bools:
        """Return one bool per row: whether it is nearly equal to one of the other rows."""
        if not self.rows or not others.rows:
            return np.zeros(self.rows, bool)
        hit = among(np.concatenate(self._keys), np.concatenate(others._keys))
        starts = np.cumsum(np.concatenate(self._counts)) - np.concatenate(self._counts)
        found = np.logical_or.reduceat(hit, starts)
        long = np.concatenate(self._long)
        found[long] |= _alike(np.concatenate(self._minima), np.concatenate(others._minima))
        return np.asarray(found)


class _Words:
    """The words of a batch of rows as 64-bit hashes, the lowest bit set where one has a digit.

    A text is a polynomial of its words, so that one word can be taken out of it; a row is the sum
    of its texts.
    """

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        texts = [words_of(text) for row in rows for text in row]
        table = _WordHashes()
        self.size = len(rows)
        self.lengths = np.array([len(words) for words in texts], np.int64)
        self.row = np.repeat(np.arange(len(rows)), [len(row) for row in rows])  # of each text
        self.text = np.repeat(np.arange(len(texts)), self.lengths)  # of each word
        self.starts = np.cumsum(self.lengths) - self.lengths
        self.hashes = np.fromiter((table[w] for words in texts for w in words), np.uint64)
        place = np.arange(len(self.text)) - self.starts[self.text]
        terms = self.hashes * _powers(int(self.lengths.max(initial=0)))[place]
        self.sums = np.concatenate([[np.uint64(0)], np.cumsum(terms, dtype=np.uint64)])
        self.ends = self.starts + self.lengths
        self.whole = _mixed(self.sums[self.ends] - self.sums[self.starts])

    def keys(self) -> tuple[Ints, Hashes]:
        """Return the rows that keys are of, and the keys: of whole rows, then without a word."""
        sums, whole, rows = self.sums, self.whole, self._summed(self.lengths >= 0)
        fit = (self.lengths >= FEWEST) & (self.lengths <= MOST)
        chosen = np.flatnonzero(fit[self.text] & (self.hashes & np.uint64(1) == 0))
        text = self.text[chosen]
        after = (sums[self.ends[text]] - sums[chosen + 1]) * np.uint64(pow(BASE, -1, 1 << 64))
        without = _mixed(sums[chosen] - sums[self.starts[text]] + after)
        owners = self.row[text]
        return (np.concatenate([np.arange(self.size), owners]),
                np.concatenate([rows, rows[owners] - whole[text] + without]))  # fmt: skip

    def minima(self) -> tuple[Ints, Any]:
        """Return the rows with long texts, and the MinHash of each: (rows, 48), uint32.

        A row's short texts are part of every run: they have to be equal.
        """
        long = self.lengths >= LONG
        left = self.ends[self.text] - np.arange(len(self.text))  # with this one
        begins = np.flatnonzero(long[self.text] & (left >= RUN))
        of = self.row[self.text[begins]]
        runs = self._summed(~long)[of]
        for step, power in enumerate(_powers(RUN + 1)[1:]):
            runs = runs + _mixed(self.hashes[begins + step]) * power
        runs = _mixed(runs)
        rows, starts = np.unique(of, return_index=True)
        minima = np.empty((len(rows), BANDS * HEIGHT), np.uint32)
        factors = np.random.default_rng(0).integers(1, 1 << 63, BANDS * HEIGHT, np.uint64) | 1
        for n, factor in enumerate(factors if len(rows) else ()):
            minima[:, n] = np.minimum.reduceat((runs * factor) >> np.uint64(32), starts)
        return rows, minima

    def _summed(self, texts: Bools) -> Hashes:
        """Return for each row the sum of some of its texts."""
        found = np.zeros(self.size, np.uint64)
        np.add.at(found, self.row[texts], self.whole[texts])
        return found


class _WordHashes(dict[str, int]):
    """word -> its hash."""

    def __missing__(self, word: str) -> int:
        found = xxhash.xxh3_64_intdigest(word.encode("utf-8", "surrogatepass"))
        self[word] = found & ~1 | any(letter.isdigit() for letter in word)
        return self[word]


def words_of(text: str) -> list[str]:
    """Return the words of a normalised text."""
    return text.split() if text.isascii() else _WORDS.findall(text)


def _alike(minima: Any, others: Any) -> Bools:
    """Return for each MinHash whether one of the others has enough of its values."""
    found = np.zeros(len(minima), bool)
    if not len(minima) or not len(others):
        return found
    for band in _bands(minima, others):
        for rows, candidates in band:
            equal = (minima[rows] == others[candidates]).mean(1)
            found[rows[equal >= ALIKE]] = True
    return found


def _bands(minima: Any, others: Any) -> Iterator[Iterator[tuple[Ints, Ints]]]:
    """Yield, for each band, rows with others that are equal in it; up to four for each row."""
    for start in range(0, BANDS * HEIGHT, HEIGHT):
        one, other = (np.ascontiguousarray(part[:, start : start + HEIGHT]).view(np.uint64)
                      for part in (minima, others))  # fmt: skip
        powers = _powers(3)[1:]
        keys, there = ((_mixed(part) * powers).sum(1, dtype=np.uint64) for part in (one, other))
        order = np.argsort(there, kind="stable")
        first = np.searchsorted(there[order], keys)
        yield _equal(keys, there[order], first, order)


def _equal(keys: Hashes, there: Hashes, first: Ints, order: Ints) -> Iterator[tuple[Ints, Ints]]:
    for step in range(TRIED):
        place = np.minimum(first + step, len(there) - 1)
        rows = np.flatnonzero(there[place] == keys)
        yield rows, order[place[rows]]


def _powers(count: int) -> Hashes:
    """Return BASE to the power of 0, 1, ..., modulo 2^64."""
    factors = np.full(max(count, 1), BASE, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


def _mixed(values: Hashes) -> Hashes:
    """Return numbers in which each bit depends on all bits of the given ones (splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
