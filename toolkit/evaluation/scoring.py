"""Metric modules fed with decoded predictions in a stream: values with their intervals."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluation import metrics
from toolkit.evaluation.bootstrap import Groups, interval, unit_count, weights

if TYPE_CHECKING:
    import evaluate

#: metric -> value; with a seed also low, high, or the reason why there is `no_interval`.
Scores = dict[str, dict[str, Any]]
#: metric -> its value in each resample of the rows.
Draws = dict[str, list[float]]
Pairs = Iterable[tuple[Sequence[Any], Sequence[Any]]]
FOREIGN_RESAMPLES = 200


def score(
    modules: Mapping[str, evaluate.EvaluationModule],
    pairs: Pairs,
    seed: int | None = None,
    groups: Groups | None = None,
) -> Scores:
    """Return metric -> value (and low, high) over batches of (predictions, references).

    Args:
        modules: `evaluate` modules; those of the toolkit bring their own interval.
        seed: of the bootstrap; None leaves intervals out. Equal seeds resample equal rows, so
            that intervals of different models on the same rows are paired.
        groups: where groups of rows are resampled: see `bootstrap.weights`.
    """
    return score_and_draws(modules, pairs, seed, groups)[0]


def score_and_draws(
    modules: Mapping[str, evaluate.EvaluationModule],
    pairs: Pairs,
    seed: int | None,
    groups: Groups | None = None,
) -> tuple[Scores, Draws]:
    """Return what `score` and `draws` do, at the cost of one."""
    computed = _computed(modules, pairs, seed, groups)
    kept = {name: list(found.pop("draws", [])) for name, found in computed.items()}
    return {name: {key: float(value) if isinstance(value, int | float | np.number) else value
                   for key, value in found.items()}
            for name, found in computed.items()}, kept  # fmt: skip


def draws(
    modules: Mapping[str, evaluate.EvaluationModule],
    pairs: Pairs,
    seed: int,
    groups: Groups | None = None,
) -> Draws:
    """Return metric -> its value in each resample of the rows; none where there are no rows.

    Resample for resample the same rows are drawn, whatever the metric and the model. `groups`: as
    for `score`.
    """
    batches = iter(pairs)
    first = next(batches, None)
    if first is None:
        return {}
    return score_and_draws(modules, itertools.chain([first], batches), seed, groups)[1]


def _computed(
    modules: Mapping[str, evaluate.EvaluationModule],
    pairs: Pairs,
    seed: int | None,
    groups: Groups | None,
) -> dict[str, dict[str, Any]]:
    """Return what each module computes: value and, with a seed, low, high and draws."""
    foreign = {name: _remembered(module) for name, module in modules.items()
               if not isinstance(module, metrics.RowMetric)}  # fmt: skip
    for predictions, references in pairs:
        for name, module in modules.items():
            given = taken(module, predictions) if name in foreign else predictions
            module.add_batch(predictions=given, references=references)
    resampled = {"resamples": None, "seed": seed, "groups": groups, "draws": True}
    computed: dict[str, dict[str, Any]] = {}
    for name, module in modules.items():
        if name not in foreign:
            found = module.compute(**({} if seed is None else resampled))
            computed[name] = {"value" if k == module.name else k: v for k, v in found.items()}
            continue
        computed[name] = {"value": _first_number(module.compute())}
        if seed is not None:
            values = _foreign_draws(module, foreign[name], seed, groups)
            rows = len(foreign[name]["references"])
            found = interval(computed[name]["value"], values, unit_count(rows, groups), None, rows)
            computed[name] |= {"low": found.low, "high": found.high, "draws": values}
            computed[name] |= {"no_interval": found.reason} if found.reason else {}
    return computed


def _remembered(module: evaluate.EvaluationModule) -> dict[str, Any]:
    """Return a dict that `compute` will fill with the inputs of a module's `_compute`."""
    inputs: dict[str, Any] = {}
    usual = module._compute

    def remembering(**given: Any) -> Any:
        if not inputs:  # the rows as they are, and not what is drawn of them later
            inputs.update(given)
        return usual(**given)

    module._compute = remembering
    return inputs


def _foreign_draws(
    module: evaluate.EvaluationModule, inputs: Mapping[str, Any], seed: int, groups: Groups | None
) -> list[float]:
    """Resample the rows and compute again: slow, and right for any module."""
    from datasets.utils.py_utils import temp_seed

    values = []
    for counts in weights(len(inputs["references"]), FOREIGN_RESAMPLES, seed, groups):
        places = np.repeat(np.arange(len(counts)), counts)
        drawn = {name: _drawn(column, places) for name, column in inputs.items()}
        with temp_seed(module.seed):  # as `compute` does, for those that draw
            values.append(_first_number(module._compute(**drawn)))
    return values


def _drawn(column: Any, places: Any) -> Any:
    """Return some rows of a column as `evaluate` gives it: a list, or of the module's format."""
    if isinstance(column, list):
        return [column[place] for place in places.tolist()]
    return column.take(places) if hasattr(column, "to_pylist") else column[places]


def by_row(
    module: evaluate.EvaluationModule, predictions: Sequence[Any], references: Sequence[Any]
) -> np.ndarray[Any, Any] | None:
    """Return the score of each row alone, shape (rows,); None if that is undefined.

    The cost grows with the square of the rows: it is for some hundreds of them.
    """
    if isinstance(module, metrics.RowMetric):
        module.add_batch(predictions=predictions, references=references)
        return np.array((module.compute(by_row=True) or {}).get("by_row", []))
    inputs = _remembered(module)
    module.add_batch(predictions=taken(module, predictions), references=references)
    module.compute()
    values = []
    for place in range(len(references)):
        alone = {name: _drawn(column, np.array([place])) for name, column in inputs.items()}
        try:
            values.append(_first_number(module._compute(**alone)))
        except Exception:  # many a stranger's metric has no value for one row
            return None
    return np.array(values)


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


def _first_number(result: Mapping[str, Any] | None) -> float:
    for value in (result or {}).values():
        if isinstance(value, int | float | np.number):
            return float(value)
    raise ValueError(f"compute gave {result!r}: it has no number")
