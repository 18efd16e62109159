"""Where it fails: classes, slices, and rows to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolkit.reporting import charts, examples
from toolkit.reporting.examples import Kept
from toolkit.reporting.html import per_class
from toolkit.reporting.html.parts import (
    Chart,
    Example,
    Examples,
    Picture,
    Section,
    Table,
    number,
    score,
    words,
)
from toolkit.reporting.prediction_arrays import PredictionArrays

FEWEST = 10  # rows of a slice that is named
COLUMNS = 12  # slice columns that are shown
TITLES = {
    "mistakes": ("Most confident mistakes", "Wrong, and sure of it: some may be wrong labels."),
    "uncertain": ("Least certain rows", "The two likeliest answers lie nearest to each other."),
    "worst": ("Worst rows", "Those that score least by themselves, the most confident first."),
    "first": ("First rows", "The first rows of the test split, as they come."),
}  # fmt: skip


def section(
    record: Mapping[str, Any],
    reading: PredictionArrays,
    kept: Kept | None,
    pictures: Sequence[Picture],
) -> Section:
    """Return the section. kept: as `examples.keep` wrote it; None shows no single rows."""
    found = Section("fails", "Where does it fail?")
    found.answer += [said for said in (per_class.sentence(reading), per_class.worst_pair(reading))
                     if said]  # fmt: skip
    found.answer += _by_row(kept) if kept is not None else ()
    found.blocks += per_class.tables(reading)
    found.blocks += _slices(record, found.answer)
    found.blocks += _examples(reading, kept) if kept is not None else ()
    found.blocks += pictures
    if not found.blocks:
        found.answer.append("Nothing is known of single rows.")
    return found


def _by_row(kept: Kept) -> Iterator[str]:
    """Yield how many rows score least by themselves, where predictions are not of classes."""
    worst = kept.kinds.get("worst")
    if worst and kept.least and str(worst[0]) in kept.scores:
        value = number(kept.scores[str(worst[0])])
        yield (f"Of the first {kept.scored_rows:,} test rows {kept.least:,} have the worst "
               f"{words(kept.metric)} of all by themselves: {value}.")  # fmt: skip


def _slices(record: Mapping[str, Any], answer: list[str]) -> Iterator[Any]:
    """Yield a chart and a table for each slice column; say where the largest gap is."""
    slices, headline = record.get("slices") or {}, record.get("headline")
    if not slices:
        return
    metric = headline["metric"] if headline else next(iter(record["metrics"]["test"]), None)
    if metric is None:
        return
    answer.append(_largest_gap(slices, metric))
    names = list(record["metrics"]["test"])
    whole = record["metrics"]["test"][metric]
    for column, values in list(slices.items())[:COLUMNS]:
        rows = [(f"{value} ({found['rows']:,})", found[metric]) for value, found in values.items()]
        title = f"{words(metric)} by {charts.text(column)}"
        svg = charts.intervals([("all rows", whole), *rows], words(metric), strong=[0],
                               line=whole["value"], name=f"{title}, with 95% intervals",
                               key=f"slice {column}")  # fmt: skip
        table = [[value, found["rows"], *(score(found[name]) for name in names)]
                 for value, found in values.items()]  # fmt: skip
        numbers = Table(f"Scores by {column}", [column, "rows", *map(words, names)], table)
        yield Chart(title, svg, "In brackets the number of rows; the dotted line is all of them.",
                    numbers)  # fmt: skip


def _largest_gap(slices: Mapping[str, Any], metric: str) -> str:
    """Return which two values of a column lie farthest apart, and whether that is sure."""
    best: tuple[float, str, str, str] | None = None
    sure = False
    for column, values in slices.items():
        known = [(value, found[metric]) for value, found in values.items()
                 if found["rows"] >= FEWEST and found[metric].get("value") is not None]  # fmt: skip
        if len(known) < 2:
            continue
        ranked = sorted(known, key=lambda item: float(item[1]["value"]))
        (low, least), (high, most) = ranked[0], ranked[-1]
        gap = float(most["value"]) - float(least["value"])
        if best is None or gap > best[0]:
            best = gap, column, low, high
            sure = None not in (least.get("high"), most.get("low")) and least["high"] < most["low"]
    if best is None:
        return f"No column has two values of {FEWEST} rows or more to compare."
    gap, column, low, high = best
    doubt = "do not overlap" if sure else "overlap, so it may be chance"
    return (
        f"The largest gap between slices is by {_cut(column)}: the {words(metric)} of "
        f"“{_cut(low)}” and “{_cut(high)}” lie {number(gap)} apart; their intervals {doubt}."
    )


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def _examples(reading: PredictionArrays, kept: Kept) -> Iterator[Examples]:
    # Without what was kept of their texts, the rows are known by their numbers alone.
    kinds = kept.kinds or examples.choose(reading)
    for kind, (title, says) in TITLES.items():
        rows = [_example(reading, kept, kind, row) for row in kinds.get(kind, ())]
        if rows:
            yield Examples(title, says, rows)


def _example(reading: PredictionArrays, kept: Kept, kind: str, row: int) -> Example:
    found = kept.rows.get(str(row), Kept.Shown())
    said, true, note = found.prediction, found.reference, ""
    one, several = reading.one, reading.several
    if one is not None and row < reading.rows:
        said, true = (reading.names[int(part[row])] for part in (one.predicted, one.truth))
        if reading.has_scores:
            said += f" ({number(float(one.given[row]))})"
            note = (
                f"the true class had {number(float(one.of_truth[row]))}"
                if kind == "mistakes"
                else ""
            )
    elif several is not None and row < reading.rows and reading.has_scores:
        place = several.worst_class[row] if kind == "mistakes" else several.nearest_class[row]
        note = f"“{_cut(reading.names[int(place)])}” is the one in question"
    if kind == "worst" and str(row) in kept.scores:
        note = f"{words(kept.metric)} {number(kept.scores[str(row)])}"
    return Example(row, said, true, note, found.cells)
