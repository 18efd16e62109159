"""Figures of the test answers: how long they are, and what the threshold of no answer trades."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from toolkit.plugin_types import Curve, Figure
from toolkit_plugins.text.question_answering.threshold import Sweep


def drawn(
    found: Sequence[Any], golds: Sequence[list[str]], threshold: float | None
) -> Mapping[str, Figure]:
    """Return the curves. threshold: None where all questions have an answer."""
    lengths = {
        "predicted": _lengths(p["answer"] for p in found),
        "actual": _lengths(gold[0] if gold else "" for gold in golds),
    }
    curves: dict[str, Figure] = {
        "answer_lengths": Curve("Answers of the test split", "words (0: no answer)",
                                "share of questions", lengths)
    }  # fmt: skip
    if threshold is not None:
        sweep = Sweep(found, golds)
        curves["no_answer"] = Curve(
            "F1 by threshold", "no_answer_score above which there is no answer", "F1",
            sweep.lines(), {"chosen on validation": (threshold, sweep.at(threshold))},
        )  # fmt: skip
    return curves


def _lengths(texts: Iterable[str]) -> list[tuple[float, float]]:
    """Return (words, share of the texts) for each number of words up to the largest."""
    counts = Counter(len(text.split()) for text in texts)
    total = sum(counts.values())
    return [(float(n), counts[n] / total) for n in range(max(counts, default=0) + 1)]
