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
        for name, module in modules.items():
            given = taken(module, predictions) if name in foreign else predictions
            module.add_batch(predictions=given, references=references)
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
        given = taken(module, predictions)
        values.append(_one(module.compute(predictions=given, references=references)))
    low, high = interval(np.array(values))
    return {"low": low, "high": high}


def taken(module: evaluate.EvaluationModule, predictions: Sequence[Any]) -> Sequence[Any]:
    """Return predictions with the keys alone that a module's features name.

    `evaluate` refuses a dict with any further key, so that a module for `label` would be none for
    a scenario that predicts `label` and `score`.
    """
    features = getattr(module, "features", None)
    for option in features if isinstance(features, list) else [features or {}]:
        form = option.get("predictions")
        first = next(iter(predictions), None)
        if isinstance(form, Mapping) and isinstance(first, Mapping) and set(form) < set(first):
            return [{key: prediction[key] for key in form} for prediction in predictions]
    return predictions


def _one(result: Mapping[str, Any] | None) -> float:
    """Return the first number of a module's result."""
    for value in (result or {}).values():
        if isinstance(value, int | float | np.number):
            return float(value)
    raise ValueError(f"compute gave {result!r}: there is no number in it")
