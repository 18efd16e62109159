"""Baselines: a dictionary of training mentions, each word's usual tag, and the frozen model."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluation import chunks, frozen_features
from toolkit.evaluation.baselines import FittedBaseline, fit_within, row_batches
from toolkit.evaluation.batches import records
from toolkit.evaluation.metrics.encoding import Floats
from toolkit.plugin_types import Baseline, BaselineData, BaselineResult, Ints, Prediction, Row
from toolkit.tasks.tag_sequences import OUTSIDE, WordSpan, spans_of, tags_of
from toolkit.tasks.word_spans import IGNORED, KeptWords, ReadWords, entities_of, words_touched
from toolkit.utils.logging import quiet_fit

if TYPE_CHECKING:
    import datasets

KEPT = 0.5  # share of the occurrences of a mention that are tagged, from which on it is an entry
PASSES = 20  # over the words; until nothing changes they take eight times as long
LEAST = 1e-7  # probability of a tag
ROWS = 200  # whose words become features in one step
WINDOWS = 32
Words = tuple[str, ...]


class ByWords(FittedBaseline):
    """A baseline that goes by the words of a row alone.

    Args:
        plugin: a `TokenLabelsPlugin`, whose module imports this one.
    """

    def __init__(self, plugin: Any) -> None:
        self.plugin = plugin

    def words(self, row: Row) -> Words:
        """Return the words of a row, in whatever case they are written."""
        text = str(row[self.plugin.text] or "")
        return tuple(text[start:end].casefold() for start, end in self.plugin.words_of(row))

    def spans(self, row: Row) -> list[WordSpan]:
        """Return the entities of a training row, as ranges of words."""
        return words_touched(self.plugin.words_of(row), row.get(self.plugin.target) or ())

    def prediction(self, row: Row, spans: Sequence[WordSpan]) -> Prediction:
        """Return ranges of words in the form of the model's predictions."""
        places = self.plugin.words_of(row)
        entities = entities_of(str(row[self.plugin.text] or ""), places, spans)
        return {"entities": entities, "tags": tags_of(spans, len(places))}


class Dictionary(ByWords):
    """The mentions of train that are tagged in at least half of their occurrences there.

    Of several that fit, the longest is taken, from left to right.
    """

    name = "dictionary"

    def fit(self, rows: datasets.Dataset, prepared: datasets.Dataset) -> Mapping[Words, str]:
        """Return words -> label."""
        labels: dict[Words, Counter[str]] = defaultdict(Counter)
        for row in chain.from_iterable(row_batches(rows)):
            words = self.words(row)
            for first, last, label in self.spans(row):
                labels[words[first:last]][label] += 1
        occur: Counter[Words] = Counter()
        lengths = _lengths(labels)
        for row in chain.from_iterable(row_batches(rows)):
            words = self.words(row)
            occur.update(one for start in range(len(words))
                         for one in _at(words, start, lengths) if one in labels)  # fmt: skip
        return {words: found.most_common(1)[0][0] for words, found in labels.items()
                if found.total() >= KEPT * occur[words]}  # fmt: skip

    def predict(
        self, model: Mapping[Words, str], rows: datasets.Dataset, prepared: datasets.Dataset
    ) -> list[Prediction]:
        """Return the entries that occur in each row."""
        lengths, found = _lengths(model), []
        for row in chain.from_iterable(row_batches(rows)):
            words, spans, start = self.words(row), list[WordSpan](), 0
            while start < len(words):
                best = next((one for one in _at(words, start, lengths) if one in model), None)
                if best is not None:
                    spans.append((start, start + len(best), model[best]))
                start += 1 if best is None else len(best)
            found.append(self.prediction(row, spans))
        return found


def _lengths(entries: Mapping[Words, Any]) -> dict[str, list[int]]:
    """Return first word -> how many words entries have that begin with it, the most first."""
    found: dict[str, set[int]] = defaultdict(set)
    for words in entries:
        found[words[0]].add(len(words))
    return {word: sorted(lengths, reverse=True) for word, lengths in found.items()}


def _at(words: Words, start: int, lengths: Mapping[str, Sequence[int]]) -> Iterator[Words]:
    """Yield the runs of words from a place on that are as long as entries may be."""
    for length in lengths.get(words[start], ()):
        if start + length <= len(words):
            yield words[start : start + length]


