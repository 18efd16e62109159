"""A document with the sentences of the extract marked, beside the summaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolkit.plugin_types import MarkedText, Prediction, Row, Shown, Span
from toolkit_plugins.text.summarization.reading import Layout
from toolkit_plugins.text.summarization.sentences import PART

MOST = 4000  # characters of a long document, as far as nothing behind them is marked


def shown(layout: Layout, row: Row, prediction: Prediction, reference: Any) -> Sequence[Shown]:
    """Return the document, with marks if the summary is an extract, and the summaries as texts.

    Args:
        reference: the summaries of the row, if they are known.
    """
    text = layout.text(row).replace(PART[0], " ")
    spans = [Span(one["start"], one["end"]) for one in prediction.get("sentences", ())]
    last = max([MOST, *(span.end for span in spans)])
    parts: list[Shown] = [MarkedText(text[:last], spans), f"predicted: {prediction['summary']}"]
    return [*parts, *(f"actual: {one}" for one in reference or ())]
