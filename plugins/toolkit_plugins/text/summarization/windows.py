"""Documents as token ids, in windows of whole sentences, and what is learned of each sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from toolkit.evaluation.padding import Padding
from toolkit_plugins.text.summarization.sentences import Span, split

IGNORED = -100  # a label that counts nowhere, as in torch
UNIT = 10_000  # labels are whole numbers: a target of 1 is so many
FIELDS = 3  # of each sentence in the labels: first token, the one behind the last, target


@dataclass(frozen=True)
class Windows:
    """How documents are split.

    limit: tokens of a window. overlap: how many of them are of the window before, and only read: a
    sentence in the middle of a document should not look like its first.
    """

    tokenizer: Any
    limit: int
    overlap: int

    @cached_property
    def special(self) -> tuple[list[int], list[int]]:
        """The ids before and behind a text."""
        found = self.tokenizer("a", return_special_tokens_mask=True)
        own = [place for place, mark in enumerate(found["special_tokens_mask"]) if not mark]
        return found["input_ids"][: own[0]], found["input_ids"][own[-1] + 1 :]

    def notes(self, asked: int) -> Iterator[str]:
        """Yield a note where windows are smaller than asked for."""
        if self.limit < asked:
            yield (f"windows have {self.limit} tokens, the most that the model takes, and not "
                   f"{asked} (options.max_source_length)")  # fmt: skip

    def of(self, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield windows in the order of the texts.

        `chunk_of` is the place of the text, `sentences` the numbers of the sentences that a window
        scores, `places` the first token of each and the one behind its last.
        """
        encoded = self.tokenizer(
            list(texts), add_special_tokens=False, return_offsets_mapping=True, truncation=False,
            verbose=False, return_attention_mask=False, return_token_type_ids=False,
        )  # fmt: skip
        for row, text in enumerate(texts):
            ids, ends = encoded["input_ids"][row], encoded["offset_mapping"][row]
            tokens = _tokens(split(text), [end for _, end in ends])
            for window in self._windows(ids, tokens):
                yield {"chunk_of": row, "length": len(window["input_ids"]), **window}

    def _windows(self, ids: list[int], tokens: list[Span]) -> Iterator[dict[str, Any]]:
        before, behind = self.special
        room = max(self.limit - len(before) - len(behind), 1)
        overlap, first, numbers = min(self.overlap, room // 2), 0, range(len(tokens))
        filled = [number for number in numbers if tokens[number][1] > tokens[number][0]]
        while first < len(filled) or first == 0:
            own, start = list[int](), tokens[filled[first]][0] if filled else 0
            begin = max(start - overlap, 0) if first else start
            for number in filled[first:]:
                if own and tokens[number][1] - begin > room:
                    break
                own.append(number)
            if own and tokens[own[0]][1] - begin > room:  # longer than what the overlap leaves
                begin = max(start - max(room - (tokens[own[0]][1] - start), 0), 0)
            stop = min(tokens[own[-1]][1], begin + room) if own else 0
            shift = len(before) - begin
            window = [*before, *ids[begin:stop], *behind]
            places = [(tokens[n][0] + shift, min(tokens[n][1], stop) + shift) for n in own]
            yield {"input_ids": window, "attention_mask": [1] * len(window), "sentences": own,
                   "places": [place for pair in places for place in pair]}  # fmt: skip
            first += max(len(own), 1)


def _tokens(sentences: Sequence[Span], ends: Sequence[int]) -> list[Span]:
    """Return the first token of each sentence and the one behind its last.

    A token is of the sentence that its last character is in: it may begin with the space before.
    """
    places = np.searchsorted(np.asarray(ends, np.int64), [end for _, end in sentences], "right")
    firsts = np.searchsorted(np.asarray(ends, np.int64), [start for start, _ in sentences], "right")
    return [(int(a), int(b)) for a, b in zip(firsts, places, strict=True)]


def labels(window: Mapping[str, Any], targets: Sequence[float]) -> list[int]:
    """Return what is learned of a window: `FIELDS` numbers for each of its sentences."""
    found = []
    for place, number in enumerate(window["sentences"]):
        pair = window["places"][2 * place : 2 * place + 2]
        found += [*pair, round(UNIT * targets[number])]
    return found


def means(logits: Any, starts: Any, ends: Any) -> Any:
    """Return the mean logit of ranges of tokens.

    Args:
        logits: shape (rows, tokens). starts, ends: of the ranges, shape (rows, ranges).
    """
    import torch

    sums = torch.nn.functional.pad(logits.float().cumsum(1), (1, 0))
    return (sums.gather(1, ends) - sums.gather(1, starts)) / (ends - starts).clamp(min=1)


def loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    """Return the mean cross-entropy of the sentences: is each one of the summary, or not?

    Sentences are judged one by one, so that the scores of two windows can be compared.

    Args:
        labels: as `labels` makes them, padded with IGNORED. num_items_in_batch: numbers in the
            labels of all windows of a step.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    whole = labels[:, : labels.shape[1] // FIELDS * FIELDS]  # GPUs pad to multiples of eight
    starts, ends, targets = (whole[:, place::FIELDS] for place in range(FIELDS))
    known = targets != IGNORED
    scores = means(outputs.logits[..., 0], starts.clamp(min=0), ends.clamp(min=0))
    goals = targets.clamp(min=0).float() / UNIT
    each = binary_cross_entropy_with_logits(scores, goals, weight=known.float(), reduction="sum")
    count = labels.ne(IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
    return FIELDS * each / torch.as_tensor(count).clamp(min=1)


@dataclass(frozen=True)
class Collator:
    """Makes batches: lists padded on their right."""

    padding: Padding

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return a batch of rows."""
        import torch

        fillers, step, batch = self.padding.fillers, self.padding.step, {}
        for name in rows[0]:
            values = [row[name] for row in rows]
            width = -(-max(map(len, values)) // step) * step
            filled = [[*value, *[fillers[name]] * (width - len(value))] for value in values]
            batch[name] = torch.tensor(filled, dtype=torch.int64)
        return batch
