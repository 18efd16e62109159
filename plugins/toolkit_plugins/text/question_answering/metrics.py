"""Exact match and F1 over words, as the evaluation scripts of SQuAD 1.1 and 2.0 define them.

Rajpurkar et al. 2016 and 2018. Where all questions have an answer, the two agree but for answers
that are nothing but articles and punctuation; the second is taken where some have none.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import evaluate
import numpy as np
from datasets import Features, Value

from toolkit.errors import UserError
from toolkit.evaluation.metrics.base import Floats, RowMetric
from toolkit.utils.text import listing, nearest

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalised(text: str) -> str:
    """Return text in lower case, without ASCII punctuation, articles and extra spaces.

    Composed (NFC), which SQuAD's scripts leave open: an answer is the same in both forms.
    """
    text = unicodedata.normalize("NFC", text)
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact(prediction: str, gold: str, second: bool = True) -> float:
    """Return 1.0 where two answers are the same, normalised."""
    return float(normalised(prediction) == normalised(gold))


def f1(prediction: str, gold: str, second: bool = True) -> float:
    """Return the F1 of the words that two answers share, normalised.

    Args:
        second: by the script of SQuAD 2.0, to which two empty answers are equal; to the first,
            nothing is shared.
    """
    one, other = normalised(prediction).split(), normalised(gold).split()
    if second and not (one and other):
        return float(one == other)
    shared = sum((Counter(one) & Counter(other)).values())
    return 2 * shared / (len(one) + len(other)) if shared else 0.0


Measure = Callable[[str, str, bool], float]


def best(measure: Measure, prediction: str, golds: Sequence[str], second: bool = True) -> float:
    """Return the score for the gold answer that it fits best; no gold answer is an empty one."""
    if second:
        golds = [gold for gold in golds if normalised(gold)]
    return max((measure(prediction, gold, second) for gold in golds or [""]), default=0.0)


class SquadMetric(RowMetric):
    """The mean over questions.

    `add_batch` and `compute` take, per question:
        predictions: a text ("" for no answer), or a prediction of the scenario.
        references: the gold answers, a list of texts, empty where there is none.

    Args:
        second: by the script of SQuAD 2.0.
    """

    measure: Measure
    bounds = (0.0, 1.0)
    answerable: bool | None = None  # the questions that count: with an answer, without, or all

    def __init__(self, second: bool = True, **evaluate_kwargs: Any) -> None:
        self.second = second
        super().__init__(**evaluate_kwargs)

    def _info(self) -> evaluate.MetricInfo:
        # Scores are stored, not texts: they are all that an interval needs.
        features = Features(predictions=Value("float64"), references=Value("bool"))
        info = evaluate.MetricInfo(
            description=type(self).__doc__ or "", citation="arXiv 1606.05250, arXiv 1806.03822",
            features=features,
        )  # fmt: skip
        info.format = "numpy"
        return info

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Score questions, and add them."""
        measure = type(self).measure
        texts = [p["answer"] if isinstance(p, Mapping) else str(p) for p in predictions]
        scores = [
            best(measure, text, golds, self.second)
            for text, golds in zip(texts, references, strict=True)
        ]
        answerable = [any(normalised(gold) for gold in golds) for golds in references]
        super().add_batch(predictions=scores, references=answerable, **kwargs)

    def rows(self, predictions: Any, references: Any) -> tuple[Floats, Floats]:
        """Return the score of each question, and whether it counts."""
        scores = np.asarray(predictions, np.float64)
        answerable = np.asarray(references, bool)
        counts = np.ones(len(scores), bool) if self.answerable is None else (
            answerable == self.answerable
        )  # fmt: skip
        return scores, counts.astype(np.float64)

    def statistic(self, rows: tuple[Floats, Floats], weights: Floats) -> float:
        """Return the mean over the questions that count; NaN where none does."""
        scores, counts = rows
        counted = weights * counts
        return float(counted @ scores / counted.sum()) if counted.any() else float("nan")

    def share(self, rows: tuple[Floats, Floats]) -> tuple[Floats, Floats] | None:
        """Return the questions that are right, and that count, where none is right in part."""
        scores, counts = rows
        whole = np.isin(scores[counts > 0], (0, 1)).all()
        return (scores * counts, counts) if whole else None

    def classes(self, rows: tuple[Floats, Floats]) -> Floats | None:
        """Return the questions that count, where not all do."""
        return None if self.answerable is None else rows[1][None]


class F1(SquadMetric):
    """F1 over words: mean over all questions."""

    measure = staticmethod(f1)


class ExactMatch(SquadMetric):
    """Share of the questions whose answer is a gold answer exactly, after normalisation."""

    measure = staticmethod(exact)


class HasAnswerF1(F1):
    """F1 over words: mean over the questions that have an answer (HasAns_f1)."""

    answerable = True


class HasAnswerExactMatch(ExactMatch):
    """Exact match on the questions that have an answer (HasAns_exact)."""

    answerable = True


class NoAnswerF1(F1):
    """Share of the questions without an answer that are given none (NoAns_f1, NoAns_exact)."""

    answerable = False


CLASSES: dict[str, type[SquadMetric]] = {
    "f1": F1,
    "exact_match": ExactMatch,
    "has_answer_f1": HasAnswerF1,
    "has_answer_exact_match": HasAnswerExactMatch,
    "no_answer_f1": NoAnswerF1,
}


def load(name: str, second: bool) -> SquadMetric:
    """Return a fresh metric.

    Raises:
        UserError: no such metric.
    """
    if name not in CLASSES:
        raise UserError(
            f"there is no metric {name!r}.{nearest(name, CLASSES)} Metrics: {listing(CLASSES)}"
        )
    return CLASSES[name](second=second)
