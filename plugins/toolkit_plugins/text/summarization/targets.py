"""What extraction learns: how much each sentence adds to a summary, by ROUGE.

Sentences are chosen one after the other, each the one that raises ROUGE-1 and ROUGE-2 most
(Nallapati et al. 2017, "SummaRuNNer"). As several are often nearly as good, the targets are not the
chosen ones alone but a softmax of what each would give.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from toolkit.evaluation.metrics.rouge import Words, overlap, words

TEMPERATURE = 0.05
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Bag:
    """Words and pairs of a text, or of several together."""

    words: Counter[str]
    pairs: Counter[tuple[str, str]]

    @classmethod
    def of(cls, text: str, kind: Words) -> Bag:
        """Return those of a text."""
        found = words(text, kind)
        return cls(Counter(found), Counter(pairwise(found)))

    def __add__(self, other: Bag) -> Bag:
        return Bag(self.words + other.words, self.pairs + other.pairs)

    def rouge(self, references: Sequence[Bag]) -> float:
        """Return the mean of ROUGE-1 and ROUGE-2, for the reference that fits best."""
        return max(
            (overlap(self.words, r.words) + overlap(self.pairs, r.pairs)) / 2 for r in references
        )


def gains(
    sentences: Sequence[str], references: Sequence[str], count: int, kind: Words
) -> tuple[Floats, list[int]]:
    """Return a target for each sentence, which sum to 1, and the sentences chosen, best first.

    Args:
        count: sentences of an extract at most: no more are chosen once nothing is gained.
    """
    golds = [Bag.of(text, kind) for text in references]
    bags = [Bag.of(text, kind) for text in sentences]
    target, chosen, have, best = np.zeros(len(bags)), list[int](), None, -1.0
    for _ in range(min(count, len(bags))):
        scores = np.array([
            -1.0 if place in chosen else (bag if have is None else have + bag).rouge(golds)
            for place, bag in enumerate(bags)
        ])  # fmt: skip
        place = int(scores.argmax())
        if scores[place] <= best:
            break
        best, have = scores[place], bags[place] if have is None else have + bags[place]
        weights = np.where(scores < 0, 0, np.exp((scores - best) / TEMPERATURE))
        target += weights / weights.sum()
        chosen.append(place)
    return target / max(len(chosen), 1), chosen
