"""The page of a sweep: what was chosen and how good it is, all trials, and what settings matter."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolkit.errors import UserError
from toolkit.recipe import spaces
from toolkit.recipe.spaces import Choice, written
from toolkit.reporting import charts, sweep_report, templates
from toolkit.reporting.formatting import number, sentence, words
from toolkit.reporting.html.parts import Chart, Code, Section, Table
from toolkit.runs.sweep_folder import Sweep, ranked
from toolkit.utils.files import write_atomically

FEW = 8  # trials below which no importance is estimated
TREES = 200
FAILURES = 10  # that are told in words
UPPER = 1 / 3  # of the trials, whose lines are thick


def write(found: Sweep) -> None:
    """Write the page into the sweep's folder: no script, no network, light and dark.

    Raises:
        UserError: the folder cannot be written.
    """
    sections = [*_sections(found)]
    record = found.record
    title = f"{record['recipe']}: {len(record['trials'])} trials"
    text = templates.render("sweep.html.jinja", title=title, record=record, sections=sections,
                            state=found.state)  # fmt: skip
    try:
        write_atomically(found.report, text + "\n")
    except OSError as error:
        raise UserError(f"{found.report} cannot be written: {error.strerror or error}") from None


def _sections(found: Sweep) -> Iterator[Section]:
    record = found.record
    lines = [f"{sentence(line)}." for line in sweep_report.comparison(found)]
    chosen = Section("chosen", "Which settings are best, and how good are they?", lines)
    chosen.notes = [*sweep_report.notes(found)]
    if not lines:
        reason = f": {record['error']}" if record.get("error") else ""
        chosen.answer = [f"No trial has been scored on test so far ({found.state}){reason}."]
    chosen.blocks += _settings(found)
    yield chosen
    keys = list(record["space"])
    trials = Section("trials", "Which trials were run?",
                     [f"{sentence(line)}." for line in sweep_report.facts(found)])  # fmt: skip
    trials.answer += _failures(record)
    trials.blocks += _parallel(found)
    trials.blocks += _cost(found)
    cells = [sweep_report.cells(one, keys) for one in sweep_report.rows(record)]
    trials.blocks.append(Table("All trials", sweep_report.head(record), cells,
                               "Scores are those of the checkpoint that each run kept; of trials "
                               "that were stopped early, the best until then."))  # fmt: skip
    yield trials
    yield _importance(found)
    again = f"toolkit run {found.best_recipe}"
    if len(best := ranked(record)[:2]) == 2:
        one, two = (found.folder_of(trial["number"]) for trial in best)
        again += f"\ntoolkit compare {one} {two} --split validation"
    yield Section("again", "How can it be repeated?", [], [
        Code("Run the best recipe; compare the best two trials", again),
        Code("What was searched", "\n".join(f"{k}: {v}" for k, v in record["space"].items())),
    ])  # fmt: skip


def _settings(found: Sweep) -> Iterator[Table]:
    trials = found.record["trials"]
    if found.chosen is None:
        return
    own: dict[str, Any] = next((one["values"] for one in trials if one["default"]), {})
    rows = [[key, written(value), written(own[key]) if key in own else ""]
            for key, value in trials[found.chosen]["values"].items()]  # fmt: skip
    run = os.path.relpath(found.folder_of(found.chosen), found.path)
    yield Table("Best settings", ["setting", "chosen", "recipe"], rows,
                f"Its run, with a report of its own, is in {run}; its recipe is best.yaml."
                )  # fmt: skip


def _failures(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield why trials have no score, a sentence each."""
    failed = [one for one in record["trials"] if one["state"] == "failed"]
    for one in failed[:FAILURES]:
        yield f"Trial {one['number']}: {sweep_report.outcome(one, record)}."
    if failed[FAILURES:]:
        yield f"{len(failed) - FAILURES} more trials have no score: see the table."


def _cost(found: Sweep) -> Iterator[Chart]:
    """Yield the scores over the seconds that trials took."""
    record, series = found.record, dict[str, list[charts.Point]]()
    for state, label in (("validated", "trained to the end"), ("pruned", "stopped early")):
        drawn = [(one["seconds"], one["score"]) for one in record["trials"]
                 if one["state"] == state and one["score"] is not None]  # fmt: skip
        if drawn:
            series[label] = drawn
    if not series:
        return
    best = next(iter(ranked(record)), None)
    mark = ("best", (best["seconds"], best["score"])) if best else None
    name = words(record["metric"])
    title = f"{name} on validation against cost"
    svg = charts.points(series, "seconds of the trial", name, mark, name=title, key="cost")
    yield Chart(sentence(title), svg)


