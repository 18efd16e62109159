"""A transaction without one of its columns, or without what is known of a card or terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from toolkit.plugin_types import Occlusion, Row, RowPart
from toolkit_plugins.tabular.fraud_detection import history

if TYPE_CHECKING:
    from toolkit_plugins.tabular.fraud_detection.processor import TransactionProcessor

WHEN = ("hour", "weekday")
FRAUDS = ("since_fraud", "streak", "since_streak", "frauds_", "risk_")


def occlusions(
    processor: TransactionProcessor, row: Row, windows: history.Windows
) -> Iterator[Occlusion]:
    """Yield a row with the usual value of training in the place of each part's own.

    A number's is the mean (which an empty cell stands for), a category's the most frequent one. The
    features of an entity say much the same, so that they are taken out together: its payments, and
    its earlier frauds.
    """
    schema, numeric = processor.schema, set(processor.numeric)
    groups = {f"{schema.time} (hour and weekday)": [f"{schema.time}_{name}" for name in WHEN]}
    for entity in schema.entities:
        names = history.feature_names(entity, windows, schema.label is not None)
        frauds = {n for n in names if n.removeprefix(f"{entity}_").startswith(FRAUDS)}
        groups[f"{entity} (payments)"] = [name for name in names if name not in frauds]
        groups[f"{entity} (earlier frauds)"] = [name for name in names if name in frauds]
    grouped = {name for names in groups.values() for name in names}
    for name in processor.numeric:
        if name not in grouped:
            column = str(schema.amount) if name == schema.money else name
            yield Occlusion(RowPart(column, value=row.get(column)), {name: None})
    for name, value in processor.frequent.items():
        yield Occlusion(RowPart(name, value=row.get(name)), {name: value})
    for title, names in groups.items():
        there = [name for name in names if name in numeric]
        if there:
            yield Occlusion(RowPart(title), dict.fromkeys(there))
