"""A recipe run with several seeds: how much its scores vary by seed, and by test rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.errors import UserError
from toolkit.evaluation.seed_variance import spread
from toolkit.recipe.draft import Draft
from toolkit.recipe.schema import Recipe
from toolkit.reporting import seed_report
from toolkit.runner.several import Variation
from toolkit.runs.compare import drawn_units, incomparable, resampled_scores
from toolkit.runs.folder import Run
from toolkit.runs.seed_folder import SeedRuns
from toolkit.utils.jsonable import finite

MOST = 2**32 - 1


class Seeds(Variation[SeedRuns]):
    """A recipe's seed and the ones that follow, on the same splits.

    There may be more of them when they are resumed.
    """

    kind = SeedRuns
    report = seed_report
    alone = "--seed"
    fewest = "a spread takes two seeds or more"

    def numbers(self, recipe: Recipe, count: int) -> list[int]:
        """Return the seeds."""
        seeds = [recipe.seed + number for number in range(count)]
        if seeds[-1] > MOST:
            raise UserError(f"--seeds {count}: seeds from {recipe.seed} on go beyond {MOST}")
        return seeds

    def fixed(self, draft: Draft, recipe: Recipe, count: int) -> Draft:
        """Fix the splits, which stay the same whatever the seed."""
        if recipe.data.split.seed is not None:
            return draft
        return draft.changed([(("data", "split", "seed"), recipe.seed)])

    def changed(self, draft: Draft, number: int) -> Draft:
        """Set the seed."""
        return draft.changed([(("seed",), number)])

    def why_apart(self, first: Run, other: Run) -> str | None:
        """Return why they were not scored on the same rows."""
        return incomparable(first, other)

    def summary(self, runs: Sequence[Run]) -> dict[str, Any]:
        """Return the mean of each score, its interval, and what its variance is due to."""
        drawn, units = [resampled_scores(run) for run in runs], drawn_units(runs[0])
        scores = [run.metrics["test"] for run in runs]
        baselines = [run.record["baselines"] for run in runs]
        headline = runs[0].record["headline"]
        metrics = {}
        for name in scores[0]:
            values = [one[name]["value"] for one in scores]
            # What has no interval in a run has none over runs: its resamples do not show its error.
            known = all(one[name].get("low") is not None for one in scores)
            draws = [one[name][0] for one in drawn] if known else []
            found = spread(np.array(values, float).tolist(), draws, units)
            metrics[name] = {"values": values, **finite(vars(found)), "shares": found.shares,
                             "share_ranges": finite(found.share_ranges)}  # fmt: skip
        return {
            "headline": headline["metric"] if headline else None,
            "rows": runs[0].record["data"]["rows"]["test"],
            "finished": [run.record["seed"] for run in runs],
            "metrics": metrics,
            "baselines": {
                baseline: {name: _mean([one[baseline][name]["value"] for one in baselines])
                        for name in baselines[0][baseline]}
                for baseline in baselines[0] if all(baseline in one for one in baselines)
            },
        }  # fmt: skip


def _mean(values: Sequence[float | None]) -> Any:
    return finite(float(np.mean(np.array(values, float))))  # unknown where one is
