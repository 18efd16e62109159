"""Baselines of summarization, and the ceiling of extracts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from toolkit.evaluation.baselines import row_batches
from toolkit.evaluation.metrics.generation import is_copy
from toolkit.evaluation.metrics.rouge import Words
from toolkit.plugin_types import Baseline, BaselineData, BaselineResult, Row
from toolkit_plugins.text.summarization import targets
from toolkit_plugins.text.summarization.extracts import joined
from toolkit_plugins.text.summarization.reading import Layout
from toolkit_plugins.text.summarization.sentences import Span, split

Choice = Callable[[str, Sequence[Span]], Sequence[int]]  # text, its sentences -> numbers of some


class Lead(Baseline):
    """The first sentences."""

    def __init__(self, layout: Layout, count: int) -> None:
        self.layout, self.count, self.name = layout, count, f"lead_{count}"

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        return chosen(self.layout, data, lambda text, spans: range(self.count))


class RandomSentences(Baseline):
    """Sentences drawn at random: what reading nothing gives."""

    name = "random"

    def __init__(self, layout: Layout, count: int, seed: int) -> None:
        self.layout, self.count, self.seed = layout, count, seed

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        drawn = np.random.default_rng(self.seed)
        return chosen(self.layout, data, lambda text, spans: sorted(
            drawn.permutation(len(spans))[: self.count].tolist()
        ))  # fmt: skip


class Centroid(Baseline):
    """The sentences nearest to the whole document, by the tf-idf of their words.

    Radev et al. 2004 ("Centroid-based summarization of multiple documents"); idf of the training
    documents.
    """

    name = "tfidf_centroid"

    def __init__(self, layout: Layout, count: int) -> None:
        self.layout, self.count = layout, count

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        from sklearn.feature_extraction.text import TfidfVectorizer

        texts = (self.layout.text(row) for rows in row_batches(data.train) for row in rows)
        vectors = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+")  # noqa: S106 - a regex
        try:
            vectors.fit(texts)
        except ValueError:  # documents without a single word
            return chosen(self.layout, data, lambda text, spans: range(self.count))

        def nearest(text: str, spans: Sequence[Span]) -> Sequence[int]:
            found = vectors.transform([text[start:end] for start, end in spans])
            likeness = (found @ vectors.transform([text]).T).toarray()[:, 0]
            return sorted(np.argsort(-likeness, kind="stable")[: self.count].tolist())

        return chosen(self.layout, data, nearest)


def chosen(layout: Layout, data: BaselineData, choice: Choice) -> BaselineResult:
    """Return extracts of the test rows of the sentences that are chosen."""
    found = []
    for row in (row for rows in row_batches(data.test) for row in rows):
        text = layout.text(row)
        spans = split(text)
        numbers = [number for number in choice(text, spans) if number < len(spans)] if spans else []
        summary = joined(text, [spans[number] for number in numbers])
        found.append({"summary": summary} | ({"copied": True} if is_copy(summary, text) else {}))
    return BaselineResult(found, np.arange(len(data.test)), len(data.train))


def oracle(layout: Layout, rows: Iterator[Row], count: int, kind: Words) -> Iterator[str]:
    """Yield the best extract of each row that has a reference: what no extract does better.

    Sentences are chosen by the reference, one after the other (`targets`), so that it is nearly,
    and not always exactly, the best one of several sentences.
    """
    for row in rows:
        text = layout.text(row)
        spans = split(text)
        sentences = [text[start:end] for start, end in spans]
        best = targets.gains(sentences, layout.references(row), count, kind)[1]
        yield joined(text, [spans[number] for number in sorted(best)])