class UsualTag(ByWords):
    """For each word the tag that it has most often in train; O for others."""

    name = "most_frequent_tag"

    def fit(self, rows: datasets.Dataset, prepared: datasets.Dataset) -> Mapping[str, str]:
        """Return word -> tag."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for row in chain.from_iterable(row_batches(rows)):
            words = self.words(row)
            for word, tag in zip(words, tags_of(self.spans(row), len(words)), strict=True):
                counts[word][tag] += 1
        return {word: found.most_common(1)[0][0] for word, found in counts.items()}

    def predict(
        self, model: Mapping[str, str], rows: datasets.Dataset, prepared: datasets.Dataset
    ) -> list[Prediction]:
        """Return the entities of the words' tags."""
        found = []
        for row in chain.from_iterable(row_batches(rows)):
            tags = [model.get(word, OUTSIDE) for word in self.words(row)]
            found.append(self.prediction(row, spans_of(tags, "IO")))
        return found


class FrozenLinear(Baseline):
    """The same pretrained model, frozen: logistic regression on the last layer of each word."""

    name = "frozen_linear"

    def __init__(self, plugin: Any) -> None:
        self.plugin = plugin
        self.is_the_model = bool(plugin.recipe and plugin.recipe.method.name == "head")

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Fit on the words that there is time for, and predict all of test."""
        end, states = time.monotonic() + seconds, frozen_features.token_states(self.plugin)
        features, targets, used = self._training(data, states, end - seconds / 2)

        def fit(count: int) -> Any:
            return self._fitted(features[:count], targets[:count])

        model, count = fit_within(fit, len(targets), end - time.monotonic() - seconds / 8)
        used = round(used * count / max(len(targets), 1))
        found, order = list[Prediction](), data.test_order
        for few in _steps(order):
            found += self._predicted(model, data.test, data.test_prepared, few, states)
            if time.monotonic() > end:
                break
        return BaselineResult(found, order[: len(found)], used)

    def _training(
        self, data: BaselineData, states: frozen_features.States, end: float
    ) -> tuple[Floats, Ints, int]:
        """Return the features and tags of words in random order, and of how many rows they are."""
        features, targets, used = list[Floats](), list[Ints](), 0
        for few in _steps(data.train_order):
            _, prepared = chunks.select(data.train, data.train_prepared, few)
            for window, of_words in _words(prepared, states):
                labels = np.asarray(window["labels"])[ReadWords.of(window).places]
                features.append(of_words[labels != IGNORED])
                targets.append(labels[labels != IGNORED])
            used += len(few)
            if time.monotonic() > end:
                break
        whole = np.concatenate(targets)
        order = np.random.default_rng(0).permutation(len(whole))
        return np.concatenate(features)[order], whole[order], used

    def _fitted(self, features: Floats, targets: Ints) -> Any:
        from sklearn.linear_model import SGDClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        linear = SGDClassifier(
            loss="log_loss", alpha=1e-4, random_state=0, max_iter=PASSES, tol=None
        )
        with quiet_fit():
            return make_pipeline(StandardScaler(), linear).fit(features, targets)

    def _predicted(
        self,
        model: Any,
        raw: datasets.Dataset,
        prepared: datasets.Dataset,
        rows: Ints,
        states: frozen_features.States,
    ) -> list[Prediction]:
        some, windows = chunks.select(raw, prepared, rows)
        kept: list[list[KeptWords]] = [[] for _ in rows]
        owners = chunks.rows_of(windows)
        for owner, (window, of_words) in zip(owners, _words(windows, states), strict=True):
            scores = np.full((len(of_words), len(self.plugin.tags)), np.log(LEAST), np.float32)
            if len(of_words):
                shares = model.predict_proba(of_words).clip(LEAST)
                scores[:, model.classes_] = np.log(shares)
            kept[owner].append(ReadWords.of(window).kept(scores))
        found: list[Prediction] = self.plugin.decode(kept, some.to_list(), [])
        return found


def _steps(order: Ints) -> Iterator[Ints]:
    for start, end in pairwise([*range(0, len(order), ROWS), len(order)]):
        yield order[start:end]


def _words(
    prepared: datasets.Dataset, states: frozen_features.States
) -> Iterator[tuple[Mapping[str, Any], Floats]]:
    """Yield each window, and what the model says of each of its words with a token of their own."""
    for start in range(0, len(prepared), WINDOWS):
        windows = records(prepared, range(start, min(start + WINDOWS, len(prepared))))
        for window, found in zip(windows, states(windows), strict=True):
            yield window, found[ReadWords.of(window).places]