def _parallel(found: Sweep) -> Iterator[Chart]:
    """Yield the settings of all trials with a score, a line each, to their scores at the right."""
    record = found.record
    listed = [one for one in record["trials"]
              if one["score"] is not None and one["state"] != "failed"]  # fmt: skip
    if len(listed) < 2:
        return
    known = spaces.read(record["space"], "space")
    axes, places = [], []
    for key, space in known.items():
        ticks, at = _axis(space)
        axes.append((_short(key), ticks))
        places.append([at(one["values"][key]) if key in one["values"] else None for one in listed])
    scores = [float(one["score"]) for one in listed]
    low, high = min(scores), max(scores)
    places.append([(score - low) / (high - low) if high > low else 0.5 for score in scores])
    axes.append((words(record["metric"]), {0.0: number(low), 1.0: number(high)}))
    order = [one["number"] for one in ranked(record)]
    upper = order[: max(2, math.ceil(len(listed) * UPPER))]
    looks = ["best" if one["number"] in order[:1] else "upper" if one["number"] in upper
             else "lower" for one in listed]  # fmt: skip
    drawn = list(zip(zip(*places, strict=True), looks, strict=True))
    svg = charts.parallel(axes, drawn, name="Settings and scores of all trials", key="parallel")
    yield Chart("Settings and scores, a line for each trial", svg,
                "Black with points: the best trial. Thick: the best third. Dashed: the others. "
                "Where a method lacks a setting, its line passes that axis.")  # fmt: skip


def _axis(space: spaces.Space) -> tuple[dict[float, str], Any]:
    """Return what stands where on an axis from 0 to 1, and a value's place on it."""
    if isinstance(space, Choice):
        last = max(len(space.options) - 1, 1)
        ticks = {place / last: written(one) for place, one in enumerate(space.options)}
        return ticks, lambda value: space.options.index(value) / last
    measure = math.log if space.log else float
    low, high = measure(space.low), measure(space.high)
    middle = space.rounded(math.exp((low + high) / 2) if space.log else (low + high) / 2)

    def place(value: float) -> float:
        return (measure(value) - low) / (high - low)

    ticks = {place(value): written(value) for value in (*space.edges, middle)}
    return ticks, place


def _importance(found: Sweep) -> Section:
    """Return the section on which settings move the score."""
    section = Section("importance", "Which settings matter?")
    scored = ranked(found.record)
    if len(scored) < FEW:
        section.answer = [f"With {len(scored)} trials that were trained to their end, nothing "
                          f"can be said of that: it takes {FEW}."]  # fmt: skip
        return section
    shares = importance(found.record, scored)
    if not shares:
        section.answer = ["All trials have the same score: no setting matters among these values."]
        return section
    first = max(shares, key=lambda key: shares[key])
    section.answer = [
        f"Most of the differences in score go with {words(_short(first))} "
        f"({100 * shares[first]:.0f}%), as a random forest of {len(scored)} trials has it. With "
        "few trials this is a hint, and settings that only one method has are not in it."
    ]
    rows = [[key, f"{100 * share:.0f}%"]
            for key, share in sorted(shares.items(), key=lambda item: -item[1])]  # fmt: skip
    section.blocks.append(Table("Importance of settings", ["setting", "share"], rows))
    return section


def importance(record: Mapping[str, Any], scored: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return setting -> its share in what a random forest explains of the scores.

    By permutation (Breiman 2001, "Random Forests"), of settings that all trials have.
    """
    import numpy as np
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    known = spaces.read(record["space"], "space")
    keys = [key for key in known if all(key in one["values"] for one in scored)]
    target = np.array([one["score"] for one in scored], float)
    if not keys or target.std() == 0:
        return {}
    columns = []
    for key in keys:
        space = known[key]
        own = [one["values"][key] for one in scored]
        if isinstance(space, Choice):
            columns.append([float(space.options.index(value)) for value in own])
        else:
            columns.append([math.log(value) if space.log else float(value) for value in own])
    inputs = np.array(columns).T
    forest = RandomForestRegressor(TREES, random_state=0).fit(inputs, target)
    moved = permutation_importance(forest, inputs, target, n_repeats=20, random_state=0)
    shares = np.maximum(moved.importances_mean, 0)
    total = shares.sum()
    return (
        {key: float(share / total) for key, share in zip(keys, shares, strict=True)}
        if total
        else {}
    )


def _short(key: str) -> str:
    return "method" if key == "method.name" else key.rpartition(".")[2]
