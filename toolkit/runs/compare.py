"""Runs set side by side on the same test rows: is one better, and how sure is that?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from toolkit.data import groups
from toolkit.errors import Fault, UserError
from toolkit.evaluation.bootstrap import Groups, unit_count
from toolkit.evaluation.differences import Difference, difference
from toolkit.runs import changed_answers, seed_folder
from toolkit.runs.changed_answers import Answers
from toolkit.runs.folder import Run, beside, read_groups, read_predictions
from toolkit.utils.text import listing

SEED = 0  # of the draws, the same for all runs: that is what pairs them


@dataclass(frozen=True)
class Compared(Answers):
    """One run beside the baseline: differences of metrics, and of answers."""

    run: Run
    differences: dict[str, Difference]


def compare(paths: Sequence[str | Path]) -> list[Compared]:
    """Compare runs with the first of them.

    Raises:
        UserError: fewer than two, an unfinished one, or runs of other test rows.
    """
    runs = [Run(path) for path in paths]
    if len(runs) < 2:
        raise UserError("comparing takes two runs or more")
    if faults := [Fault(str(run.path), f"is {run.status}, not finished")
                  for run in runs if run.status != "finished"]:  # fmt: skip
        raise UserError(faults)
    baseline = runs[0]
    if faults := [Fault(str(run.path), f"cannot be compared with {baseline.path}: {why}")
                  for run in runs[1:] if (why := incomparable(baseline, run))]:  # fmt: skip
        raise UserError(faults)
    draws, found = resampled_scores(baseline), []
    units = drawn_units(baseline)
    for run in runs[1:]:
        others = resampled_scores(run)
        shared = {name: _difference(baseline, run, name, draws[name], others[name][0], units)
                  for name in draws if name in others}  # fmt: skip
        answers = changed_answers.between(baseline, run)
        found.append(Compared(**vars(answers), run=run, differences=shared))
    return found


def incomparable(first: Run, other: Run) -> str | None:
    """Return why two runs were not scored on the same rows; None where they were."""
    one, two = first.record, other.record
    if one["scenario"] != two["scenario"]:
        return f"it is of {two['scenario']}, the other of {one['scenario']}"
    counts = one["data"]["rows"]["test"], two["data"]["rows"]["test"]
    if counts[0] != counts[1]:
        return f"it has {counts[1]:,} test rows, the other {counts[0]:,}"
    digests = one["data"].get("test_digest"), two["data"].get("test_digest")
    # Without inputs that can be digested, all rows and the way of splitting have to be the same.
    if None in digests:
        digests = one["data"]["fingerprint"], two["data"]["fingerprint"]
    if digests[0] != digests[1]:
        return "its test rows are others"
    if read_groups(first) != read_groups(other):
        columns = [(data.get("group") or {}).get("column") for data in (one["data"], two["data"])]
        if columns[0] == columns[1]:
            return f"its test rows have other groups in {columns[0]!r}"
        theirs, its = (name or "none" for name in columns)
        return f"it draws groups of {its}, the other of {theirs} (report.cluster)"
    pairs = zip_longest(changed_answers.rows(first), changed_answers.rows(other))
    for place, (a, b) in enumerate(pairs):
        if not a or not b or a[1] != b[1]:
            return f"row {place:,} of test has another label there"
    if not set(one["metrics"]["test"]) & set(two["metrics"]["test"]):
        names = listing(two["metrics"]["test"])
        return f"its metrics are {names}, none of those of the other"
    return None


def resampled_scores(run: Run) -> dict[str, tuple[list[float], bool]]:
    """Return metric -> the values of its resamples, and whether more is better."""
    from toolkit.evaluation import run_metrics, scoring
    from toolkit.runs.predictor import plugin_of

    modules = {name: module for name, module in run_metrics.modules(plugin_of(run.path)).items()
               if name in run.metrics["test"]}  # fmt: skip
    more = {name: bool(getattr(module, "greater_is_better", True))
            for name, module in modules.items()}  # fmt: skip
    file = run.path / "predictions.jsonl"
    values = scoring.draws(modules, read_predictions(file), SEED, _groups(run))
    return {name: (values.get(name, []), more[name]) for name in modules}


def drawn_units(run: Run) -> int:
    """Return how many test rows, or groups of them, are drawn in resamples."""
    return unit_count(run.record["data"]["rows"]["test"], _groups(run))


def _groups(run: Run) -> Groups | None:
    return groups.of_columns(read_groups(run))


def _difference(
    one: Run, two: Run, name: str, first: tuple[list[float], bool], second: list[float], units: int
) -> Difference:
    values = one.metrics["test"][name]["value"], two.metrics["test"][name]["value"]
    return difference(values, (first[0], second), units, first[1])


def find_runs(names: Sequence[str]) -> list[Path]:
    """Return the folders of runs; a folder of several runs stands for its newest finished one.

    Raises:
        UserError: there is no such folder, or no finished run in it.
    """
    found, faults = [], []
    for name in names:
        path = Path(name)
        if not path.is_dir():
            faults.append(Fault(name, f"is not there.{beside(path)}"))
        elif (path / "run.json").is_file():
            found.append(path)
        elif (path / seed_folder.FILE).is_file():
            what = f"holds runs of several seeds: name one of them ({path}/seed-...)"
            faults.append(Fault(name, what))
        elif done := [file.parent for file in sorted(path.glob("*/run.json"))
                      if Run(file.parent).status == "finished"]:  # fmt: skip
            found.append(done[-1])
        else:
            faults.append(Fault(name, "holds no finished run"))
    if faults:
        raise UserError(faults)
    return found
