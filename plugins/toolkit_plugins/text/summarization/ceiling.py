"""The best possible extract of the test rows: no baseline to beat, but what limits extracts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from toolkit.evaluation.metrics.rouge import NAMES, Rouge, Words
from toolkit.plugin_types import Prediction, Row, Table
from toolkit_plugins.text.summarization import baselines
from toolkit_plugins.text.summarization.reading import Layout

MOST = 2000  # rows: each sentence of each is scored


def tables(
    layout: Layout,
    pairs: Iterable[tuple[Prediction, Any]],
    rows: Iterator[Row],
    count: int,
    kind: Words,
) -> Mapping[str, Table]:
    """Return a table with the scores of the model and of the best extracts of the same rows.

    Args:
        pairs: predictions and references of `rows`, of which the first `MOST` count.
        count: sentences of an extract.
    """
    made = [(prediction["summary"], golds) for prediction, golds in islice(pairs, MOST)]
    best = [*baselines.oracle(layout, islice(rows, len(made)), count, kind)]
    golds = [references for _, references in made]
    lines: list[list[str | float]] = [["model"], ["best extract"]]
    for name in NAMES:
        for line, texts in zip(lines, ([text for text, _ in made], best), strict=True):
            found = Rouge(name, kind).compute(predictions=texts, references=golds) or {}
            line.append(round(found[name], 4))
    sentences = "1 sentence" if count == 1 else f"{count} sentences"
    title = (
        f"Ceiling: the best extract of {sentences}, chosen by the reference ({len(made):,} rows)"
    )
    return {title: Table(["", *NAMES], lines)}
