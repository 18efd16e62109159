"""A question and its passage, with the predicted and the actual answer marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolkit.plugin_types import MarkedText, Shown, Span
from toolkit_plugins.text.question_answering.answers import Layout

AROUND = 700  # characters of a long passage before and after what is marked
NONE = "(no answer)"


def shown(layout: Layout, row: Mapping[str, Any], prediction: Any, known: bool) -> Sequence[Shown]:
    """Return the question, the passage around the answers, and both answers as texts.

    Args:
        known: whether the row's own answers are the actual ones.
    """
    question, context = layout.texts(row)
    found = [*_predicted(prediction), *(_actual(layout, row) if known else ())]
    found = [span for span in found if 0 <= span.start < span.end <= len(context)]
    first = max(0, min((span.start for span in found), default=0) - AROUND)
    last = max((span.end for span in found), default=AROUND) + AROUND
    spans = [Span(s.start - first, s.end - first, s.label, s.actual) for s in found]
    parts: list[Shown] = [question, MarkedText(context[first:last], spans)]
    said = [f"predicted: {prediction['answer'] or NONE}"]
    if known:
        golds = [text for text, _ in layout.gold(row)]
        said.append(f"actual: {golds[0] if golds else NONE}")
    return [*parts, *said]


def _predicted(prediction: Any) -> Iterator[Span]:
    if prediction["start"] is not None:
        yield Span(prediction["start"], prediction["end"])


def _actual(layout: Layout, row: Mapping[str, Any]) -> Iterator[Span]:
    for place in layout.places(row)[:1]:
        if place.end:
            yield Span(place.start, place.end, actual=True)
