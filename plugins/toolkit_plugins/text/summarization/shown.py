"""A document with the sentences of the extract marked, beside the summaries."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.plugin_types import MarkedText, Prediction, SideBySide, Span
from toolkit.tasks.generation.shown import side_by_side
from toolkit_plugins.text.summarization.sentences import PART

MOST = 4000  # characters of a long document, as far as nothing behind them is marked
TITLES = ("document", "summary", "reference")


def shown(text: str, prediction: Prediction, references: Sequence[str] | None) -> SideBySide:
    """Return document, summary and the nearest reference side by side, differences marked.

    Args:
        references: the summaries of the row, if they are known.
    """
    spans = [Span(one["start"], one["end"]) for one in prediction.get("sentences", ())]
    last = max([MOST, *(span.end for span in spans)])
    document = MarkedText(text[:last].replace(PART[0], " "), spans)
    found = side_by_side("", prediction["summary"], references, TITLES)
    return SideBySide({**found.texts, TITLES[0]: document})
