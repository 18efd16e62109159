"""Baselines: the sliding window over words, and no answer at all."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from toolkit.plugin_types import Baseline, BaselineData, BaselineResult, Row

LONGEST = 5  # words of a candidate
BATCH = 64
# Function words; candidates neither begin nor end with one.
_GRAMMAR = """a about after all also an and any are as at be been before being but by can could did
    do does down each every for from had has have he her him his how i if in into is it its may me
    might more most my no nor not of off on one only or our out over she should so some such than
    that the their them then there these they this those through to too under until up us was we
    were what when where which while who whom whose why will with would you your"""
STOP = frozenset(_GRAMMAR.split())
WORD = re.compile(r"\w+(?:[-'\u2019]\w+)*")
SENTENCE_END = re.compile(r"[.!?][\"')\]]*\s+|\n+")
BREAK = re.compile(r"[,;:()\[\]\"\u201c\u201d]")


class NoAnswer(Baseline):
    """Never answers."""

    name = "no_answer"

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Give every question the same."""
        rows = np.arange(len(data.test))
        return BaselineResult([{"answer": ""} for _ in rows], rows, len(data.train))


class SlidingWindow(Baseline):
    """The words around a candidate, compared with the question's; nothing is trained.

    Richardson et al. 2013 ("MCTest", algorithms 1 and 2: sliding window less distance), as the
    baseline of Rajpurkar et al. 2016, section 5.1, has it: within the sentences that share most
    words and pairs of words with the question. Candidates there are constituents of a parse; here,
    without a parser, runs of up to five words that neither cross a comma, nor begin or end with a
    function word, nor hold a word of the question.
    """

    name = "sliding_window"

    def __init__(self, texts: Callable[[Row], tuple[str, str]]) -> None:
        self.texts = texts

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Answer as many test questions as the time allows."""
        end = time.monotonic() + seconds
        found: list[dict[str, Any]] = []
        for start in range(0, len(data.test_order), BATCH):
            rows = data.test.select(data.test_order[start : start + BATCH]).to_list()
            found += [{"answer": answer(*self.texts(row))} for row in rows]
            if time.monotonic() > end:
                break
        return BaselineResult(found, data.test_order[: len(found)], len(data.train))


@dataclass(frozen=True)
class _Sentence:
    """Words in lower case, and where they stand in the context."""

    words: list[str]
    spans: list[tuple[int, int]]

    def candidates(self, context: str, question: set[str]) -> Iterator[tuple[int, int]]:
        """Yield candidates as ranges of words."""
        for first, word in enumerate(self.words):
            if word in STOP or word in question:
                continue
            for last in range(first, min(first + LONGEST, len(self.words))):
                if self.words[last] in question - STOP or (
                    last > first
                    and BREAK.search(context, self.spans[last - 1][1], self.spans[last][0])
                ):
                    break
                if self.words[last] not in STOP:
                    yield first, last + 1


def answer(question: str, context: str) -> str:
    """Return the best candidate's text; empty where there is none."""
    asked = [match.group().lower() for match in WORD.finditer(question)]
    words, pairs = set(asked), set(pairwise(asked))
    best: list[tuple[_Sentence, list[tuple[int, int]]]] = []
    most = -1
    sentences = list(_sentences(context))
    for sentence in sentences:
        found = list(sentence.candidates(context, words))
        shared = len(words & set(sentence.words)) + len(pairs & set(pairwise(sentence.words)))
        if found and shared >= most:
            best = [*(best if shared == most else []), (sentence, found)]
            most = shared
    counts = Counter(word for sentence in sentences for word in sentence.words)
    scored = [
        (_score(sentence, span, words, counts), (sentence.spans[span[0]][0],
                                                 sentence.spans[span[1] - 1][1]))
        for sentence, spans in best for span in spans
    ]  # fmt: skip
    if not scored:
        return ""
    start, end = max(scored, key=lambda item: item[0])[1]
    return context[start:end]


def _sentences(context: str) -> Iterator[_Sentence]:
    start = 0
    for end in [*(match.end() for match in SENTENCE_END.finditer(context)), len(context)]:
        found = list(WORD.finditer(context, start, end))
        if found:
            yield _Sentence([m.group().lower() for m in found], [m.span() for m in found])
        start = end


def _score(
    sentence: _Sentence, span: tuple[int, int], question: set[str], counts: Counter[str]
) -> float:
    """Return the sliding window's score less the distance."""
    answer = set(sentence.words[span[0] : span[1]])
    wanted = question | answer
    weights = [np.log1p(1 / counts[w]) if w in wanted else 0.0 for w in sentence.words]
    sums = np.concatenate([[0.0], np.cumsum(weights)])
    size = min(len(wanted), len(weights))
    return float((sums[size:] - sums[:-size]).max()) - _distance(sentence, span, question)


def _distance(sentence: _Sentence, span: tuple[int, int], question: set[str]) -> float:
    """Return the words between candidate and the nearest of the question's, as a share of all."""
    near = [place for place, word in enumerate(sentence.words) if word in question - STOP]
    if not near or len(sentence.words) < 2:
        return 1.0
    gaps: Sequence[int] = [max(span[0] - place, place - span[1] + 1) for place in near]
    return min(gaps) / (len(sentence.words) - 1)
