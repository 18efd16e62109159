"""The summary in the terminal: scores with intervals, baselines, overlap, speed, and files."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from toolkit.evaluation.differences import used_fewer
from toolkit.reporting import overlap
from toolkit.reporting.formatting import number, words
from toolkit.reporting.verdicts import few, sentences
from toolkit.runs.folder import EVALUATES, Run
from toolkit.utils.text import listing, printable

SPLITS = {
    "test": "test",
    "test_without_overlap": "test, rows seen in training left out",
    "validation": "validation (chose the model)",
}
FILES = ("model", "predictions.jsonl", "README.md", "run.json", "report.html")
USUAL = {"runtime": "torch", "dtype": "float32"}  # of an evaluation
BESIDE = 5  # metrics beside each other at most; more go into another table
NAMES, CELL = 18, 14  # columns that the names of the rows take at least, and a score's interval


def plain(text: object) -> str:
    """Return outside text in which neither the terminal nor rich's markup finds a command."""
    return escape(printable(text))


def score_rows(record: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (label, scores): the model on each split, test first, then the baselines."""
    for split, name in SPLITS.items():
        if split in record["metrics"]:
            yield name, record["metrics"][split]
    rows = record["data"]["rows"]["test"]
    for baseline, scores in record["baselines"].items():
        used = record["baseline_rows"].get(baseline, {}).get("test", rows)
        part = f" ({used:,} rows)" if used < rows else ""
        yield f"baseline: {words(baseline)}{part}", scores


def summary(run: Run, console: Console) -> None:
    """Print the results of a run."""
    record = run.record
    console.print(f"\n[bold]{plain(record['recipe'])}[/] {plain(record['model']['id'])}")
    names = list(record["metrics"]["test"])
    beside = max(1, min(BESIDE, (console.width - NAMES) // CELL))
    for start in range(0, len(names), beside):
        console.print(_scores(record, names[start : start + beside]))
    print_facts(console, run_facts(record), warnings(record), run.path, FILES)
    print_next(console, run)


def print_facts(
    console: Console, facts: Iterable[str], notes: Iterable[str], folder: Path, files: Iterable[str]
) -> None:
    """Print what stands below a table of scores: facts, notes, and where files of a folder are."""
    console.print()
    for fact in facts:
        console.print(plain(fact), highlight=False)
    for note in notes:
        console.print(f"[yellow]note[/] {plain(note)}", highlight=False)
    console.print()
    for file in files:
        path = folder / file
        if not path.exists():  # it has failed
            continue
        console.print(f"  {file:18} {plain(_from_here(path))}", highlight=False, soft_wrap=True)


def print_next(console: Console, run: Run) -> None:
    """Print the commands that a finished run is for, with its folder as commands name it."""
    folder = shlex.quote(str(_from_here(run.path)))
    commands = [(f"toolkit report {folder} --open", "open the report in the browser")]
    if EVALUATES in run.record:
        commands += [(f"toolkit compare {folder} OTHER", "with another model on the same rows")]
    else:
        commands += [
            (f"toolkit predict {folder} rows.csv -o out.csv", "predict the rows of a file"),
            (f"toolkit serve {folder}", "try it in the browser, and over HTTP"),
        ]
    console.print()
    for command, what in commands:
        console.print(f"next: {plain(command)}  [dim]# {what}[/]", highlight=False, soft_wrap=True)


def _from_here(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _scores(record: Mapping[str, Any], names: list[str]) -> Table:
    table = Table(title="score, and its 95% interval", title_justify="left", show_edge=False)
    table.add_column("", overflow="fold")
    for name in names:
        table.add_column(plain(words(name)), overflow="fold")
    for place, (label, scores) in enumerate(score_rows(record), start=1):
        table.add_row(plain(label), *(_cell(scores[name]) for name in names),
                      style="bold" if place == 1 else None,
                      end_section=place == len(record["metrics"]))  # fmt: skip
    return table


def _cell(score: Mapping[str, Any]) -> str:
    """Return the score, and its interval below it: narrow enough for five in a row."""
    if score.get("calibrated_high") is not None:  # what chance gives a calibrated model
        return f"{number(score['value'])}\nchance: to {number(score['calibrated_high'])}"
    if score.get("low") is None:
        more = "\nno interval" if score.get("no_interval") else ""
        return f"{number(score['value'])}{more}"
    return f"{number(score['value'])}\n{number(score['low'])}-{number(score['high'])}"


def run_facts(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield rows, overlap, speed and where the time went, a line each."""
    yield from _row_facts(record)
    if EVALUATES in record:
        yield f"time: {record['speed']['total_seconds']:.1f} s"
        return
    if "parameters" in record:
        count = record["parameters"]
        yield f"trained: {count['trained']:,} of {count['all']:,} parameters"
    speed, reload = record["speed"], record["reload"]
    yield f"reload: {reload['compared']:,} predictions compared, {reload['different']} different"
    devices = record.get("devices")
    if devices is not None and devices["processes"] > 1:
        yield (f"devices: {devices['processes']} processes on {devices['type']}, "
               f"{devices['batch']['rows_per_step']} rows a step")  # fmt: skip
    phases = dict(speed["phases"])
    train, score, baselines = (phases.pop(name) for name in ("train", "score", "baselines"))
    yield (f"time: {speed['total_seconds']:.1f} s = train {train:.1f} "
           f"({speed['train_samples_per_second']:.0f} rows/s) + scoring {score:.1f} + baselines "
           f"{baselines:.1f} + fixed {speed['fixed_seconds']:.1f}")  # fmt: skip
    yield "fixed: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in phases.items())


def _row_facts(record: Mapping[str, Any]) -> Iterator[str]:
    data = record["data"]
    if EVALUATES in record:
        how = record[EVALUATES]
        odd = [how[key] for key, usual in USUAL.items() if how.get(key, usual) != usual]
        yield f"evaluated on: {data['source']}" + f" ({listing(odd)})" * bool(odd)
    yield "rows: " + ", ".join(f"{split} {rows:,}" for split, rows in data["rows"].items())
    if data.get("group"):
        yield f"intervals draw {units(record)}"
    yield from (text for warning, text in sentences(record) if not warning)
    yield from overlap.lines(data["overlap"], data.get("known"))
    if settings := baseline_settings(record):
        yield f"baselines: {settings}"
    yield from (f"{name}: {signature}" for name, signature in signatures(record))


def baseline_settings(record: Mapping[str, Any]) -> str:
    """Return "frozen linear with C=0.1; ...", the settings of baselines that have some."""
    given = {name: used.get("setting") for name, used in record["baseline_rows"].items()}
    return "; ".join(f"{words(name)} with {which}" for name, which in given.items() if which)


def signatures(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (score, signature) of those whose library says how they were computed."""
    for name, found in record["metrics"]["test"].items():
        if found.get("signature"):
            yield words(name), str(found["signature"])


def units(record: Mapping[str, Any]) -> str:
    """Return what intervals of test scores draw: rows, or groups of them and how many."""
    group = record["data"].get("group")
    if not group:
        return "rows"
    columns = (group.get("columns") or {}).get("test") or {
        group["column"]: group["groups"].get("test", 0)
    }
    return " and ".join(f"{count:,} groups of {name!r}" for name, count in columns.items())


def warnings(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a reader must know before trusting the score."""
    data = record["data"]
    yield from _picked(record.get("picked"))
    for split, reasons in data["skipped"].items():
        yield from (f"{split}: {rows:,} rows skipped ({why})" for why, rows in reasons.items())
    for split, counts in data["duplicates"].items():
        if counts["normalised"]:
            yield f"{split}: {counts['normalised']:,} duplicate rows kept"
    yield from data["notes"]
    devices = record.get("devices", {"notes": [], "batch": {"reduced": []}})
    yield from devices["notes"]
    yield from (note["text"] for note in devices["batch"]["reduced"])
    for failed in record.get("failed_parts", ()):
        yield f"{failed['part']} {failed['name']} failed: {failed['reason']}"
    rows = data["rows"]
    for name, found in record["metrics"]["test"].items():
        if "rows" in found:
            yield f"{name}: {found['rows']:.0f} of {rows['test']:,} test rows have a value"
    yield from _unseen(record["metrics"]["test"])
    for name, used in record["baseline_rows"].items():
        if used_fewer(used, rows["train"]) or used["test"] < rows["test"]:
            yield (
                f"baseline {name}: fitted on {used['train']:,} of {rows['train']:,} rows, scored "
                f"on {used['test']:,} of {rows['test']:,} (all would have taken too long)"
            )
    yield from few(record)
    yield from (text for warning, text in sentences(record) if warning)


def _picked(picked: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield from how many trials of a sweep a run was picked."""
    if picked and picked["trials"] > 1:
        score = f"{words(picked['metric'])} {number(picked['score'])}"
        yield (f"picked from {picked['trials']} by validation ({score}): the best of several "
               "validation scores is too high on average; test was scored once, after that"
               )  # fmt: skip


def _unseen(scores: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield how many rows are in no score of probabilities: a class without one is their label."""
    without = {name: int(found["left_out"]) for name, found in scores.items()
               if found.get("left_out")}  # fmt: skip
    if without:
        rows, names = max(without.values()), listing(map(words, without))
        yield f"{rows:,} test rows of classes that training lacks are not in {names}"
