"""The curves of a run: how long answers are, and F1 by the threshold of no answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from toolkit.plugin_types import Curve
from toolkit_plugins.text.question_answering.threshold import Sweep

if TYPE_CHECKING:
    from toolkit.plugin_types import Figure, Prediction


def drawn(
    predictions: Sequence[Prediction], golds: Sequence[list[str]], threshold: float | None
) -> dict[str, Figure]:
    """Return curves by name.

    Args:
        golds: the actual answers of each row. threshold: of no answer; None where each has one.
    """
    lines = {
        "predicted": _lengths(p["answer"] for p in predictions),
        "actual": _lengths(gold[0] if gold else "" for gold in golds),
    }
    found: dict[str, Figure] = {
        "answer_lengths": Curve("Answers of the test split", "words (0: no answer)",
                                "share of questions", lines)
    }  # fmt: skip
    if threshold is not None:
        sweep = Sweep(predictions, golds)
        found["no_answer"] = Curve(
            "F1 by threshold", "no_answer_score above which there is no answer", "F1",
            sweep.lines(), {"chosen on validation": (threshold, sweep.at(threshold))},
        )  # fmt: skip
    return found


def _lengths(texts: Iterable[str]) -> list[tuple[float, float]]:
    """Return (words, share of the texts) for each number of words up to the largest."""
    counts = Counter(len(text.split()) for text in texts)
    total = sum(counts.values())
    return [(float(n), counts[n] / total) for n in range(max(counts, default=0) + 1)]
