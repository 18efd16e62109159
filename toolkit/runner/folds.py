"""A recipe run over the folds of its rows: cross-validation, where each row is tested once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from toolkit.data import groups
from toolkit.errors import Fault, RecipeError
from toolkit.evaluation import run_metrics
from toolkit.evaluation.baselines import verdicts
from toolkit.evaluation.bootstrap import Groups, unit_count
from toolkit.evaluation.differences import FEWER_ROWS
from toolkit.evaluation.scoring import Draws, Pairs, Scores, score_and_draws
from toolkit.recipe.draft import Draft
from toolkit.recipe.schema import Recipe
from toolkit.reporting import fold_report
from toolkit.runner.several import Variation
from toolkit.runs.fold_folder import FoldRuns
from toolkit.runs.folder import (
    Run,
    baseline_folder,
    predictions_file,
    read_groups,
    read_predictions,
)
from toolkit.runs.predictor import plugin_of
from toolkit.utils.jsonable import finite


class Folds(Variation[FoldRuns]):
    """All folds of a recipe's rows, from the first on; seed and everything else stay the same."""

    kind = FoldRuns
    report = fold_report
    alone = "--set data.split.fold=..."
    fewest = "cross-validation takes two folds or more"

    def numbers(self, recipe: Recipe, count: int) -> list[int]:
        """Return the folds; RecipeError where the recipe asks for another number of them."""
        asked = recipe.data.split.folds
        if asked not in (None, count):
            what = f"is {asked}, and --folds {count}: leave one of them out"
            raise RecipeError(Fault("data.split.folds", what))
        return list(range(1, count + 1))

    def fixed(self, draft: Draft, recipe: Recipe, count: int) -> Draft:
        """Fix the seed of the splits, and the number of folds."""
        seed = recipe.seed if recipe.data.split.seed is None else recipe.data.split.seed
        split = ("data", "split")
        return draft.changed([((*split, "seed"), seed), ((*split, "folds"), count),
                              ((*split, "fold"), 1)])  # fmt: skip

    def changed(self, draft: Draft, number: int) -> Draft:
        """Choose the fold."""
        return draft.changed([(("data", "split", "fold"), number)])

    def why_apart(self, first: Run, other: Run) -> str | None:
        """Return why they are no folds of the same rows."""
        counts = [sum(run.record["data"]["rows"].values()) for run in (first, other)]
        if counts[0] != counts[1]:
            return f"it has {counts[1]:,} rows in all splits, the other {counts[0]:,}"
        return None

    def summary(self, runs: Sequence[Run]) -> dict[str, Any]:
        """Return the scores over the test rows of all folds, and the baselines on the same rows."""
        most = max(runs, key=lambda run: len(_classes(run)))  # a rare class may miss in a fold
        plugin, seed = plugin_of(most.path), int(most.record["seed"])
        of = _groups(runs)

        def scored(pairs: Pairs) -> tuple[Scores, Draws]:
            return score_and_draws(run_metrics.modules(plugin), pairs, seed, of)

        scores, draws = scored(_pairs(runs))
        rows = sum(run.record["data"]["rows"]["test"] for run in runs)
        baselines: dict[str, Scores] = {}
        found: dict[str, dict[str, Any]] = {}
        for name in _whole_baselines(runs):
            baselines[name], others = scored(_pairs(runs, name))
            found[name] = verdicts(
                run_metrics.modules(plugin), (scores, draws), (baselines[name], others),
                unit_count(rows, of), FEWER_ROWS if _fitted_on_fewer(runs, name) else "",
            )  # fmt: skip
        headline = runs[0].record["headline"]
        summed: dict[str, Any] = finite({
            "headline": headline["metric"] if headline else None,
            "rows": rows,
            "finished": [int(run.path.name.rpartition("-")[2]) for run in runs],
            "metrics": {name: {**score, "values": [_value(run, name) for run in runs]}
                        for name, score in scores.items()},
            "baselines": baselines,
            "verdicts": found,
        })  # fmt: skip
        return summed


def _classes(run: Run) -> Any:
    return (run.record.get("card") or {}).get("classes") or {}


def _value(run: Run, name: str) -> float | None:
    value: float | None = run.metrics["test"].get(name, {}).get("value")
    return value


def _pairs(runs: Sequence[Run], baseline: str = "") -> Iterator[tuple[list[Any], list[Any]]]:
    """Yield predictions and references of the test rows of all runs, run by run."""
    for run in runs:
        file = predictions_file(baseline_folder(run.path, baseline) if baseline else run.path)
        yield from read_predictions(file)


def _groups(runs: Sequence[Run]) -> Groups | None:
    """Return the groups of all test rows, by the columns that name groups in each run."""
    found = [read_groups(run) for run in runs]
    shared = [column for column in found[0] if all(column in columns for columns in found)]
    return groups.of_columns(
        {column: [name for columns in found for name in columns[column]] for column in shared}
    )


def _whole_baselines(runs: Sequence[Run]) -> list[str]:
    """Return the baselines that have predicted every test row of each run."""

    def whole(run: Run, name: str) -> bool:
        used = run.record.get("baseline_rows", {}).get(name, {}).get("test")
        there = predictions_file(baseline_folder(run.path, name)).is_file()
        return there and used == run.record["data"]["rows"]["test"]

    names = runs[0].record["baselines"]
    return [name for name in names if all(whole(run, name) for run in runs)]


def _fitted_on_fewer(runs: Sequence[Run], baseline: str) -> bool:
    told = [run.record.get("verdicts", {}).get(baseline, {}).values() for run in runs]
    return any(one["verdict"] == FEWER_ROWS for found in told for one in found)
