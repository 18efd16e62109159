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
Ints = np.ndarray[Any, np.dtype[np.int64]]
Entity = Mapping[str, Any]  # {"start", "end", "label"}, characters of the text
MOST_MENTIONS = 1_000_000  # of the training rows: 11 MB beside the model
IGNORED = -100  # a label that counts nowhere, as in torch


@dataclass(frozen=True)
class KeptWords:
    """Of a window: the numbers of its words, and log-probabilities of shape (words, tags).

    sharing: numbers of further words, whose token is that of the word before them.
    """

    words: Sequence[int]
    scores: np.ndarray[Any, np.dtype[np.float32]]
    sharing: Sequence[int] = ()


@dataclass(frozen=True)
class ReadWords:
    """Of a window: the words with a token of their own, its place, and the words that share one."""

    words: Ints
    places: Ints
    sharing: Ints

    @classmethod
    def of(cls, window: Mapping[str, Any]) -> ReadWords:
        """Return those of a prepared row; a word without a token is none of them."""
        places = np.asarray(window["places"], np.int64)
        words = np.asarray(window["words"], np.int64)[places >= 0]
        places = places[places >= 0]
        own = np.diff(places, prepend=-1) != 0
        return cls(words[own], places[own], words[~own])

    @classmethod
    def counted(cls, prepared: datasets.Dataset) -> tuple[int, int]:
        """Return how many words of a split have a token of their own, and how many share one."""
        own = sharing = 0
        for rows in prepared.select_columns(["places", "words"]).with_format("numpy").iter(1000):
            for places, words in zip(rows["places"], rows["words"], strict=True):
                read = cls.of({"places": places, "words": words})
                own, sharing = own + len(read.words), sharing + len(read.sharing)
        return own, sharing

    def kept(self, scores: Any) -> KeptWords:
        """Return the words with their log-probabilities."""
        return KeptWords(self.words.tolist(), scores, self.sharing.tolist())


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

    @property
    def known(self) -> list[int] | None:
        """The mentions as they are kept with a model; None where they are too many."""
        return sorted(self.mentions) if len(self.mentions) <= MOST_MENTIONS else None

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

    def in_words(
        self, name: str, types: Sequence[str], read: tuple[int, int] | None
    ) -> Iterator[str]:
        """Yield notes on a split.

        Args:
            types: labels that the model knows. read: how many words have a token of their own, and
                how many share one; None if unknown.
        """
        lacking = {label: n for label, n in sorted(self.labels.items()) if label not in types}
        if lacking:
            what = ", ".join(f"{label} ({n:,})" for label, n in lacking.items())
            yield f"{name}: labels that train lacks, and no prediction has: {what}"
        if self.widened:
            yield (f"{name}: {self.widened:,} entities begin or end within a word: the model "
                   "learns whole words, and cannot get these right")  # fmt: skip
        if self.lost:
            yield (f"{name}: {self.lost:,} entities touch no word, or only words of others: "
                   "not learned")  # fmt: skip
        if name == "train" and self.known is None:
            yield (f"{name}: {len(self.mentions):,} different mentions, above the "
                   f"{MOST_MENTIONS:,} that are kept: unseen_entity_f1 is unknown")  # fmt: skip
        own, sharing = read or (self.words, 0)
        if sharing:
            yield (f"{name}: {sharing:,} of {self.words:,} words share the token of the word "
                   "before them, and are in its entity or in none")  # fmt: skip
        if unread := self.words - own - sharing:
            yield (f"{name}: {unread:,} of {self.words:,} words have no token, and are in no "
                   "predicted entity")  # fmt: skip


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
            # Backwards: of words that share a token, it has the tag of the first.
            for place, word in zip(places[window][::-1], words[window][::-1], strict=True):
                if place >= 0:
                    found["labels"][window][place] = tags[owner][word]
    found["chunk_of"] = [numbers[owner] for owner in owners]
    return found
