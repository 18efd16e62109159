"""What exactly ran: recipe, rows, versions, machine, and the command that repeats it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from toolkit.reporting.html.parts import NONE, Code, Section, Table, number
from toolkit.utils.text import printable_line

RECIPE = 20_000  # characters of the recipe that are shown


def section(record: Mapping[str, Any], run: Path, recipe: str) -> Section:
    """Return the section. run: the folder as commands name it. recipe: what ran, as YAML."""
    found = Section("ran", "What exactly ran?")
    model, data, reload = record["model"], record["data"], record["reload"]
    found.answer.append(
        f"{_cut(model['id'])} ({_cut(model['revision'])}, from {model['source']}) by the recipe "
        f"{_cut(record['recipe'])} for {record['scenario']}, seed {record['seed']}."
    )
    same = "all the same" if not reload["different"] else f"{reload['different']:,} different"
    found.answer.append(
        f"The saved model was loaded again in a fresh process: {reload['compared']:,} predictions "
        f"compared, {same}."
    )
    quoted = shlex.quote(printable_line(run))
    commands = [f"toolkit rerun {quoted}", f"toolkit run {quoted}/recipe.yaml"]
    found.blocks.append(Code("Do it again", "\n".join(commands)))
    found.blocks.append(_rows(data))
    found.blocks.append(Table("Between splits", ["pair", "same to the letter",
                              "same but for case and punctuation"],
                              [[pair, c["exact"], c["normalised"]]
                               for pair, c in data["overlap"].items()]))  # fmt: skip
    found.blocks.append(Table("Where and with what", ["", ""], list(_facts(record))))
    whole = "The whole recipe, with all defaults"
    found.blocks.append(Code(whole, _cut_recipe(recipe), folded=True))
    return found


def _rows(data: Mapping[str, Any]) -> Table:
    rows = []
    for split, count in data["rows"].items():
        aside = sum(data["skipped"].get(split, {}).values())
        twice = data["duplicates"].get(split, {}).get("normalised", 0)
        rows.append([split, count, aside, twice])
    return Table("Rows", ["split", "used", "set aside", "duplicates kept"], rows)


def _facts(record: Mapping[str, Any]) -> Iterator[list[str]]:
    data, environment = record["data"], record["environment"]
    yield ["fingerprint of the rows", data["fingerprint"]]
    if data.get("test_digest"):
        yield ["digest of the test rows", data["test_digest"]]
    source = data.get("source")
    yield ["data", _cut(source if isinstance(source, str) else str(source))]
    if record.get("devices"):
        devices = record["devices"]
        yield ["computed on", f"{devices['type']}, processes: {devices['processes']}, rows a step: "
                              f"{devices['batch']['rows_per_step']}"]  # fmt: skip
    for name, value in environment["hardware"].items():
        text = ", ".join(map(str, value)) or "none" if isinstance(value, list) else value
        yield [name.replace("_", " "), NONE if text is None else _cut(text)]
    yield ["Python", environment["python"]]
    yield from ([name, version] for name, version in environment["packages"].items())
    for place, again in enumerate(record.get("resumed") or [], 1):
        yield [f"resumed, time {place}", f"after step {number(again.get('step', 0))}"]


def recipe_text(run: Path) -> str:
    """Return recipe.yaml of a run's folder as it is shown."""
    try:
        return (run / "recipe.yaml").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(recipe.yaml is not there)"


def _cut_recipe(text: str) -> str:
    rest = len(text) - RECIPE
    return text if rest <= 0 else f"{text[:RECIPE]}\n… ({rest:,} more characters in recipe.yaml)"


def _cut(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 200 else text[:199] + "…"
