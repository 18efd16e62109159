"""Runs set side by side on the same test rows: is one better, and how sure is that?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from toolkit.data import groups
from toolkit.errors import Fault, UserError
from toolkit.evaluation.bootstrap import Groups, unit_count
from toolkit.evaluation.differences import Difference, difference, direction
from toolkit.runs import changed_answers, fold_folder, seed_folder, sweeps
from toolkit.runs.changed_answers import Answers
from toolkit.runs.folder import Run, beside, predictions_file, read_groups, read_predictions
from toolkit.runs.settings import Setting, differing
from toolkit.utils.text import listing

SEED = 0  # of the draws, the same for all runs: that is what pairs them


@dataclass(frozen=True)
class Compared(Answers):
    """One run beside the reference: differences of metrics, of answers and of settings."""

    run: Run
    differences: dict[str, Difference]
    settings: list[Setting]


def compare(paths: Sequence[str | Path], split: str = "test") -> list[Compared]:
    """Compare runs with the first of them, on the rows of a split.

    Args:
        split: "test", or "validation", to choose a run without a look at the test rows.

    Raises:
        UserError: fewer than two, an unfinished one, or runs of other rows.
    """
    runs = [Run(path) for path in paths]
    if len(runs) < 2:
        raise UserError("comparing takes two runs or more")
    if faults := [Fault(str(run.path), why) for run in runs if (why := unusable(run, split))]:
        raise UserError(faults)
    reference = runs[0]
    require_same_rows(reference, runs[1:], split)
    draws, found = resampled_scores(reference, split), []
    units = drawn_units(reference, split)
    for run in runs[1:]:
        others = resampled_scores(run, split)
        shared = {
            name: difference(_values(split, name, reference, run),
                             (draws[name][0], others[name][0]), units, draws[name][1])
            for name in draws if name in others
        }  # fmt: skip
        answers = changed_answers.between(reference, run, split)
        settings = differing(reference, run)
        found.append(Compared(**vars(answers), run=run, differences=shared, settings=settings))
    return found


def unusable(run: Run, split: str) -> str | None:
    """Return why a run cannot be compared with any other; None where it can."""
    trial = run.status == "validated" and split == "validation"
    if run.status != "finished" and not trial:
        what = "a trial, scored on validation alone (--split validation)"
        return f"is {what if run.status == 'validated' else f'{run.state}, not finished'}"
    if split not in run.metrics:
        return f"has no {split} split"
    if not predictions_file(run.path, split).is_file():
        return (f"keeps no predictions of {split}: it is of an older version, or they were "
                "removed; `toolkit rerun` makes a run that has them")  # fmt: skip
    return None


def require_same_rows(reference: Run, runs: Sequence[Run], split: str = "test") -> None:
    """Raise UserError for the runs that were not scored on the same rows as the reference."""
    if faults := [Fault(str(run.path), f"cannot be compared with {reference.path}: {why}")
                  for run in runs if (why := incomparable(reference, run, split))]:  # fmt: skip
        raise UserError(faults)


def _values(split: str, name: str, *runs: Run) -> Any:
    return tuple(run.metrics[split][name]["value"] for run in runs)


def incomparable(first: Run, other: Run, split: str = "test") -> str | None:
    """Return why two runs were not scored on the same rows of a split; None where they were."""
    one, two = first.record, other.record
    if one["scenario"] != two["scenario"]:
        return f"it is of {two['scenario']}, the other of {one['scenario']}"
    counts = one["data"]["rows"][split], two["data"]["rows"][split]
    if counts[0] != counts[1]:
        return f"it has {counts[1]:,} {split} rows, the other {counts[0]:,}"
    digests = tuple(record["data"].get(f"{split}_digest") for record in (one, two))
    # Without inputs that can be digested, all rows and the way of splitting have to be the same.
    if None in digests:
        digests = one["data"]["fingerprint"], two["data"]["fingerprint"]
    if digests[0] != digests[1]:
        return f"its {split} rows are others"
    if read_groups(first, split) != read_groups(other, split):
        columns = [(data.get("group") or {}).get("column") for data in (one["data"], two["data"])]
        if columns[0] == columns[1]:
            return f"its {split} rows have other groups in {columns[0]!r}"
        theirs, its = (name or "none" for name in columns)
        return f"it draws groups of {its}, the other of {theirs} (report.cluster)"
    pairs = zip_longest(changed_answers.rows(first, split), changed_answers.rows(other, split))
    for place, (a, b) in enumerate(pairs):
        if not a or not b or a[1] != b[1]:
            return f"row {place:,} of {split} has another label there"
    if not set(one["metrics"][split]) & set(two["metrics"][split]):
        names = listing(two["metrics"][split])
        return f"its metrics are {names}, none of those of the other"
    return None


def resampled_scores(run: Run, split: str = "test") -> dict[str, tuple[list[float], bool | None]]:
    """Return metric -> the values of its resamples, and whether more is better."""
    from toolkit.evaluation import run_metrics, scoring
    from toolkit.runs.predictor import plugin_of

    modules = {name: module for name, module in run_metrics.modules(plugin_of(run.path)).items()
               if name in run.metrics[split]}  # fmt: skip
    more = {name: direction(module) for name, module in modules.items()}
    rows = read_predictions(predictions_file(run.path, split))
    values = scoring.draws(modules, rows, SEED, _groups(run, split))
    return {name: (values.get(name, []), more[name]) for name in modules}


def drawn_units(run: Run, split: str = "test") -> int:
    """Return how many rows of a split, or groups of them, are drawn in resamples."""
    return unit_count(run.record["data"]["rows"][split], _groups(run, split))


def _groups(run: Run, split: str) -> Groups | None:
    return groups.of_columns(read_groups(run, split))


def find_runs(names: Sequence[str]) -> list[Path]:
    """Return the folders of runs; a folder of several runs stands for its newest finished one.

    Those of several seeds stand for themselves.

    Raises:
        UserError: there is no such folder, or no finished run in it.
    """
    found, faults = [], []
    for name in names:
        path = Path(name)
        if not path.is_dir():
            faults.append(Fault(name, f"is not there.{beside(path)}"))
        elif (path / "run.json").is_file() or (path / seed_folder.FILE).is_file():
            found.append(path)
        elif (path / fold_folder.FILE).is_file():
            what = "holds the folds of one recipe: compare two of them, fold by fold"
            faults.append(Fault(name, f"{what} (toolkit compare A/fold-1 B/fold-1)"))
        elif (path / sweeps.FILE).is_file():
            found.append(sweeps.run_of_sweep(path))
        elif done := [file.parent for file in sorted(path.glob("*/run.json"))
                      if Run(file.parent).status == "finished"]:  # fmt: skip
            found.append(done[-1])
        else:
            faults.append(Fault(name, "holds no finished run"))
    if faults:
        raise UserError(faults)
    return found
