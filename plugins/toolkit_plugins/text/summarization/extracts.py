"""Extracts: which sentences of a document are its summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.plugin_types import Prediction
from toolkit_plugins.text.summarization.sentences import split
from toolkit_plugins.text.summarization.windows import means

Scored = list[tuple[int, float]]


def scores(outputs: Any, parts: Sequence[Any]) -> list[Scored]:
    """Return number and score of each sentence of some windows."""
    import torch

    found = []
    for row, part in enumerate(parts):
        places = torch.tensor([part["places"]], device=outputs.logits.device).long()
        values = means(outputs.logits[row : row + 1, :, 0], places[:, ::2], places[:, 1::2])
        found.append(list(zip(part["sentences"], values[0].tolist(), strict=True)))
    return found


def ranked(windows: Sequence[Scored], count: int) -> list[tuple[int, float]]:
    """Return the sentences of a document, the best first, each with its share of a softmax.

    Args:
        count: of all its sentences.
    """
    known = dict(pair for window in windows for pair in window)
    if not known:
        return [(0, 1.0)] if count else []
    logits = np.array(list(known.values()))
    shares = np.exp(logits - logits.max())
    order = np.argsort(-logits, kind="stable")
    numbers = list(known)
    return [(numbers[place], float(shares[place] / shares.sum())) for place in order]


def extract(text: str, best: Sequence[tuple[int, float]], count: int) -> Prediction:
    """Return the first `count` of ranked sentences, in the order of the document."""
    spans = split(text)
    chosen = sorted(best[:count])
    sentences = [
        {"start": spans[number][0], "end": spans[number][1], "score": score}
        for number, score in chosen
    ]
    return {"summary": joined(text, [spans[number] for number, _ in chosen]),
            "sentences": sentences}  # fmt: skip


def joined(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return sentences as a text, a line each: as ROUGE-Lsum reads them."""
    return "\n".join(" ".join(text[start:end].split()) for start, end in spans)
