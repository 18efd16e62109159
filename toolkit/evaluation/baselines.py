"""Baselines that a fine-tuned model must beat, scored by the same metrics.

All baselines of a run share a time budget. Where it is too short for the whole split, fewer rows
are used, and their number is reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.plugin_types import BaselineData

if TYPE_CHECKING:
    import datasets
    import evaluate

    from toolkit.evaluation.scoring import Scores
    from toolkit.plugin import Plugin

FIRST = 512  # rows of the first fit, whose time gives an estimate for more
CAUTION = 0.6  # costs grow a little faster than rows


def fit_within(fit: Callable[[int], Any], rows: int, seconds: float) -> tuple[Any, int]:
    """Fit on all rows, or on as many as the time allows, estimated from smaller fits.

    Returns the last result of `fit`, and the number of rows it was given.
    """
    count, end = min(rows, FIRST), time.monotonic() + seconds
    start = time.monotonic()
    model = fit(count)
    spent = time.monotonic() - start
    per_row = spent / count
    while count < rows:
        left = CAUTION * (end - time.monotonic())
        affordable = count + int((left - spent) / max(per_row, 1e-9))
        if left < spent or affordable < 2 * count:
            break
        # At most eight times as many: few rows predict the cost of very many poorly.
        before = count, spent
        count = min(rows, affordable, 8 * count)
        start = time.monotonic()
        model = fit(count)
        spent = time.monotonic() - start
        # Without the fixed cost of a fit.
        per_row = max(spent - before[1], 0.0) / (count - before[0])
    return model, count


def score_baselines(
    plugin: Plugin[Any],
    prepared: Mapping[str, datasets.Dataset],
    modules: Callable[[], Mapping[str, evaluate.EvaluationModule]],
    seconds: float,
    seed: int,
) -> tuple[dict[str, Scores], dict[str, dict[str, int]]]:
    """Run the plugin's baselines within a budget; return their scores, and the rows they used."""
    from toolkit.evaluation.scoring import score

    if plugin.data is None:
        return {}, {}
    raw, rng = plugin.data, np.random.default_rng(seed)
    orders = [rng.permutation(len(raw[split])) for split in ("train", "test")]
    data = BaselineData(raw["train"], prepared["train"], raw["test"], prepared["test"], *orders)
    baselines = list(plugin.baselines())
    scores: dict[str, Scores] = {}
    used: dict[str, dict[str, int]] = {}
    end = time.monotonic() + seconds
    for left, baseline in zip(range(len(baselines), 0, -1), baselines, strict=True):
        found = baseline.run(data, max(end - time.monotonic(), 0.0) / left)
        references = plugin.references(raw["test"].select(found.test_rows).to_list())
        scores[baseline.name] = score(modules(), [(found.predictions, references)], seed)
        used[baseline.name] = {"train": found.train_rows, "test": len(found.test_rows)}
    return scores, used
