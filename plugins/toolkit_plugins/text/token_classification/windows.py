"""Texts as token ids: a long one in overlapping windows, each word in the window it is central in.

Devlin et al. 2019 ("BERT"), whose code for questions has the rule of the most context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

Place = tuple[int, int]
Ints = np.ndarray[Any, np.dtype[np.int64]]
NOWHERE = -1


@dataclass(frozen=True)
class Windows:
    """How texts are split into windows.

    limit: tokens of a window. stride: tokens that neighbours share.
    """

    tokenizer: Any
    limit: int
    stride: int

    @classmethod
    def fitting(cls, tokenizer: Any, limit: int, stride: int) -> Windows:
        """Return windows that overlap by half at most."""
        room = limit - tokenizer.num_special_tokens_to_add()
        return cls(tokenizer, limit, min(stride, room // 2))

    def of(self, texts: Sequence[str], words: Sequence[Sequence[Place]]) -> dict[str, list[Any]]:
        """Return windows in the order of the texts: model inputs, and where their words are.

        `chunk_of` is the number of the text, `words` the numbers of the words that the window owns,
        and `places` the first token of each. A word that no token begins is in no window.
        """
        encoded = self.tokenizer(
            list(texts), truncation=True, max_length=self.limit, stride=self.stride,
            return_overflowing_tokens=True, return_offsets_mapping=True,
        )  # fmt: skip
        owners = encoded.pop("overflow_to_sample_mapping")
        offsets = encoded.pop("offset_mapping")
        found: dict[str, list[Any]] = {name: list(encoded[name]) for name in encoded}
        found |= {"chunk_of": list(owners), "words": [], "places": []}
        for row, group in groupby(range(len(owners)), key=owners.__getitem__):
            windows = list(group)
            spans = [_spans(encoded.sequence_ids(n), offsets[n]) for n in windows]
            for numbers, places in _shared_out(spans, words[row]):
                found["words"].append(numbers.tolist())
                found["places"].append(places.tolist())
        return found


def _spans(sequence: list[int | None], offsets: Any) -> tuple[Ints, Ints, Ints]:
    """Return the places of a window's own tokens, and the characters that each begins and ends."""
    inside = np.flatnonzero(np.array([part == 0 for part in sequence], bool))
    found = np.array(offsets, np.int64).reshape(-1, 2)[inside]
    return inside, found[:, 0], np.maximum.accumulate(found[:, 1])


def _shared_out(
    windows: Sequence[tuple[Ints, Ints, Ints]], words: Sequence[Place]
) -> list[tuple[Ints, Ints]]:
    """Return for each window the words that it owns, and the place of the first token of each."""
    starts, ends = np.array(words, np.int64).reshape(-1, 2).T
    depths, places = [], []
    for number, (inside, first, last) in enumerate(windows):
        token = np.searchsorted(last, starts, side="right")
        there = token < len(inside)
        token = np.where(there, token, 0)
        there &= (first[token] < ends) if len(inside) else False
        # Of words that share their first token, only the first has it.
        there[1:] &= ~(there[:-1] & (token[1:] == token[:-1]))
        before = token if number else np.full(len(words), len(inside))
        behind = len(inside) - token if number + 1 < len(windows) else before
        depth = np.minimum(before, behind) if number else behind
        depths.append(np.where(there, depth, NOWHERE))
        places.append(inside[token] if len(inside) else token)
    best = np.array(depths).argmax(0)
    known = np.array(depths).max(0) > NOWHERE
    chosen = [np.flatnonzero(known & (best == number)) for number in range(len(windows))]
    return [(own, place[own]) for own, place in zip(chosen, places, strict=True)]
