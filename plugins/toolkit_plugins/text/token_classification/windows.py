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
        and `places` the first token of each, which words within one token share. A word that no
        token covers is in no window.
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
    depths, owners, places = np.full((3, len(words)), NOWHERE)
    for number, (inside, first, last) in enumerate(windows):
        if not (size := len(inside)):
            continue
        reached = slice(np.searchsorted(ends, first[0], side="right"),
                        np.searchsorted(starts, last[-1], side="left"))  # fmt: skip
        token = np.searchsorted(last, starts[reached], side="right")
        before = token if number else size
        behind = size - token if number + 1 < len(windows) else size
        depth = np.minimum(before, behind)
        better = (first[token] < ends[reached]) & (depth > depths[reached])
        own = np.arange(len(words))[reached][better]
        depths[own], owners[own] = np.broadcast_to(depth, token.shape)[better], number
        places[own] = inside[token[better]]
    owned = np.argsort(owners, kind="stable")  # those of no window are first
    parts = np.split(owned, np.searchsorted(owners[owned], np.arange(len(windows))))[1:]
    return [(own, places[own]) for own in parts]
