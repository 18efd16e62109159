"""Entities of a text as ranges of its words, and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluation.baselines import row_batches
from toolkit.evaluation.metrics.entities import mention
from toolkit.plugin_types import Row
from toolkit.tasks.base import Batch, Encoder
from toolkit.tasks.tag_sequences import WordSpan

if TYPE_CHECKING:
    import datasets

Place = tuple[int, int]  # characters of a text, from the first up to the second
Entity = Mapping[str, Any]  # {"start", "end", "label"}, characters of the text
IGNORED = -100  # a label that counts nowhere, as in torch


@dataclass(frozen=True)
class KeptWords:
    """Of a window: the numbers of its words, and log-probabilities of shape (words, tags)."""

    words: Sequence[int]
    scores: np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Found:
    """The entities of a split: how many each label has, begin or end in a word, or have none left.

    words: of its texts. mentions: `entities.mention` of each.
    """

    labels: Counter[str]
    mentions: frozenset[int]
    words: int = 0
    widened: int = 0
    lost: int = 0

    @classmethod
    def of(
        cls,
        split: datasets.Dataset,
        words_of: Callable[[Row], list[Place]],
        references: Callable[[Sequence[Row]], list[Any]],
    ) -> Found:
        """Count those of a split."""
        labels: Counter[str] = Counter()
        mentions: set[int] = set()
        words = widened = lost = 0
        for row in chain.from_iterable(row_batches(split)):
            places = words_of(row)
            (reference,) = references([row])
            entities = reference["entities"]
            labels.update(one["label"] for one in entities)
            mentions.update(map(mention, entities))
            borders = [{place[side] for place in places} for side in (0, 1)]
            words += len(places)
            widened += sum(
                one["start"] not in borders[0] or one["end"] not in borders[1] for one in entities
            )
            lost += len(entities) - len(words_touched(places, entities))
        return cls(labels, frozenset(mentions), words, widened, lost)

    def in_words(self, name: str, types: Sequence[str], read: int | None) -> Iterator[str]:
        """Yield notes on a split.

        Args:
            types: labels that the model knows. read: words that have a token; None if unknown.
        """
        lacking = {label: n for label, n in sorted(self.labels.items()) if label not in types}
        if lacking:
            what = ", ".join(f"{label} ({n:,})" for label, n in lacking.items())
            yield f"{name}: labels that train lacks, and no prediction has: {what}"
        if self.widened:
            yield (f"{name}: {self.widened:,} entities begin or end within a word: the model "
                   "learns whole words, and cannot get these right")  # fmt: skip
        if self.lost:
            yield f"{name}: {self.lost:,} entities share all their words with others: not learned"
        if unread := self.words - (self.words if read is None else read):
            yield (f"{name}: {unread:,} of {self.words:,} words have no token of their own, and "
                   "are in no predicted entity")  # fmt: skip


def words_touched(words: Sequence[Place], entities: Sequence[Entity]) -> list[WordSpan]:
    """Return entities as ranges of the words that they touch; of two, the first has a word."""
    starts = np.array([start for start, _ in words], np.int64)
    ends = np.array([end for _, end in words], np.int64)
    found: list[WordSpan] = []
    for one in sorted(entities, key=lambda one: (one["start"], one["end"])):
        first = int(np.searchsorted(ends, one["start"], side="right"))
        last = int(np.searchsorted(starts, one["end"], side="left"))
        first = max(first, found[-1][1]) if found else first
        if first < last:
            found.append((first, last, str(one["label"])))
    return found


def entities_of(
    text: str, words: Sequence[Place], spans: Sequence[WordSpan], shares: Any = None
) -> list[dict[str, Any]]:
    """Return ranges of words as entities of a prediction.

    Args:
        shares: probability of the tag of each word, whose mean is the score; 1 where not given.
    """
    found = []
    for first, last, label in spans:
        start, end = words[first][0], words[last - 1][1]
        score = 1.0 if shares is None else float(np.mean(shares[first:last]))
        found.append({"start": start, "end": end, "text": text[start:end], "label": label,
                      "score": score})  # fmt: skip
    return found


def labelled_windows(
    encode: Callable[[Batch], Mapping[str, Any]], targets: Encoder, batch: Batch, numbers: list[int]
) -> dict[str, Any]:
    """Return windows of some rows, the words in them, and a label for the first token of each.

    Args:
        encode: as `TokenLabelsPlugin.encode`. targets: to {"tags": a number for each word}, or {}.
        numbers: of the rows.
    """
    found = dict(encode(batch))
    places = found["places"]
    owners = found.setdefault("chunk_of", list(range(len(places))))
    words = found.setdefault("words", [list(range(len(own))) for own in places])
    found["length"] = [len(ids) for ids in found["input_ids"]]
    if tags := targets(batch).get("tags"):
        found["labels"] = [[IGNORED] * length for length in found["length"]]
        for window, owner in enumerate(owners):
            for place, word in zip(places[window], words[window], strict=True):
                if place >= 0:
                    found["labels"][window][place] = tags[owner][word]
    found["chunk_of"] = [numbers[owner] for owner in owners]
    return found
