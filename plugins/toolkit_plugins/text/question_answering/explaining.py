"""A question and its context without each of their words, and the scores of answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from toolkit.plugin_types.occlusion import logit, text_occlusions

if TYPE_CHECKING:
    from toolkit.plugin_types import Occlusion, Prediction, Row

NONE = "(no answer)"


def occlusions(
    question: str, context: str, row: Row, prediction: Prediction
) -> Iterator[Occlusion]:
    """Yield the row without each word of both columns; the answer stays, as it is explained."""
    yield from text_occlusions(question, row.get(question))
    start, end = prediction.get("start"), prediction.get("end")
    kept = (0, 0) if start is None or end is None else (int(start), int(end))
    yield from text_occlusions(context, row.get(context), kept)


def log_odds(prediction: Prediction) -> Mapping[str, float]:
    """Return the log odds of the answer, of the other candidates, and of no answer.

    A text that is a candidate in several places has the score of the best one.
    """
    found = {NONE: logit(prediction["no_answer_score"])}
    for one in reversed(prediction["n_best"]):
        found[one["text"]] = logit(one["score"])
    first = prediction["answer"] or NONE
    return {first: found[first], **found} if first in found else found
