"""What extraction learns: how much each sentence adds to a summary, by ROUGE.

Sentences are chosen one after the other, each the one that raises ROUGE-1 and ROUGE-2 most
(Nallapati et al. 2017, "SummaRuNNer"). As several are often nearly as good, the targets are not the
chosen ones alone but a softmax of what each would give.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.evaluation.metrics.rouge import Bag, Words

TEMPERATURE = 0.1  # of the softmax over ROUGE, between 0 and 1; chosen on SciTLDR's dev split


def gains(
    sentences: Sequence[str], references: Sequence[str], count: int, kind: Words
) -> tuple[list[float], list[int]]:
    """Return a target for each sentence, which sum to 1, and the sentences chosen, best first.

    Args:
        references: the best of them counts; without any all targets are 0.
        count: sentences of an extract at most: no more are chosen once nothing is gained.
    """
    golds = [Bag.of(text, kind) for text in references]
    bags = [Bag.of(text, kind) for text in sentences]
    target, chosen, have, best = np.zeros(len(bags)), list[int](), Bag(), -1.0
    for _ in range(min(count, len(bags)) if golds else 0):
        scores = np.array([
            -1.0 if place in chosen else _rouge(have + bag, golds) for place, bag in enumerate(bags)
        ])  # fmt: skip
        place = int(scores.argmax())
        if scores[place] <= best:
            break
        best, have = float(scores[place]), have + bags[place]
        weights = np.where(scores < 0, 0, np.exp((scores - best) / TEMPERATURE))
        target += weights / weights.sum()
        chosen.append(place)
    return (target / max(len(chosen), 1)).tolist(), chosen


def _rouge(bag: Bag, golds: Sequence[Bag]) -> float:
    return max((bag.overlap(gold, 1) + bag.overlap(gold, 2)) / 2 for gold in golds)
