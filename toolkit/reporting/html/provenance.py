"""What exactly ran: recipe, rows, versions, machine, and the command that repeats it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from toolkit.reporting.formatting import NONE, cut, number, share, words
from toolkit.reporting.html.parts import Code, Section, Table
from toolkit.reporting.overlap import FORMS, MEANING, UNMEASURED, lines
from toolkit.runs.folder import EVALUATES, run_of
from toolkit.utils.text import printable_line

RECIPE = 20_000  # characters of the recipe that are shown
VALUE = 200  # characters of a value


def section(record: Mapping[str, Any], run: Path, recipe: str) -> Section:
    """Return the section. run: the folder as commands name it. recipe: what ran, as YAML."""
    model, data, reload = record["model"], record["data"], record["reload"]
    same = f"{reload['different']:,} different" if reload["different"] else "all equal"
    answer = [
        f"{cut(model['id'], VALUE)} ({cut(model['revision'], VALUE)}, from {model['source']}), "
        f"recipe {cut(record['recipe'], VALUE)} for {record['scenario']}, seed {record['seed']}.",
        f"The saved model was reloaded in a fresh process: {reload['compared']:,} predictions "
        f"compared, {same}.",
    ]
    overlap = [[pair, *(_count(counts.get(form)) for form in FORMS)]
               for pair, counts in (data["overlap"] or {}).items()]  # fmt: skip
    if data.get("known"):
        answer.append(list(lines(data["overlap"], data["known"]))[-1])
    rows = [[split, count, sum(data["skipped"].get(split, {}).values()),
             data["duplicates"].get(split, {}).get("normalised", 0)]
            for split, count in data["rows"].items()]  # fmt: skip
    rest = len(recipe) - RECIPE
    if rest > 0:
        recipe = f"{recipe[:RECIPE]}\n… ({rest:,} more characters in recipe.yaml)"
    command = record.get("command")
    return Section("ran", "What exactly ran?", answer, [
        *([Code("The command", cut(command, RECIPE))] if command else []),
        Code("Repeat it", _again(record, run)),
        Table("Rows", ["split", "used", "skipped", "duplicates kept"], rows),
        *_lost(data),
        Table("Overlap between splits", ["splits", *FORMS.values()],
              overlap or [["all", *[UNMEASURED] * len(FORMS)]], MEANING),
        Table("Data, machine and versions", ["", ""], list(_facts(record))),
        Code("The whole recipe, with all defaults", recipe, folded=True),
    ])  # fmt: skip


def _again(record: Mapping[str, Any], run: Path) -> str:
    """Return the command that does it again."""
    quoted = shlex.quote(printable_line(run))
    if EVALUATES in record:
        source = shlex.quote(printable_line(record["data"]["source"]))
        how = record[EVALUATES]
        given = "".join(f" --{key} {shlex.quote(printable_line(how[key]))}"
                        for key in ("runtime", "dtype") if key in how)  # fmt: skip
        return f"toolkit evaluate {shlex.quote(printable_line(run_of(run)))} {source}{given}"
    return f"toolkit rerun {quoted}\ntoolkit run {quoted}/recipe.yaml"


def _lost(data: Mapping[str, Any]) -> Iterator[Table]:
    """Yield which rows were skipped, and which texts were cut."""
    used = data["rows"]
    skipped = [
        [split, why, count, share(count, used.get(split, 0) + sum(reasons.values()))]
        for split, reasons in data["skipped"].items()
        for why, count in reasons.items()
    ]
    if skipped:
        heads = ["split", "reason", "rows", "share of the split"]
        yield Table("Skipped rows", heads, skipped)
    texts = [
        [
            *(one[key] for key in ("split", "what", "limit", "count")),
            share(one["count"], one["rows"]),
        ]
        for one in data.get("cut", ())
    ]  # fmt: skip
    if texts:
        heads = ["split", "what", "tokens read", "longer and cut", "share of the split"]
        yield Table("Texts cut", heads, texts, "The model does not see what is beyond.")


def _count(rows: int | None) -> str | int:
    return UNMEASURED if rows is None else rows


def _facts(record: Mapping[str, Any]) -> Iterator[list[str]]:
    data, environment, devices = record["data"], record["environment"], record.get("devices")
    if record.get("started"):
        yield ["started", record["started"].replace("T", " ")]
    yield ["fingerprint of the rows", data["fingerprint"]]
    if data.get("test_digest"):
        yield ["digest of the test rows", data["test_digest"]]
    yield ["data", cut(data.get("source"), VALUE)]
    if devices:
        yield ["computed on", f"{devices['type']}, processes: {devices['processes']}, rows a step: "
                              f"{devices['batch']['rows_per_step']}"]  # fmt: skip
    for name, value in environment["hardware"].items():
        text = ", ".join(map(str, value)) or "none" if isinstance(value, list) else value
        yield [words(name), NONE if text is None else cut(text, VALUE)]
    yield ["Python", environment["python"]]
    yield from ([name, version] for name, version in environment["packages"].items())
    for place, again in enumerate(record.get("resumed") or [], 1):
        yield [f"resumed, time {place}", f"after step {number(again.get('step', 0))}"]
