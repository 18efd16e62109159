"""Recipes set side by side over their seeds: do their mean scores differ?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import Fault, UserError
from toolkit.evaluation.differences import Difference
from toolkit.evaluation.seed_variance import mean_difference
from toolkit.runs import seed_folder
from toolkit.runs.compare import (
    Compared,
    compare,
    drawn_units,
    find_runs,
    require_same_rows,
    resampled_scores,
    unusable,
)
from toolkit.runs.folder import Run
from toolkit.runs.seed_folder import SeedRuns
from toolkit.runs.settings import Setting, differing


@dataclass(frozen=True)
class SeedsCompared:
    """Runs of several seeds beside those of the reference: differences of mean scores."""

    runs: SeedRuns
    differences: dict[str, Difference]
    settings: list[Setting]


def compare_seeds(paths: Sequence[str | Path], split: str = "test") -> list[SeedsCompared]:
    """Compare the runs of several seeds in folders with those in the first, on the same rows.

    Raises:
        UserError: fewer than two folders, fewer than two finished runs in one, or other rows.
    """
    found = [SeedRuns(path) for path in paths]
    if len(found) < 2:
        raise UserError("comparing takes two folders or more")
    runs = [seeds.runs for seeds in found]
    faults = [Fault(str(seeds.path), f"holds {len(own)} finished runs: a mean takes two or more")
              for seeds, own in zip(found, runs, strict=True) if len(own) < 2]  # fmt: skip
    faults += [Fault(str(run.path), why) for own in runs for run in own
               if (why := unusable(run, split))]  # fmt: skip
    if faults:
        raise UserError(faults)
    first, *others = runs
    require_same_rows(first[0], [run for own in runs for run in own][1:], split)
    drawn = [[resampled_scores(run, split) for run in own] for own in runs]
    units, compared = drawn_units(first[0], split), []
    for seeds, own, draws in zip(found[1:], others, drawn[1:], strict=True):
        shared = {
            name: mean_difference(
                ([run.metrics[split][name]["value"] for run in first],
                 [run.metrics[split][name]["value"] for run in own]),
                ([one[name][0] for one in drawn[0]], [one[name][0] for one in draws]),
                units, more,
            )
            for name, (_, more) in drawn[0][0].items() if name in draws[0]
        }  # fmt: skip
        compared.append(SeedsCompared(seeds, shared, differing(found[0], seeds)))
    return compared


def compare_named(
    names: Sequence[str], split: str = "test"
) -> tuple[Run | SeedRuns, Sequence[Compared | SeedsCompared]]:
    """Return the first of the named folders, and the others compared with it.

    Raises:
        UserError: as `find_runs`, `compare` and `compare_seeds` do; or some folders hold one run,
            others several seeds.
    """
    folders = find_runs(names)
    several = [(folder / seed_folder.FILE).is_file() for folder in folders]
    if all(several):
        return SeedRuns(folders[0]), compare_seeds(folders, split)
    if any(several):
        what = "holds runs of several seeds, other folders one run: name one of them (seed-...)"
        of_seeds = [folder for folder, is_one in zip(folders, several, strict=True) if is_one]
        raise UserError([Fault(str(folder), what) for folder in of_seeds])
    return Run(folders[0]), compare(folders, split)
