"""Extracts: the sentences of a document that an encoder finds to say most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.evaluation.metrics.rouge import Words
from toolkit.plugin_types import Prediction, Row
from toolkit_plugins.text.summarization import targets, windows
from toolkit_plugins.text.summarization.reading import Layout, rows_of
from toolkit_plugins.text.summarization.sentences import Span, split

Scored = list[tuple[int, float]]  # number of a sentence, and its logit
RANKED = 10  # sentences of a prediction from which a number is still to be chosen
SAME = 0.01  # by which the scores of one sentence may differ


@dataclass(frozen=True)
class Extractor:
    """How extracts are made.

    count: sentences of an extract. kind: words that targets are counted in.
    """

    layout: Layout
    windows: windows.Windows
    count: int
    kind: Words

    def encode(self, batch: Mapping[str, list[Any]], numbers: list[int]) -> dict[str, list[Any]]:
        """Return the windows of documents, with what is learned of them where rows have it."""
        rows = rows_of(batch)
        labelled = self.layout.is_labelled(batch)
        learned = [self._targets(row) for row in rows] if labelled else None
        found: dict[str, list[Any]] = {}
        for window in self.windows.of([self.layout.text(row) for row in rows]):
            place = window["chunk_of"]
            window["chunk_of"] = numbers[place]
            if learned is not None:
                window["labels"] = windows.labels(window, learned[place])
            for name, value in window.items():
                found.setdefault(name, []).append(value)
        return found

    def _targets(self, row: Row) -> Sequence[float]:
        text = self.layout.text(row)
        sentences = [text[start:end] for start, end in split(text)]
        return targets.gains(sentences, self.layout.references(row), self.count, self.kind)[0]

    def decode(self, scored: Sequence[Scored], row: Row, open_: bool) -> Prediction:
        """Return the extract of a row.

        Args:
            scored: of each of its windows. open_: whether the number of sentences is still to be
                chosen: the best ones are in the prediction, too.
        """
        text = self.layout.text(row)
        spans, best = split(text), ranked(scored)
        if not best and spans:  # of characters that the tokenizer leaves out
            best = [(0, 1.0)]
        return extract(text, spans, best, self.count) | (
            {"ranked": [number for number, _ in best[:RANKED]]} if open_ else {}
        )


def scores(outputs: Any, parts: Sequence[Row]) -> list[Scored]:
    """Return number and logit of each sentence, for each of some windows."""
    import torch

    found = []
    for row, part in enumerate(parts):
        places = torch.tensor([part["places"]], device=outputs.logits.device, dtype=torch.int64)
        values = windows.means(outputs.logits[row : row + 1, :, 0], places[:, ::2], places[:, 1::2])
        found.append(list(zip(part["sentences"], values[0].tolist(), strict=True)))
    return found


def ranked(scored: Sequence[Scored]) -> list[tuple[int, float]]:
    """Return the sentences of a document, the best first, each with its probability."""
    pairs = [pair for window in scored for pair in window]
    logits = np.array([logit for _, logit in pairs])
    probabilities = 1 / (1 + np.exp(-logits))
    order = np.argsort(-logits, kind="stable")
    return [(pairs[place][0], float(probabilities[place])) for place in order]


def extract(
    text: str, spans: Sequence[Span], best: Sequence[tuple[int, float]], count: int
) -> Prediction:
    """Return the first `count` of ranked sentences, in the order of the document.

    `margin` is what the last one that is in has more than the first that is not.
    """
    chosen = sorted(best[:count])
    last, following = best[len(chosen) - 1 :][:1], best[count : count + 1]
    margin = last[0][1] - following[0][1] if last and following else 1.0
    return {
        "summary": joined(text, [spans[number] for number, _ in chosen]),
        "sentences": [{"start": spans[number][0], "end": spans[number][1], "score": score}
                      for number, score in chosen],
        "margin": margin,
    }  # fmt: skip


def joined(text: str, spans: Sequence[Span]) -> str:
    """Return sentences as a text, a line each: as ROUGE-Lsum reads them."""
    return "\n".join(" ".join(text[start:end].split()) for start, end in spans)


def same(one: Prediction, other: Prediction, margin: float) -> bool:
    """Return whether two extracts are of the same sentences, or were decided by less than that."""
    if one["summary"] != other["summary"]:
        return bool(min(one["margin"], other["margin"]) <= margin)
    pairs = zip(one["sentences"], other["sentences"], strict=True)
    return all(abs(a["score"] - b["score"]) <= SAME for a, b in pairs)


def best_count(
    predictions: Sequence[Prediction], documents: Sequence[str],
    references: Sequence[Sequence[str]], kind: Words,
) -> int:  # fmt: skip
    """Return how many sentences give the highest ROUGE-1 on average, of predictions with `ranked`.

    Args:
        references: of each row, at least one.
    """
    from toolkit.evaluation.metrics.rouge import Bag

    totals = np.zeros(RANKED)
    for prediction, text, golds in zip(predictions, documents, references, strict=True):
        spans, have, bags = split(text), Bag(), [Bag.of(gold, kind) for gold in golds]
        value = 0.0
        for place in range(RANKED):
            if place < len(prediction["ranked"]):
                start, end = spans[prediction["ranked"][place]]
                have = have + Bag.of(text[start:end], kind)
                value = max((have.overlap(bag, 1) for bag in bags), default=0.0)
            totals[place] += value
    return int(totals.argmax()) + 1
