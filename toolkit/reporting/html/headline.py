"""Does the model work, and how sure are we: the headline beside what it has to beat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.reporting import charts
from toolkit.reporting.display import best_baseline
from toolkit.reporting.html.parts import (
    Chart,
    Notes,
    Section,
    Table,
    number,
    score,
    sentence,
    words,
)
from toolkit.reporting.terminal import SPLITS, baseline_name

SHOWN = 24  # notes


def section(record: Mapping[str, Any], notes: list[str]) -> Section:
    """Return the section. notes: what a reader must know before trusting a score."""
    found = Section("works", "Does it work, and how sure are we?")
    headline = record.get("headline")
    scores = dict(rows(record))
    if headline and headline["metric"] in record["metrics"]["test"]:
        found.answer += list(verdict(record, headline["metric"], headline["greater_is_better"]))
        found.blocks += _chart(record, scores, headline["metric"])
    elif not record["metrics"]["test"]:
        found.answer.append("This scenario has no metric: nothing here says how good it is.")
    found.blocks.append(_table(record, scores))
    if notes:
        notes = [note for note in notes if note.strip()]
        shown = [*notes[:SHOWN], *([f"and {len(notes) - SHOWN} more"] if notes[SHOWN:] else [])]
        found.blocks.append(Notes(shown))
    return found


def rows(record: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (what was scored, its scores): the model on each split, then baselines on test."""
    for split, name in SPLITS.items():
        if split in record["metrics"]:
            yield f"model on {name}", record["metrics"][split]
    for baseline, scores in record["baselines"].items():
        yield baseline_name(record, baseline), scores


def verdict(record: Mapping[str, Any], metric: str, more: bool) -> Iterator[str]:
    """Yield the answer in sentences: the score, how sure it is, and whether baselines are beaten."""
    found = record["metrics"]["test"][metric]
    count = record["data"]["rows"]["test"]
    name = words(metric)
    if found["value"] is None:
        yield f"The {name} has no value on the {count:,} test rows."
        return
    said = f"On {count:,} test rows the {name} is {number(found['value'])}"
    if found.get("low") is not None and found.get("high") is not None:
        said += (f"; other test rows of the same kind would mostly give between "
                 f"{number(found['low'])} and {number(found['high'])} (95% interval)")  # fmt: skip
    yield said + ("." if more else "; less is better.")
    yield _beside_baselines(record, metric, more)


def _beside_baselines(record: Mapping[str, Any], metric: str, more: bool) -> str:
    best = best_baseline(record, metric, more)
    if best is None:
        return "There is no baseline to compare it with."
    sign = 1 if more else -1
    value = float(record["baselines"][best][metric]["value"])
    own = record["metrics"]["test"][metric]
    what = f"the best of the cheap things it has to beat ({words(best)}, {number(value)})"
    better = sign * (float(own["value"]) - value)
    if own.get("low") is None or own.get("high") is None:
        return (
            f"It is {'' if better > 0 else 'not '}better than {what}; how sure that is, is unknown."
        )
    inside = own["low"] <= value <= own["high"]
    if better > 0:
        doubt = "that lies within its interval, so the gain may be chance" if inside else (
            "its whole interval lies beyond that")  # fmt: skip
        return f"It is {'' if inside else 'clearly '}better than {what}; {doubt}."
    return f"It is {'not' if inside else 'clearly not'} better than {what}."


def _chart(
    record: Mapping[str, Any], scores: Mapping[str, Mapping[str, Any]], metric: str
) -> Iterator[Chart]:
    drawn = [(name, found[metric]) for name, found in scores.items() if metric in found]
    if all(found.get("value") is None for _, found in drawn):
        return
    name = f"{words(metric)} of the model and of the baselines, with 95% intervals"
    value = record["metrics"]["test"][metric]["value"]
    svg = charts.intervals(
        [(_brief(label), found) for label, found in drawn], words(metric), strong=[0], line=value,
        name=name, key="headline",
    )  # fmt: skip
    numbers = [[label, *(number(found.get(k)) for k in ("value", "low", "high"))]
               for label, found in drawn]  # fmt: skip
    table = Table(f"Numbers: {words(metric)}", ["", "value", "low", "high"], numbers)
    says = (
        "Points are scores, bars their 95% intervals over test rows; the dotted line is the model."
    )
    title = sentence(f"{words(metric)}, beside what it has to beat")
    yield Chart(title, svg, says, table)


def _brief(label: str) -> str:
    return label.removeprefix("model on ").removeprefix("baseline: ").partition(", rows seen")[
        0
    ] + (", unseen rows" if ", rows seen" in label else "")


def _table(record: Mapping[str, Any], scores: Mapping[str, Mapping[str, Any]]) -> Table:
    names = list(record["metrics"]["test"])
    cells = [[label, *(score(found.get(name, {})) for name in names)]
             for label, found in scores.items()]  # fmt: skip
    note = "In brackets the 95% interval, by resampling rows; baselines are scored on test rows."
    return Table("All scores", ["", *map(words, names)], cells, note)
