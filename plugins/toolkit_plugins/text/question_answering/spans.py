"""From start and end logits to spans: the loss, the best of each window, the answer of a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit_plugins.text.question_answering.windows import IGNORED

if TYPE_CHECKING:
    import torch

    from toolkit.plugin_types import Prediction

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
CELLS = 1 << 23  # values of a block of spans: 32 MiB


def loss(
    outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None, smoothing: float = 0.0
) -> torch.Tensor:
    """Return the mean cross-entropy of start and end, over the context and the place of no answer.

    Tokens of the question and of padding are no candidates, here and in `best`; so a window's
    loss does not depend on the others of its batch.

    Args:
        labels: as `Windows.of` makes them, shape (windows, 5).
        num_items_in_batch: labels of all windows of a step, five of each, those ignored left out.
        smoothing: label smoothing, spread over the places that may be start or end.
    """
    import torch
    from torch.nn import functional

    count = (labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
    places = torch.arange(outputs.start_logits.shape[1], device=labels.device)
    inside = (places >= labels[:, 2:3]) & (places < labels[:, 3:4]) | (places == labels[:, 4:5])
    inside |= labels[:, :1] == IGNORED  # never summed, but must not be all shut out
    total = torch.zeros((), device=labels.device)
    for side, logits in enumerate((outputs.start_logits, outputs.end_logits)):
        open_ = logits.float().masked_fill(~inside, -1e4)
        exact = functional.cross_entropy(open_, labels[:, side], reduction="sum")
        total = total + (1 - smoothing) * exact
        if smoothing:
            known = labels[:, side] != IGNORED
            even = (open_.log_softmax(1) * inside).sum(1) / inside.sum(1)
            total = total - smoothing * even[known].sum()
    return total / (2 * torch.as_tensor(count, device=labels.device).clamp(min=1) / 5)


@dataclass(frozen=True)
class Kept:
    """What is kept of a window: its best spans, and the weight of all.

    scores: sums of start and end logits, best first, shape (spans,). starts, ends: characters of
    the context. total: log of the sum of exp(score) over all spans that the window owns.
    nothing: the score of no answer.
    """

    scores: Floats
    starts: Ints
    ends: Ints
    total: float
    nothing: float


def best(
    outputs: Any, windows: Sequence[Mapping[str, Any]], longest: int, count: int
) -> list[Kept]:
    """Return the best spans of each window.

    Args:
        outputs: start_logits and end_logits of shape (windows, tokens).
        windows: as `Windows.of` makes them.
        longest: tokens of a span at most. count: spans to keep.
    """
    width = outputs.start_logits.shape[1] * longest
    size = max(1, CELLS // width)
    found: list[Kept] = []
    for begin in range(0, len(windows), size):
        part = slice(begin, begin + size)
        found += _best(
            outputs.start_logits[part], outputs.end_logits[part], windows[part], longest, count
        )
    return found


def _best(
    start: torch.Tensor,
    end: torch.Tensor,
    windows: Sequence[Mapping[str, Any]],
    longest: int,
    count: int,
) -> list[Kept]:
    import torch
    from torch.nn import functional

    start, end = start.float(), end.float()
    rows = torch.arange(len(windows), device=start.device)
    bounds = torch.tensor(
        [(w["first"], w["first"] + len(w["token_starts"]), w["first"] + w["own"][0],
          w["first"] + w["own"][1], w["nothing"]) for w in windows], device=start.device
    )  # fmt: skip
    first, last, own_from, own_to, at = bounds.T.unsqueeze(-1)
    places = torch.arange(start.shape[1], device=start.device)
    shut = -torch.inf
    starts = start.masked_fill((places < own_from) | (places >= own_to), shut)
    ends = end.masked_fill((places < first) | (places >= last), shut)
    ends = functional.pad(ends, (0, longest - 1), value=shut)
    # spans[window, i, k] is the span from token i to token i + k.
    spans = (starts.unsqueeze(-1) + ends.unfold(1, longest, 1)).flatten(1)
    scores, cells = spans.topk(min(count, spans.shape[1]))
    nothing = start[rows, at[:, 0]] + end[rows, at[:, 0]]
    columns = (scores, cells // longest - first, cells % longest, spans.logsumexp(1), nothing)
    return [
        _kept(window, *values)
        for window, *values in zip(windows, *(c.cpu().numpy() for c in columns), strict=True)
    ]


def _kept(
    window: Mapping[str, Any], scores: Any, begins: Ints, lengths: Ints, total: Any, nothing: Any
) -> Kept:
    real = np.isfinite(scores)
    begins, lengths = begins[real], lengths[real]
    starts, ends = np.asarray(window["token_starts"]), np.asarray(window["token_ends"])
    if not len(begins):
        begins = lengths = np.zeros(0, np.int64)
        starts = ends = np.zeros(1, np.int64)
    return Kept(
        scores[real].astype(np.float64), starts[begins], ends[begins + lengths], float(total),
        float(nothing),
    )  # fmt: skip


def answer(windows: Sequence[Kept], context: str, count: int, threshold: float) -> Prediction:
    """Return the prediction of a row from its windows.

    score: the probability of the answer among all spans of all windows and no answer at all.
    no_answer_score: the probability of no answer against the best span (a sigmoid of the "null
    score difference" of Devlin et al.); above the threshold, the answer is empty.
    """
    nothing = min(window.nothing for window in windows)
    total = np.logaddexp.reduce([nothing, *(window.total for window in windows)])
    scores = np.concatenate([window.scores for window in windows])
    starts = np.concatenate([window.starts for window in windows])
    ends = np.concatenate([window.ends for window in windows])
    found: dict[tuple[int, int], float] = {}
    for place in np.argsort(-scores, kind="stable"):
        span = _trimmed(context, int(starts[place]), int(ends[place]))
        if span[0] < span[1] and span not in found:
            found[span] = float(scores[place])
            if len(found) == count:
                break
    gap = nothing - next(iter(found.values())) if found else np.inf
    above = float(1 / (1 + np.exp(-np.clip(gap, -700, 700))))
    best = [
        {"text": context[start:end], "start": start, "end": end,
         "score": float(np.exp(score - total))}
        for (start, end), score in found.items()
    ]  # fmt: skip
    if not best or above > threshold:
        empty = {"text": "", "start": None, "end": None, "score": float(np.exp(nothing - total))}
        chosen: Mapping[str, Any] = empty
    else:
        chosen = best[0]
    return {
        "answer": chosen["text"],
        "start": chosen["start"],
        "end": chosen["end"],
        "score": chosen["score"],
        "no_answer_score": above,
        "n_best": best,
    }


def _trimmed(context: str, start: int, end: int) -> tuple[int, int]:
    """Return a span without spaces around it: some tokenizers count them to their tokens."""
    text = context[start:end]
    return start + len(text) - len(text.lstrip()), end - (len(text) - len(text.rstrip()))
