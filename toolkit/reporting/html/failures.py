"""Where it fails: classes, slices, and rows to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from toolkit.reporting import charts, examples
from toolkit.reporting.examples import StoredExamples
from toolkit.reporting.explanations import Row, StoredExplanations
from toolkit.reporting.formatting import cut, number, score, sentence, words
from toolkit.reporting.html import explanations, per_class
from toolkit.reporting.html.parts import Chart, Example, Examples, Picture, Section, Table
from toolkit.reporting.prediction_arrays import PredictionArrays
from toolkit.reporting.shares import FEW
from toolkit.reporting.shown import Part
from toolkit.reporting.shown import html as shown_html
from toolkit.reporting.slice_gaps import clearest
from toolkit.reporting.terminal import units

COLUMNS = 12  # slice columns that are shown
LEGEND = " Predicted is marked in orange (shaded, thick), actual in blue (thin)."
DIFFERENT = " Marked in orange (shaded) is what the reference lacks, in blue what the output lacks."
TITLES = {
    "mistakes": ("Most confident mistakes",
                 "Wrong, with high confidence: some may be wrong labels."),
    "uncertain": ("Least certain rows", "The two most probable classes are closest to each other."),
    "worst": ("Worst rows", "Lowest score of the single row, the most confident first."),
    "first": ("First rows", "The first rows of the test split."),
}  # fmt: skip


def section(
    record: Mapping[str, Any],
    reading: PredictionArrays,
    kept: StoredExamples | None,
    pictures: Sequence[Picture],
    explained: StoredExplanations | None = None,
) -> Section:
    """Return the section. kept: the stored examples; None shows no single rows."""
    explained = explained or StoredExplanations()
    found = Section("fails", "Where does it fail?", answer=per_class.sentences(reading))
    found.blocks += per_class.tables(reading, units(record) == "rows")
    headline = record.get("headline")
    metric = headline["metric"] if headline else next(iter(record["metrics"]["test"]), None)
    if kept is not None:
        found.answer += _by_row(kept)
    if record.get("slices") and metric is not None:
        gap = clearest(record, metric)
        none = f"no column has two values with {FEW} rows or more, and intervals, to compare"
        found.answer.append(f"{sentence(gap.describe(metric) if gap else none)}.")
        found.blocks += _slices(record, metric)
    if kept is not None:
        # Without what was kept of their texts, the rows are known by their numbers alone.
        kinds = kept.kinds or examples.choose(reading)
        legend = _legend(part for row in kept.rows.values() for part in row.shown)
        found.blocks += [
            Examples(title, caption + legend + explanations.legend(explained, kinds[kind]),
                     [_example(reading, kept, kind, row, explained.rows.get(str(row), Row()))
                      for row in kinds[kind]])
            for kind, (title, caption) in TITLES.items() if kinds.get(kind)
        ]  # fmt: skip
    found.blocks += [Table(cut(title), table["columns"], table["rows"])
                     for title, table in (record.get("tables") or {}).items()]  # fmt: skip
    found.blocks += pictures
    if not found.blocks:
        found.answer.append("The scores of single rows are not known.")
    return found


def _legend(parts: Iterable[Part]) -> str:
    """Return what the marks in parts say; "" where there are none."""
    marked = {part.kind for part in parts if part.marked}
    return DIFFERENT if marked == {"beside"} else LEGEND if marked else ""


def _by_row(kept: StoredExamples) -> Iterator[str]:
    """Yield how many rows have the worst score, where predictions are not of classes."""
    worst = kept.kinds.get("worst")
    if worst and kept.least and str(worst[0]) in kept.scores:
        value = number(kept.scores[str(worst[0])])
        of = f"of the first {kept.scored_rows:,} test rows"
        what = f"{words(kept.metric)} {value}"
        if kept.least == 1:
            yield f"The worst {of} has {what}."
        else:
            yield f"{kept.least:,} {of} have {what}, the worst value of a row."


def _slices(record: Mapping[str, Any], metric: str) -> Iterator[Chart]:
    """Yield a chart with its table for each slice column."""
    names, whole = list(record["metrics"]["test"]), record["metrics"]["test"][metric]
    for column, values in list(record["slices"].items())[:COLUMNS]:
        rows = [(f"{value} ({found['rows']:,})", found[metric]) for value, found in values.items()]
        title = f"{words(metric)} by {charts.text(column)}"
        svg = charts.intervals([("all rows", whole), *rows], words(metric), strong=[0],
                               line=whole["value"], name=f"{title}, with 95% intervals",
                               key=f"slice {column}")  # fmt: skip
        cells = [[value, found["rows"], *(score(found[name]) for name in names)]
                 for value, found in values.items()]  # fmt: skip
        table = Table(f"Scores by {column}", [column, "rows", *map(words, names)], cells)
        yield Chart(title, svg, "In brackets the number of rows. Dotted line: all rows.", table)


def _example(
    reading: PredictionArrays, kept: StoredExamples, kind: str, row: int, explained: Row
) -> Example:
    found = kept.rows.get(str(row), StoredExamples.Row())
    predicted, actual, note = found.prediction, found.reference, ""
    one, several, names = reading.one, reading.several, reading.names
    if one is not None and row < reading.rows:
        predicted, actual = names[int(one.predicted[row])], names[int(one.truth[row])]
        if reading.has_scores:
            predicted += f" ({number(float(one.given[row]))})"
            if kind == "mistakes":
                note = f"probability of the actual class {number(float(one.of_truth[row]))}"
    elif several is not None and row < reading.rows and reading.has_scores:
        place = several.worst_class[row] if kind == "mistakes" else several.nearest_class[row]
        note = f"the label in question is “{cut(names[int(place)])}”"
    if kind == "worst" and str(row) in kept.scores:
        note = f"{words(kept.metric)} {number(kept.scores[str(row)])}"
    shown = shown_html(found.shown, f"{kind} {row}")
    if any(part.marked for part in found.shown):
        predicted = actual = ""  # they are marked in what is shown
    cells = {name: cell for name, cell in found.cells.items() if name not in explained.texts
             and not (explained.picture and isinstance(cell, Mapping))}  # fmt: skip
    return Example(row, predicted, actual, note, cells, shown, explanations.marked(explained))
