"""ROUGE of texts (Lin 2004), as the package rouge_score computes it.

What is scored are words. rouge_score keeps the letters a to z and digits alone, and stems English:
it is used as it is for English texts ("english"), and with words of any script, unstemmed, for
others ("unicode").
"""

from __future__ import annotations

import math
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.metadata import version
from itertools import pairwise
from typing import Any, Literal

from datasets import Features, Value

from toolkit.errors import UserError
from toolkit.evaluation.metrics.base import RowMetric
from toolkit.evaluation.metrics.generation import WORD, reference_texts, text_of
from toolkit.utils.packages import extra
from toolkit.utils.text import listing, nearest

Words = Literal["english", "unicode"]
NAMES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
KEPT = 4096  # texts whose words are remembered: every metric and baseline scores the same ones
FOREIGN = 0.005  # share of letters outside a to z from which texts are not English


@cache
def library() -> Any:
    """Return the module of rouge_score that scores.

    absl, which it imports, keeps the stderr of that moment, and closes it when logging is set up
    anew, as servers do: it is to be the process's own, and not that of a notebook or a test.
    """
    with redirect_stderr(sys.__stderr__):
        from rouge_score import rouge_scorer
    return rouge_scorer


@cache
def _stemmed() -> Any:
    try:
        from rouge_score.tokenize import tokenize
    except ImportError:
        what = f"ROUGE needs rouge-score: {extra('generation')}"
        raise UserError(what) from None
    from nltk.stem.porter import PorterStemmer

    class Stemmer:
        """Porter's, which takes most of the time: words come again and again."""

        stem = staticmethod(lru_cache(100_000)(PorterStemmer().stem))

    return lambda text: tokenize(text, Stemmer)


def _unicode(text: str) -> list[str]:
    return WORD.findall(unicodedata.normalize("NFKC", text).lower())


@lru_cache(KEPT)
def words(text: str, kind: Words = "english") -> Sequence[str]:
    """Return the words that ROUGE compares.

    Raises:
        UserError: "english", and rouge_score is not installed.
    """
    return tuple(_stemmed()(text) if kind == "english" else _unicode(text))


def kind_of(texts: Iterable[str]) -> Words:
    """Return how texts are read: as English, unless more than 1 letter in 200 is no a to z."""
    letters = Counter(c.isascii() for text in texts for c in text if c.isalpha())
    return "unicode" if letters[False] > FOREIGN * letters.total() else "english"


class _Tokenizer:
    """The words of a kind, in the form that rouge_score asks for."""

    def __init__(self, kind: Words) -> None:
        self.kind = kind

    def tokenize(self, text: str) -> list[str]:
        return list(words(text, self.kind))


class Rouge(RowMetric):
    """F-measure of ROUGE, between 0 and 1: mean over rows, each by the reference it fits best.

    `add_batch` and `compute` take, per row:
        predictions: a text, or a mapping with the text under `key`.
        references: a text, or a list of them. A row without any is left out.

    Args:
        which: rouge1, rouge2 (words, pairs of words), rougeL (longest common subsequence), or
            rougeLsum (the same by lines, united).
        kind: how texts become words. key: of predictions that are no plain text.

    Raises:
        UserError: another `which`; rouge_score is not installed.
    """

    bounds = (0.0, 1.0)
    source = "Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries"

    def __init__(
        self, which: str, kind: Words = "english", key: str = "summary", **evaluate_kwargs: Any
    ) -> None:
        if which not in NAMES:
            what = f"there is no metric {which!r}.{nearest(which, NAMES)}"
            raise UserError(f"{what} Metrics: {listing(NAMES)}")
        words("", "english")  # is the package there?
        self.which, self.kind, self.key = which, kind, key
        super().__init__(**evaluate_kwargs)

    @property
    def name(self) -> str:
        """The key of the result."""
        return self.which

    def stored(self) -> Features:
        return Features(predictions=Value("float64"), references=Value("bool"))

    def encode(self, predictions: Any, references: Any) -> tuple[Any, Any]:
        name = self.which
        scorer = library().RougeScorer([name], tokenizer=_Tokenizer(self.kind))
        found = []
        for prediction, golds in zip(predictions, references, strict=True):
            text, known = text_of(prediction, self.key), reference_texts(golds)
            found.append(scorer.score_multi(known, text)[name].fmeasure if known else math.nan)
        return found, [True] * len(found)

    def rows(self, predictions: Any, references: Any) -> Any:
        return predictions.to_numpy()

    def notes(self, rows: Any) -> dict[str, Any]:
        """Return the signature: all that has to be equal for two scores to be comparable."""
        how = "stem:porter" if self.kind == "english" else "stem:no"
        package = f"rouge_score:{version('rouge_score')}"
        return {"signature": f"{package}|words:{self.kind}|{how}|refs:best|fmeasure"}


@dataclass(frozen=True)
class Bag:
    """Words and pairs of words of a text, or of several: ROUGE-1 and ROUGE-2 while it is built."""

    grams: tuple[Counter[Any], Counter[Any]] = field(default_factory=lambda: (Counter(), Counter()))

    @classmethod
    def of(cls, text: str, kind: Words) -> Bag:
        """Return those of a text."""
        found = words(text, kind)
        return cls((Counter(found), Counter(pairwise(found))))

    def __add__(self, other: Bag) -> Bag:
        return Bag((self.grams[0] + other.grams[0], self.grams[1] + other.grams[1]))

    def overlap(self, other: Bag, size: int) -> float:
        """Return the F-measure of what two share: ROUGE-1, or ROUGE-2 by `size`."""
        one, two = self.grams[size - 1], other.grams[size - 1]
        shared = sum((one & two).values())
        return 2 * shared / (one.total() + two.total()) if shared else 0.0
