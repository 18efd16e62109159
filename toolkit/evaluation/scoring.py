"""Metric modules fed with decoded predictions in a stream: values with their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluation.bootstrap import interval, weights

if TYPE_CHECKING:
    import evaluate

Scores = dict[str, dict[str, float]]
Pairs = Iterable[tuple[Sequence[Any], Sequence[Any]]]
FOREIGN_RESAMPLES = 200


def score(
    modules: Mapping[str, evaluate.EvaluationModule], pairs: Pairs, seed: int | None = None
) -> Scores:
    """Return metric -> value (and low, high) over batches of (predictions, references).

    Args:
        modules: `evaluate` modules; those of the toolkit bring their own interval.
        seed: of the bootstrap; None leaves intervals out. Equal seeds resample equal rows, so
            that intervals of different models on the same rows are paired.
    """
    from toolkit.evaluation.metric import RowMetric

    foreign = {name: m for name, m in modules.items() if not isinstance(m, RowMetric)}
    kept: list[tuple[Any, Any]] = []
    for predictions, references in pairs:
        for module in modules.values():
            module.add_batch(predictions=predictions, references=references)
        if foreign and seed is not None:
            kept += zip(predictions, references, strict=True)
    scores: Scores = {}
    for name, module in modules.items():
        if name in foreign:
            value = _one(module.compute())
            scores[name] = {"value": value}
            if seed is not None:
                scores[name] |= _foreign_interval(module, kept, seed)
        else:
            found = module.compute(resamples=0 if seed is None else None, seed=seed or 0)
            scores[name] = {"value" if k == module.name else k: float(v) for k, v in found.items()}
    return scores


def _foreign_interval(
    module: evaluate.EvaluationModule, kept: Sequence[tuple[Any, Any]], seed: int
) -> dict[str, float]:
    """Resample the rows and compute again: slow, and right for any module."""
    values = []
    for counts in weights(len(kept), FOREIGN_RESAMPLES, seed):
        drawn = [kept[place] for place in np.repeat(np.arange(len(kept)), counts).tolist()]
        predictions, references = zip(*drawn, strict=True)
        values.append(_one(module.compute(predictions=predictions, references=references)))
    low, high = interval(np.array(values))
    return {"low": low, "high": high}


def _one(result: Mapping[str, Any]) -> float:
    """Return the first number of a module's result."""
    return next(float(v) for v in result.values() if isinstance(v, int | float | np.number))
