"""Questions and contexts as token ids: a long context in several overlapping windows.

Devlin et al. 2019 ("BERT"), whose code has the windows and the rule of the most context.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit_plugins.text.question_answering.answers import Place

Ints = np.ndarray[Any, np.dtype[np.int64]]
IGNORED = -100  # a label that counts nowhere, as in torch


@dataclass(frozen=True)
class Windows:
    """How contexts are split into windows.

    limit: tokens of a window. stride: tokens that neighbours share. question: tokens of it at most.
    longest: tokens of an answer, for which a window has room behind the tokens that it owns, as far
    as the stride allows.
    """

    tokenizer: Any
    limit: int
    stride: int
    question: int
    longest: int = 0

    @classmethod
    def fitting(
        cls, tokenizer: Any, limit: int, stride: int, question: int, longest: int = 0
    ) -> Windows:
        """Return windows in which half of the tokens at least are the context's."""
        room = limit - tokenizer.num_special_tokens_to_add(pair=True)
        question = max(1, min(question, room // 2))
        return cls(tokenizer, limit, min(stride, (room - question) // 2), question, longest)

    def of(
        self,
        questions: Sequence[str],
        contexts: Sequence[str],
        places: Sequence[list[Place]] | None,
    ) -> Iterator[dict[str, Any]]:
        """Yield windows in the order of the rows: model inputs, and what `spans` needs of them.

        `chunk_of` is the place within the rows. `labels` are five places among the window's tokens:
        start and end of the answer, begin and end of the context, and the token of no answer;
        they come where `places` are given.
        """
        encoded = self._encoded(questions, contexts)
        owners = encoded.pop("overflow_to_sample_mapping")
        offsets = encoded.pop("offset_mapping")
        for place, row in enumerate(owners):
            ids = encoded["input_ids"][place]
            first, starts, ends = _context(encoded.sequence_ids(place), offsets[place])
            before = place > 0 and owners[place - 1] == row
            after = place + 1 < len(owners) and owners[place + 1] == row
            nothing = self._nothing(ids)
            window = {name: encoded[name][place] for name in encoded}
            window |= {
                "chunk_of": row,
                "length": len(ids),
                "first": first,
                "nothing": nothing,
                "token_starts": starts,
                "token_ends": ends,
                "own": self._own(len(starts), before, after),
            }
            if places is not None:
                begin, end = _label(places[row], starts, ends, nothing - first, before, after)
                label = [first + begin, first + end, first, first + len(starts), nothing]
                window["labels"] = [IGNORED] * 5 if begin == IGNORED else label
            yield window

    def _encoded(self, questions: Sequence[str], contexts: Sequence[str]) -> Any:
        return self.tokenizer(
            self._shortened(questions),
            list(contexts),
            truncation="only_second",
            max_length=self.limit,
            stride=self.stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )

    def _shortened(self, questions: Sequence[str]) -> list[str]:
        found = [question.strip() for question in questions]
        encoded = self.tokenizer(found, add_special_tokens=False, return_offsets_mapping=True)
        return [
            text if len(spans) <= self.question else text[: spans[self.question - 1][1]]
            for text, spans in zip(found, encoded["offset_mapping"], strict=True)
        ]

    def _nothing(self, ids: list[int]) -> int:
        """Return the place of the no-answer token: the [CLS] token, or the first."""
        token = self.tokenizer.cls_token_id
        return ids.index(token) if token is not None and token in ids else 0

    def _own(self, count: int, before: bool, after: bool) -> list[int]:
        """Return from where to where answers may start here.

        Of two windows that share tokens, the one that shows more on both sides of a token owns it,
        unless an answer that starts there would not fit into it.
        """
        half = min(self.stride // 2, max(self.stride - self.longest, 0))
        return [half if before else 0, count - (self.stride - half) if after else count]


def _context(sequence: list[int | None], offsets: Any) -> tuple[int, Ints, Ints]:
    """Return where the context begins among the tokens, and its tokens' places in its text."""
    inside = np.flatnonzero(np.array([part == 1 for part in sequence]))
    if not len(inside):
        return 0, np.zeros(0, np.int64), np.zeros(0, np.int64)
    found = np.array(offsets, np.int64)[inside]
    return int(inside[0]), found[:, 0], np.maximum.accumulate(found[:, 1])


def _label(
    places: Sequence[Place], starts: Ints, ends: Ints, nothing: int, before: bool, after: bool
) -> tuple[int, int]:
    """Return the first and last token of the answer, counted within the context.

    `nothing` twice where the row has no answer or the window does not hold it, and IGNORED where
    its place is not known.
    """
    if not places:
        return nothing, nothing
    place = next((place for place in places if place.state != "not found"), None)
    if place is None:
        return IGNORED, IGNORED
    first = int(np.searchsorted(ends, place.start, side="right"))
    last = int(np.searchsorted(starts, place.end, side="left")) - 1
    cut = (before and place.start < starts[0]) or (after and place.end > ends[-1])
    if cut or not 0 <= first <= last < len(starts):
        return nothing, nothing
    return first, last
