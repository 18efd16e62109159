"""Runs set side by side on the same test rows: is one better, and how sure is that?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from toolkit.data import groups
from toolkit.errors import Fault, UserError
from toolkit.evaluation.bootstrap import interval, two_sided
from toolkit.runs import changed_answers, seed_folder
from toolkit.runs.changed_answers import Answers
from toolkit.runs.folder import Run, beside, read_groups, read_predictions
from toolkit.utils.text import listing

SEED = 0  # of the draws, the same for all runs: that is what pairs them


@dataclass(frozen=True)
class Difference:
    """A metric of a run less that of the baseline, on the same rows.

    low, high: 95% interval of the paired bootstrap. p: how often a difference as large would come
    about if there were none, two-sided; None where there are no draws. greater_is_better: of the
    metric.
    """

    reference: float
    value: float
    low: float | None
    high: float | None
    p: float | None
    greater_is_better: bool

    @property
    def better(self) -> bool | None:
        """Whether the run is better than the baseline; None where the rows do not say."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return None
        return (self.value > self.reference) == self.greater_is_better


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
    draws = resampled_scores(baseline)
    found = []
    for run in runs[1:]:
        others = resampled_scores(run)
        shared = {name: _difference([one.metrics["test"][name]["value"] for one in (baseline, run)],
                                    draws[name], others[name][0])
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
        return f"its data.group is {columns[1] or 'not set'}, the other's {columns[0] or 'not set'}"
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
    units = read_groups(run)
    of = None if units is None else groups.codes(units)
    values = scoring.draws(modules, read_predictions(run.path / "predictions.jsonl"), SEED, of)
    return {name: (values.get(name, []), more[name]) for name in modules}


def _difference(
    values: Sequence[float | None], first: tuple[list[float], bool], second: list[float]
) -> Difference:
    """Return the difference of a metric between two runs, by its values and resamples."""
    reference, value = (math.nan if found is None else float(found) for found in values)
    low = high = p = None
    if first[0] and len(first[0]) == len(second):
        apart = [b - a for a, b in zip(first[0], second, strict=True)]
        low, high = interval(apart)
        p = two_sided(apart)
    return Difference(reference, value, low, high, p, first[1])


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
