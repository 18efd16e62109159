"""The metrics by name, and the curves of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import Fault, UserError
from toolkit.plugin_types import Curve
from toolkit.utils.text import nearest
from toolkit_plugins.tabular.fraud_detection import features, inputs, metrics
from toolkit_plugins.tabular.fraud_detection.threshold import CURVE, cheapest

if TYPE_CHECKING:
    from toolkit.plugin_types import Prediction
    from toolkit_plugins.tabular.fraud_detection.options import FraudOptions
    from toolkit_plugins.tabular.fraud_detection.schema import Schema

Array = np.ndarray[Any, Any]


def modules(options: FraudOptions, schema: Schema, wanted: list[str]) -> Mapping[str, Any]:
    """Return metric modules by name: those wanted, or all that fit the table.

    Raises:
        UserError: an unknown name.
    """
    if options.task == "pretrain":
        makers: dict[str, Any] = {"masked_field_loss": metrics.MaskedFieldLoss}
    else:
        makers = _detecting(options, schema)
    if "expected_cost" in wanted and "expected_cost" not in makers and options.task == "detect":
        raise UserError(Fault("report.metrics", "expected_cost weighs amounts: set options.amount"))
    unknown = [name for name in wanted if name not in makers]
    if unknown:
        name = unknown[0]
        raise UserError(
            f"there is no metric {name!r} here.{nearest(name, makers)} Metrics: {', '.join(makers)}"
        )
    return {name: makers[name]() for name in wanted or makers}


def _detecting(options: FraudOptions, schema: Schema) -> dict[str, Any]:
    labels = list(schema.labels)
    found: dict[str, Any] = {
        "average_precision": lambda: metrics.FraudAveragePrecision(labels=labels),
        "roc_auc": lambda: metrics.FraudRocAuc(labels=labels),
    }
    for rate in options.false_positive_rates:
        found[f"recall_at_fpr_{rate:g}"] = lambda rate=rate: metrics.RecallAtFalsePositiveRate(rate)
    if schema.time is not None and schema.entities:
        found[f"card_precision_{options.cards}"] = lambda: metrics.CardPrecision(options.cards)
    if schema.money is not None:
        costs = options.cost_alarm, options.cost_missed
        found["expected_cost"] = lambda: metrics.ExpectedCost(*costs)
    return found


def figures(
    predictions: Iterable[Prediction],
    rows: Any,
    truth: Array,
    known_from: int | None,
    schema: Schema,
    options: FraudOptions,
    threshold: float,
) -> Mapping[str, Curve]:
    """Return the curves of the rows that are scored: see `records.references` for `known_from`."""
    scores = np.array([prediction["score"] for prediction in predictions])
    kept = np.ones(len(rows), bool)
    if known_from is not None:
        kept = np.asarray(rows.with_format("numpy")[features.KNOWN][:]) < known_from
    amounts = inputs.amounts(rows, schema)[kept] if schema.money else None
    return curves(scores[kept], truth[kept], amounts, options, threshold)


def curves(
    scores: Array, truth: Array, amounts: Array | None, options: FraudOptions, threshold: float
) -> Mapping[str, Curve]:
    """Return the precision-recall curve and, with amounts, cost; the chosen threshold marked."""
    alerts = scores >= threshold
    caught, frauds = float(truth[alerts].sum()), max(float(truth.sum()), 1.0)
    at = (caught / frauds, caught / max(float(alerts.sum()), 1.0))
    found = {
        "precision_recall": Curve(
            "Precision-recall curve", "recall", "precision",
            {"model": _precision_recall(scores, truth)}, {"current threshold": at},
        )
    }  # fmt: skip
    if amounts is not None:
        found["cost"] = _costs(scores, truth, amounts, options, threshold)
    return found


def _costs(
    scores: Array, truth: Array, amounts: Array, options: FraudOptions, threshold: float
) -> Curve:
    _, bounds, costs = cheapest(scores, truth, amounts, options.cost_alarm, options.cost_missed)
    cost = float(costs[np.abs(bounds - threshold).argmin()])
    rising = np.argsort(bounds)
    places = np.searchsorted(bounds[rising], np.linspace(0, 1, CURVE))
    places = rising[np.unique(places.clip(max=len(rising) - 1))]
    line = [(float(bounds[place]), float(costs[place])) for place in places]
    return Curve(
        "Cost by threshold", "threshold", "mean cost per transaction",
        {"model": line}, {"current threshold": (threshold, cost)},
    )  # fmt: skip


def _precision_recall(scores: Array, truth: Array) -> list[tuple[float, float]]:
    """Return points (recall, precision) at falling thresholds, at even steps of recall."""
    from sklearn.metrics import precision_recall_curve

    if not truth.any():
        return [(0.0, 0.0)]
    precision, recall, _ = precision_recall_curve(truth, scores)
    precision, recall = precision[-2::-1], recall[-2::-1]  # without its end at recall 0
    # Most rows stand where recall hardly changes.
    steps = np.unique(np.searchsorted(recall, np.linspace(0, 1, CURVE)))
    return [(float(recall[place]), float(precision[place])) for place in steps]
