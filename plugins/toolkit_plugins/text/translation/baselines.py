"""Baselines: a copy of the source, the nearest training sentence's translation, word by word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluation.baselines import FittedBaseline, row_batches
from toolkit.evaluation.metrics.generation import UNSPACED, WORD, is_copy
from toolkit.plugin_types import Baseline, BaselineData, BaselineResult, Prediction

if TYPE_CHECKING:
    import datasets

#: Of rows, (source, target) of each; of several references the first.
PairsOf = Callable[[Sequence[Any]], list[tuple[str, str]]]
NEEDLESS = re.compile(rf"(?<=[{UNSPACED}]) +(?=[{UNSPACED}])")  # spaces
ROUNDS = 5  # of EM: model 1 has one optimum, and few rounds come near it
LONGEST = 100  # words of a text: what is aligned are sentences
MOST = 8_000_000  # pairs of words, 70 bytes each; of more training rows only the first are read
PRODUCTS = 20_000_000  # similarities at a time


def predicted(text: str, source: str, key: str) -> Prediction:
    """Return a prediction as the model's are: a copy is marked as one."""
    return {key: text, **({"copied": True} if is_copy(text, source) else {})}


class CopySource(Baseline):
    """The source as it is: what names, numbers and related languages give for nothing."""

    name = "copy_source"

    def __init__(self, pairs_of: PairsOf, key: str) -> None:
        self.pairs_of, self.key = pairs_of, key

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Return every test source."""
        sources = [source for rows in row_batches(data.test) for source, _ in self.pairs_of(rows)]
        found = [predicted(source, source, self.key) for source in sources]
        return BaselineResult(found, np.arange(len(found)), 0)


class NearestNeighbour(FittedBaseline):
    """The translation of the training source that is most alike: cosine of tf-idf.

    Over words and pairs of them; a translation memory does as much.
    """

    name = "nearest_neighbour"

    def __init__(self, pairs_of: PairsOf, key: str) -> None:
        self.pairs_of, self.key = pairs_of, key

    def fit(self, rows: datasets.Dataset, prepared: datasets.Dataset) -> Any:
        """Return the vectorizer, vectors of all sources, and their translations."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        sources, targets = _texts(self.pairs_of, rows)
        vectorizer = TfidfVectorizer(
            tokenizer=WORD.findall, token_pattern=None, ngram_range=(1, 2), dtype=np.float32
        )
        return vectorizer, vectorizer.fit_transform(sources), targets

    def predict(
        self, model: Any, rows: datasets.Dataset, prepared: datasets.Dataset
    ) -> list[Prediction]:
        """Return the translation of each row's neighbour."""
        vectorizer, known, targets = model
        sources, _ = _texts(self.pairs_of, rows)
        vectors, step = vectorizer.transform(sources), max(1, PRODUCTS // len(targets))
        parts = [vectors[start : start + step] @ known.T for start in range(0, len(sources), step)]
        nearest = [int(place) for part in parts for place in np.asarray(part.argmax(axis=1)).flat]
        return [predicted(targets[place], source, self.key)
                for place, source in zip(nearest, sources, strict=True)]  # fmt: skip


class WordByWord(FittedBaseline):
    """Each word's most probable translation, in the order of the source: IBM model 1.

    Brown et al., The Mathematics of Statistical Machine Translation, 1993, section 4.2. A word that
    training lacks stays, as punctuation does.
    """

    name = "word_by_word"

    def __init__(self, pairs_of: PairsOf, key: str) -> None:
        self.pairs_of, self.key = pairs_of, key
        self.read = 0

    def fit(self, rows: datasets.Dataset, prepared: datasets.Dataset) -> dict[str, str]:
        """Return source word -> target word."""
        table, self.read = dictionary(*_texts(self.pairs_of, rows))
        return table

    def predict(
        self, model: Any, rows: datasets.Dataset, prepared: datasets.Dataset
    ) -> list[Prediction]:
        """Return the words of each row, translated."""
        sources, _ = _texts(self.pairs_of, rows)
        return [predicted(translated(source, model), source, self.key) for source in sources]

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Fit on train and predict test within about `seconds`."""
        return replace(super().run(data, seconds), train_rows=self.read)


def dictionary(sources: Sequence[str], targets: Sequence[str]) -> tuple[dict[str, str], int]:
    """Return source word -> the target word that it most probably becomes, and how many rows.

    Each target word shares one count among the source words of its sentence and an empty word,
    in proportion to how probable each of them makes it: that is a round of EM.
    """
    vocabularies: tuple[dict[str, int], dict[str, int]] = {"": 0}, {}
    left, right, group = [], [], []  # per pair: both words, and the place of the target word
    places = pairs = rows = 0
    for source, target in zip(sources, targets, strict=True):
        one = [0, *_ids(source.lower(), vocabularies[0])]
        other = _ids(target.lower(), vocabularies[1])
        pairs += len(one) * len(other)
        if pairs > MOST:
            break
        left.append(np.tile(one, len(other)))
        right.append(np.repeat(other, len(one)))
        group.append(np.repeat(np.arange(places, places + len(other)), len(one)))
        places, rows = places + len(other), rows + 1
    if not places:
        return {}, rows
    size = len(vocabularies[1])
    key = np.concatenate(left) * size + np.concatenate(right).astype(np.int64)
    cells, cell = np.unique(key, return_inverse=True)
    word, translation = np.divmod(cells, size)
    expected = _shared(cell, np.concatenate(group), word)
    order = np.lexsort((expected, word))  # ascending: the last of a word is its best
    best = order[np.append(np.flatnonzero(np.diff(word[order])), len(order) - 1)]
    names = [list(vocabulary) for vocabulary in vocabularies]
    usual = _usual_forms(targets[:rows])
    pairs_of = ((names[0][word[at]], names[1][translation[at]]) for at in best if word[at])
    return {source: usual.get(target, target) for source, target in pairs_of}, rows


def _usual_forms(texts: Sequence[str]) -> dict[str, str]:
    """Return lower-case word -> how it is mostly written, but at the beginning of a text."""
    forms = Counter(word for text in texts for word in WORD.findall(text)[1:])
    return {form.lower(): form for form, _ in reversed(forms.most_common())}


def _ids(text: str, vocabulary: dict[str, int]) -> list[int]:
    return [vocabulary.setdefault(word, len(vocabulary)) for word in WORD.findall(text)[:LONGEST]]


def _shared(cell: Any, group: Any, word: Any) -> Any:
    """Return how often each cell (source word, target word) is expected to be aligned."""
    probability = np.ones(len(word))
    for _ in range(ROUNDS):
        weight = probability[cell]
        weight /= np.bincount(group, weight)[group]
        expected = np.bincount(cell, weight)
        probability = expected / np.bincount(word, expected)[word]
    return expected


def translated(source: str, table: dict[str, str]) -> str:
    """Return a text with each word's translation in its place, spaces and marks as they are."""

    def one(match: re.Match[str]) -> str:
        found = table.get(match.group().lower(), match.group())
        return f"{found} " if re.fullmatch(f"[{UNSPACED}]", match.group()) else found

    text = NEEDLESS.sub("", WORD.sub(one, source)).strip()
    return text[:1].upper() + text[1:] if source[:1].isupper() else text


def _texts(pairs_of: PairsOf, rows: datasets.Dataset) -> tuple[list[str], list[str]]:
    pairs = [pair for batch in row_batches(rows) for pair in pairs_of(batch)]
    return [source for source, _ in pairs], [target for _, target in pairs]
