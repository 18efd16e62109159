"""A table of transactions with the history of each: columns added to its rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit_plugins.tabular.frame import finite_of, to_frame
from toolkit_plugins.tabular.fraud_detection import history
from toolkit_plugins.tabular.fraud_detection.history import DAY, Windows
from toolkit_plugins.tabular.fraud_detection.schema import AMOUNT, frauds_of
from toolkit_plugins.tabular.money import values_of
from toolkit_plugins.tabular.times import milliseconds_of

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.tabular.fraud_detection.schema import Schema

Array = np.ndarray[Any, Any]
TIME = "time_ms"  # the time of a row in milliseconds
SECONDS = "time_seconds"  # the same, for splits, where the table's own times do not sort as texts
# The time of the last fraud of its card that was known when the row's day began, or -1.
KNOWN = "card_fraud_ms"


def names(schema: Schema, windows: Windows) -> list[str]:
    """Return the names of the numbers that history adds."""
    if schema.time is None:
        return []
    return [
        f"{schema.time}_hour",
        f"{schema.time}_weekday",
        *history.all_names(schema.entities, windows, schema.label is not None),
    ]


def with_history(rows: datasets.Dataset, schema: Schema, windows: Windows) -> datasets.Dataset:
    """Return the rows with the columns of their history; those that they bring are kept.

    Amounts that are texts come as numbers, too, and times that begin with days or months in
    seconds, by which splits can be made.

    Raises:
        DataError: times, amounts or labels that cannot be used.
    """
    import datasets
    import pyarrow as pa

    there = set(rows.column_names)
    if set(_wanted(schema, windows)) <= there:
        return rows
    columns = {
        name: pa.array(values)
        for name, values in _columns(rows, schema, windows)
        if name not in there
    }
    made = datasets.Dataset(pa.table(columns))
    return datasets.concatenate_datasets([rows, made], axis=1)


def _wanted(schema: Schema, windows: Windows) -> list[str]:
    history = [] if schema.time is None else [*names(schema, windows), TIME, KNOWN]
    seconds = [SECONDS] if schema.day_first is not None else []
    return [*([AMOUNT] if schema.decimal else []), *seconds, *history]


def _columns(
    rows: datasets.Dataset, schema: Schema, windows: Windows
) -> Iterator[tuple[str, Array]]:
    import polars as pl

    there = rows.column_names
    needed = [schema.time, schema.amount, *schema.entities]
    label = schema.label if schema.label in there else None
    chosen = [name for name in (*needed, label) if name is not None]
    frame = to_frame(rows, chosen)
    if schema.amount and schema.decimal:
        texts = frame[schema.amount].cast(pl.String)
        frame = frame.with_columns(values_of(texts, schema.decimal))
        yield AMOUNT, frame[schema.amount].to_numpy()
    if schema.time is None:
        return
    times = milliseconds_of(frame[str(schema.time)], schema.day_first)
    if schema.day_first is not None:
        yield SECONDS, times / 1000
    yield TIME, times
    yield f"{schema.time}_hour", ((times % DAY) / (DAY / 24)).astype(np.float32)
    # 1970-01-01 was a Thursday.
    yield f"{schema.time}_weekday", ((times // DAY + 3) % 7).astype(np.float32)
    amounts = finite_of(frame[schema.amount]) if schema.amount else np.zeros(len(times), np.float64)
    frauds = None
    if schema.label is not None:
        frauds = np.zeros(len(times), np.int8)
        if label is not None:
            frauds = frauds_of(frame[label], schema)
    codes = {name: history.codes_of(frame[name]) for name in schema.entities}
    del frame
    yield from history.features(times, amounts, frauds, codes, windows)
    known = np.full(len(times), -1, np.int64)
    if schema.entities and frauds is not None:
        card = codes[schema.entities[0]]
        past = history.Past(times, card, windows)
        known[past.order] = past.last_fraud(times, frauds)
        known[card < 0] = -1
    yield KNOWN, known
