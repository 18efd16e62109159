"""Runs at a glance: date, recipe, model, method, rows, headline and status, a table or a block."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from toolkit.errors import UserError
from toolkit.reporting import fold_report, seed_report, sweep_report
from toolkit.reporting.formatting import duration, number, score, words
from toolkit.reporting.terminal import plain
from toolkit.runs import sweeps
from toolkit.runs.fold_folder import FoldRuns
from toolkit.runs.folder import EVALUATES, Run, resume_command
from toolkit.runs.seed_folder import SeedRuns
from toolkit.runs.several import SeveralRuns
from toolkit.runs.sweep_folder import Sweep

COLUMNS = ("date", "status", "recipe", "model", "method", "rows", "score", "folder")
TABLE = 130  # columns of a terminal from which on a table fits
#: Several runs by their file, and what tells their headline.
SEVERAL: dict[str, tuple[type[SeveralRuns], Callable[[Any], str]]] = {
    SeedRuns.file: (SeedRuns, seed_report.headline),
    FoldRuns.file: (FoldRuns, fold_report.headline),
}
#: Any other status is red.
COLOURS = {"finished": "green", "running": "cyan", "validated": "green", "pruned": "cyan"}


@dataclass(frozen=True)
class Listed:
    """A run, or runs of several seeds or folds.

    rows: of train. note: what is wrong with it, and what can be done.
    """

    date: str
    status: str
    recipe: str = ""
    model: str = ""
    method: str = ""
    rows: str = ""
    score: str = ""
    folder: str = ""
    took: str = ""
    note: str = ""


def listed(file: Path) -> Listed:
    """Return what is shown of the run, or the runs, with that file."""
    date, folder = _date(file.stat().st_mtime), str(file.parent)
    try:
        if file.name == sweeps.FILE:
            return _sweep(Sweep(folder), date)
        if file.name not in SEVERAL:
            return _run(Run(folder), date)
        kind, headline = SEVERAL[file.name]
        several = kind(folder)
        return _several(several, headline(several), date)
    except UserError as error:
        return Listed(date, "damaged", folder=folder, note=str(error))


def show(found: Sequence[Listed], console: Console) -> None:
    """Print runs: as a table in a wide terminal, else in two or three lines each."""
    if console.width >= TABLE:
        table = Table(show_edge=False, pad_edge=False)
        for name in COLUMNS:
            table.add_column(name, overflow="fold")
        for one in found:
            table.add_row(*(_coloured(one) if name == "status" else plain(getattr(one, name))
                            for name in COLUMNS))  # fmt: skip
        console.print(table, highlight=False)
    for one in found:
        if console.width < TABLE:
            _print(console, f"{one.date}  {_coloured(one)}  {plain(one.folder)}")
            rows = one.rows and f"{one.rows} training rows"
            facts = [one.recipe, one.model, one.method, rows, one.took]
            for line in (", ".join(filter(None, facts)), one.score):
                if line:
                    _print(console, f"    {plain(line)}")
        if one.note:
            where = f"{plain(one.folder)}: " if console.width >= TABLE else "    "
            _print(console, f"{where}{plain(one.note)}")


def _print(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)


def _coloured(one: Listed) -> str:
    return f"[{COLOURS.get(one.status, 'red')}]{one.status:11}[/]"


def _run(run: Run, date: str) -> Listed:
    record, text = run.record, ""
    best = record.get("headline")
    if run.status == "validated" and record.get("trial"):
        trial = record["trial"]
        text = f"{words(trial['metric'])} {number(trial.get('score'))} on validation"
    if best and best["metric"] in run.metrics.get("test", {}):
        text = f"{words(best['metric'])} {score(run.metrics['test'][best['metric']])}"
    seconds = (record.get("speed") or {}).get("total_seconds")
    return Listed(_started(record, date), run.state, **_facts([run]), score=text,
                  folder=str(run.path), took="" if seconds is None else duration(seconds),
                  note=_note(run.state, record, resume_command(run.path)))  # fmt: skip


def _several(found: SeveralRuns, headline: str, date: str) -> Listed:
    done = f"{len(found.runs)} of {len(found.numbers)} {found.one}s"
    command = resume_command(found.path, found.option)
    return Listed(_started(found.record, date), found.state, **_facts(found.runs),
                  score=", ".join(filter(None, (done, headline))), folder=str(found.path),
                  note=_note(found.state, found.record, command))  # fmt: skip


def _sweep(found: Sweep, date: str) -> Listed:
    runs = [Run(folder) for trial in found.trials
            if ((folder := found.folder_of(trial["number"])) / "run.json").is_file()]  # fmt: skip
    facts = {**_facts(runs), "recipe": f"sweep of {found.record['recipe']}", "method": ""}
    command = f"go on with: toolkit sweep {shlex.quote(f'{found.path}/recipe.yaml')} --out "
    command += f"{shlex.quote(str(found.path))} --resume"
    return Listed(_started(found.record, date), found.state, **facts,
                  score=sweep_report.headline(found), folder=str(found.path),
                  took=duration(found.record["seconds"]),
                  note=_note(found.state, found.record, command))  # fmt: skip


def _facts(runs: Iterable[Run]) -> dict[str, str]:
    """Return what the first of some runs tells of all of them."""
    record: Any = next((run.record for run in runs), {})
    data = record.get("data") or {}
    counts, name = data.get("rows", {}), record.get("recipe", "")
    if EVALUATES in record:
        return {"recipe": f"evaluation of {name} on {Path(str(data.get('source'))).name}"}
    return {
        "recipe": name,
        "model": Path((record.get("model") or {}).get("id", "")).name,
        "method": (record.get("method") or {}).get("name", ""),
        "rows": f"{counts['train']:,}" if "train" in counts else "",
    }


def _note(state: str, record: Any, command: str) -> str:
    if state == "dead":
        return f"its process has ended without recording how; {command}"
    error = record.get("error")
    why = str(error).splitlines()[0] if error else ""
    if state == "failed":  # its message says what helps
        return why
    return "; ".join(filter(None, (why, command))) if state == "interrupted" else ""


def _started(record: Any, otherwise: str) -> str:
    """Return when a run began; runs of older versions have the date of their record."""
    text = str(record.get("started") or "")
    return text[:16].replace("T", " ") or otherwise


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
