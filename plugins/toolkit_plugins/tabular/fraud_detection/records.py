"""Predictions of transactions and their actual values, as metrics take them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from toolkit_plugins.tabular import batches
from toolkit_plugins.tabular.fraud_detection import features
from toolkit_plugins.tabular.fraud_detection.history import DAY
from toolkit_plugins.tabular.fraud_detection.schema import as_label

if TYPE_CHECKING:
    from toolkit.plugin_types import Prediction, Row
    from toolkit_plugins.tabular.fraud_detection.schema import Schema


def predictions(
    scores: Iterable[float], threshold: float, labels: tuple[str, str]
) -> list[Prediction]:
    """Return label, probability of fraud, and whether it raises an alert, for each score.

    Args:
        labels: legitimate and fraud.
    """
    negative, positive = labels
    return [
        {
            "label": positive if p >= threshold else negative,
            "score": p,
            "alarm": p >= threshold,
            "scores": {negative: 1 - p, positive: p},
        }
        for p in scores
    ]


def references(rows: Sequence[Row], schema: Schema, known_from: int | None) -> list[dict[str, Any]]:
    """Return label, day, card and amount of each row, and whether it is scored.

    Args:
        known_from: cards with a fraud known since then (milliseconds) are not scored; None: all.
    """
    label = str(schema.label)
    return [
        {
            "label": as_label(row[label]),
            "fraud": int(as_label(row[label]) == schema.labels[1]),
            "day": row[features.TIME] // DAY if schema.time else 0,
            "card": batches.number_of(row[schema.entities[0]] if schema.entities else place),
            "amount": row[schema.money] if schema.money else 1.0,
            "scored": known_from is None or row[features.KNOWN] < known_from,
        }
        for place, row in enumerate(rows)
    ]
