"""Does the model work, and how certain is that: the headline score beside the baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.reporting import charts
from toolkit.reporting.display import best_baseline
from toolkit.reporting.formatting import number, score, sentence, words
from toolkit.reporting.html.parts import Chart, Section, Table
from toolkit.reporting.terminal import baseline_settings, score_rows, signatures, units
from toolkit.reporting.verdicts import sentences, verdict

SHOWN = 24  # notes


def section(record: Mapping[str, Any], notes: list[str]) -> Section:
    """Return the section. notes: what a reader must know before trusting a score."""
    found = Section("works", "Does it work, and how certain is that?")
    headline = record.get("headline")
    rows = dict(score_rows(record))
    if headline and headline["metric"] in record["metrics"]["test"]:
        found.answer += _verdict(record, headline["metric"], headline["greater_is_better"])
        found.blocks += _chart(rows, headline["metric"], units(record))
    elif not record["metrics"]["test"]:
        found.answer.append("This scenario has no metric: nothing here says how good the model is.")
    names = list(record["metrics"]["test"])
    cells = [[label, *(score(scores.get(name, {})) for name in names)]
             for label, scores in rows.items()]  # fmt: skip
    note = f"In brackets the 95% interval (by {units(record)})."
    note += " Baselines: on the test split."
    if settings := baseline_settings(record):
        note += f" Their settings: {settings}."
    note += "".join(f" {sentence(name)}: {how}." for name, how in signatures(record))
    found.blocks.append(Table("All scores", ["", *map(words, names)], cells, note))
    said = {text.rstrip(".").casefold() for text in (*found.answer, verdict(record))}
    notes = [note for note in notes if note.strip() and note.casefold() not in said]
    more = [f"and {len(notes) - SHOWN} more"] if notes[SHOWN:] else []
    found.notes = [*notes[:SHOWN], *more]
    return found


def _verdict(record: Mapping[str, Any], metric: str, more: bool) -> Iterator[str]:
    """Yield the score with its interval, and which baselines it beats."""
    own, name = record["metrics"]["test"][metric], words(metric)
    count = record["data"]["rows"]["test"]
    if own["value"] is None:
        yield f"The {name} is undefined on the {count:,} test rows."
        return
    text = f"On {count:,} test rows the {name} is {number(own['value'])}"
    if own.get("low") is not None:
        text += (f"; on other test rows of the same kind it would mostly be between "
                 f"{number(own['low'])} and {number(own['high'])} (95% interval)")  # fmt: skip
    yield text + ("." if more else "; less is better.")
    best = best_baseline(record, metric, more)
    if best is None:
        yield "There is no baseline to compare it with."
    elif not record.get("verdicts"):
        value = number(record["baselines"][best][metric]["value"])
        yield f"The best baseline is {words(best)} ({value}); the two were not compared row by row."
    for place, (warning, text) in enumerate(sentences(record)):
        if place and not warning:  # the first, on the best baseline, stands at the top
            yield f"{sentence(text)}."


def _chart(rows: Mapping[str, Mapping[str, Any]], metric: str, unit: str) -> Iterator[Chart]:
    drawn = [(label, scores[metric]) for label, scores in rows.items() if metric in scores]
    if all(found.get("value") is None for _, found in drawn):
        return
    name = f"{words(metric)} of the model and of the baselines, with 95% intervals"
    svg = charts.intervals(drawn, words(metric), strong=[0], line=drawn[0][1]["value"], name=name,
                           key="headline")  # fmt: skip
    numbers = [[label, *(number(found.get(key)) for key in ("value", "low", "high"))]
               for label, found in drawn]  # fmt: skip
    table = Table(f"Numbers: {words(metric)}", ["", "value", "low", "high"], numbers)
    bars = f"Bars: 95% intervals over test {unit}"
    caption = f"Points: scores. {bars}. Dotted line: the model."
    yield Chart(sentence(f"{words(metric)}, model and baselines"), svg, caption, table)
