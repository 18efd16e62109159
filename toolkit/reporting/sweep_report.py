"""A sweep in words and tables: for the terminal, and for its page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from toolkit.recipe.spaces import written
from toolkit.reporting.formatting import duration, number, score, words
from toolkit.reporting.terminal import plain, print_facts, print_next
from toolkit.runs.sweep_folder import BEST, PAGE, Sweep, ranked
from toolkit.utils.text import listing

FILES = (PAGE, BEST, "sweep.json")
REASONS = {
    "memory": "out of memory",
    "diverged": "diverged",
    "killed": "process ended",
    "refused": "settings refused",
    "undefined": "score undefined",
    "error": "failed",
}
STATES = {"validated": "trained", "pruned": "stopped early"}
SHOWN = 30  # trials in the terminal


def values(trial: Mapping[str, Any]) -> str:
    """Return "training.learning_rate=0.0003, method.name=lora" of a trial."""
    text = ", ".join(f"{key}={written(value)}" for key, value in trial["values"].items())
    return f"{text} (the recipe as it is)" if trial.get("default") else text


def outcome(trial: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Return how a trial ended, in a line."""
    took = f"after {duration(trial['seconds'])}"
    if trial["state"] == "failed":
        tried = f" (tried before: {listing(trial['tried'], 3)})" if trial["tried"] else ""
        return f"{REASONS.get(trial['reason'], 'failed')} {took}: {trial['error']}{tried}"
    text = f"{words(record['metric'])} {number(trial['score'])} {took}"
    if trial["state"] == "pruned":
        return f"{text}, stopped early in step {trial['steps']:,}"
    best = next(iter(ranked(record)), trial)
    own = best["number"] == trial["number"]
    return text + (", the best so far" if own else f" (best: {number(best['score'])})")


def counted(record: Mapping[str, Any]) -> str:
    """Return "12 trials: 9 trained to their end, 2 stopped early, 1 out of memory"."""
    trials = record.get("trials", [])
    parts = {"trained to their end": sum(one["state"] == "validated" for one in trials),
             "stopped early": sum(one["state"] == "pruned" for one in trials),
             "not ended": sum(one["state"] == "running" for one in trials)}  # fmt: skip
    for name, what in REASONS.items():
        parts[what] = sum(one["state"] == "failed" and one["reason"] == name for one in trials)
    text = ", ".join(f"{count} {what}" for what, count in parts.items() if count)
    return f"{len(trials)} trials: {text}" if trials else "no trial was begun"


def facts(found: Sweep) -> Iterator[str]:
    """Yield what was searched, and what came of it, a line each."""
    record = found.record
    how = f"searched by {record['search']}"
    if record["prune"] != "none":
        how += f", stopped early by {record['prune']}"
    yield f"{counted(record)}; {how}; {duration(record['seconds'])} in all"
    steps = sum(one["steps"] for one in record["trials"])
    yield f"training steps of all trials: {steps:,}"


def notes(found: Sweep) -> Iterator[str]:
    """Yield what a reader must know of these scores."""
    record = found.record
    seen = sum(one["state"] in ("validated", "pruned") for one in record["trials"])
    if found.chosen is not None and seen > 1:
        yield (f"trial {found.chosen} was picked from {seen} by {words(record['metric'])} on "
               "validation: the best of several validation scores is too high on average; go by "
               "its test score")  # fmt: skip
    tied = [one["number"] for one in ranked(record)
            if one["score"] == ranked(record)[0]["score"]]  # fmt: skip
    if len(tied) > 1:
        yield (f"trials {listing(tied)} have the same validation score; the first of them is taken")
    yield from record["notes"]


def comparison(found: Sweep) -> list[str]:
    """Return the chosen trial beside the recipe as it is, on validation; the test score below."""
    record = found.record
    if found.chosen is None:
        return []
    name, best = words(record["metric"]), record["trials"][found.chosen]
    default = next((one for one in record["trials"] if one["default"]), None)
    lines = []
    if default is None:
        lines.append(f"the recipe as it is was not tried; chosen: {name} {number(best['score'])} "
                     "on validation")  # fmt: skip
    elif default["number"] == best["number"]:
        lines.append(f"no trial is better on validation than the recipe as it is: {name} "
                     f"{number(best['score'])}")  # fmt: skip
    else:
        own = number(default["score"]) if default["score"] is not None else outcome(default, record)
        lines.append(f"on validation: {name} {number(best['score'])} of trial {best['number']}, "
                     f"{own} of the recipe as it is")  # fmt: skip
    if found.status == "finished":
        run = found.best
        metrics, rows = run.metrics["test"], run.record["data"]["rows"]["test"]
        shown = {key: metrics[key] for key in dict.fromkeys([record["metric"], *metrics])
                 if key in metrics}  # fmt: skip
        scores = ", ".join(f"{words(key)} {score(one)}" for key, one in shown.items())
        lines.append(f"on {rows:,} test rows, scored once: {scores}")
    return lines


def rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the trials as they are listed: by score, then those that were stopped, then others."""
    order = ranked(record)
    rest = [one for one in record["trials"] if one not in order]
    places = {"pruned": 0, "running": 1, "failed": 2}
    return order + sorted(rest, key=lambda one: (places.get(one["state"], 1), one["number"]))


def cells(trial: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    """Return number, state, score, seconds, steps and values of a trial."""
    state = STATES.get(trial["state"], trial["state"])
    if state == "failed":
        state = REASONS.get(trial["reason"], state)
    mark = " (default)" if trial["default"] else ""
    given = [written(trial["values"][key]) if key in trial["values"] else "" for key in keys]
    return [f"{trial['number']}{mark}", state, number(trial["score"]), f"{trial['seconds']:.0f}",
            f"{trial['steps']:,}", *given]  # fmt: skip


def head(record: Mapping[str, Any]) -> list[str]:
    """Return the names of the columns of `cells`."""
    keys = [key.rpartition(".")[2] if key != "method.name" else "method" for key in record["space"]]
    return ["trial", "state", f"validation {words(record['metric'] or 'score')}", "s", "steps",
            *map(words, keys)]  # fmt: skip


def summary(found: Sweep, console: Console) -> None:
    """Print the trials, the chosen one, and its scores."""
    record, listed = found.record, rows(found.record)
    console.print(f"\n[bold]{plain(record['recipe'])}[/], searched", highlight=False)
    table = Table(show_edge=False)
    for name in head(record):
        table.add_column(plain(name), overflow="fold")
    for trial in listed[:SHOWN]:
        style = "bold" if trial["number"] == found.chosen else None
        table.add_row(*map(plain, cells(trial, list(record["space"]))), style=style)
    console.print(table)
    if listed[SHOWN:]:
        console.print(f"and {len(listed) - SHOWN} more in {PAGE}", highlight=False)
    shown = [*comparison(found), *facts(found)]
    print_facts(console, shown, notes(found), found.path, FILES)
    if found.chosen is not None and found.status == "finished":
        print_next(console, found.best)


def headline(found: Sweep) -> str:
    """Return the sweep in a line, for lists of runs."""
    record = found.record
    text = counted(record)
    if found.status == "finished" and record["metric"] in (test := found.best.metrics["test"]):
        text += f"; test {words(record['metric'])} {score(test[record['metric']])}"
    return text
