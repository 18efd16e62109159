"""What the model takes: columns of arrays, texts, masks, batches, and the loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import DataError, Fault, ModelError
from toolkit.utils.text import listing
from toolkit_plugins.tabular.batches import as_text

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.tabular.fraud_detection.processor import TransactionProcessor
    from toolkit_plugins.tabular.fraud_detection.schema import Schema

Array = np.ndarray[Any, Any]


def require(rows: datasets.Dataset, schema: Schema) -> None:
    """Raise a DataError that names every column that new rows lack."""
    wanted = [schema.time, schema.amount, *schema.entities, *schema.numeric, *schema.categorical]
    lacking = [n for n in wanted if n is not None and n not in rows.column_names]
    if lacking:
        what = f"lack {listing(lacking)}; columns found: {listing(rows.column_names, 40)}"
        raise DataError(Fault("rows", what))


def example(processor: TransactionProcessor) -> dict[str, Any]:
    """Return a row: numbers from the middle, and kinds that training has seen."""
    schema, usual = processor.schema, dict(zip(processor.numeric, processor.usual(), strict=True))
    found: dict[str, Any] = {}
    if schema.time is not None:
        found[schema.time] = "2026-01-31 12:00:00"
    if schema.amount is not None:
        found[schema.amount] = usual.get(schema.amount, 10.0)
    found |= dict.fromkeys(schema.entities, "1")
    found |= {name: usual.get(name, 0.0) for name in schema.numeric}
    for name in schema.categorical:
        values = processor.vocabularies.get(name)
        found[name] = values[0] if values else ""
    return found


def continued(
    before: TransactionProcessor, now: TransactionProcessor, folder: Path
) -> TransactionProcessor:
    """Return a checkpoint's processor for the labels of now.

    Raises:
        ModelError: it was made for other columns.
    """
    if before.numeric != now.numeric or list(before.vocabularies) != list(now.vocabularies):
        there = {*before.numeric, *before.vocabularies}
        here = {*now.numeric, *now.vocabularies}
        raise ModelError(
            f"{folder} was trained on other fields: it has {listing(sorted(there - here)) or '-'} "
            f"more, and lacks {listing(sorted(here - there)) or '-'}"
        )
    return replace(before, schema=now.schema, label_delay=now.label_delay)


def tokens(processor: TransactionProcessor, rows: datasets.Dataset, longest: int) -> dict[str, Any]:
    """Return token ids of rows written as text, and their number."""
    from toolkit_plugins.tabular.frame import to_frame

    names = [*processor.numeric, *processor.vocabularies]
    frame = to_frame(rows, names)
    texts = [as_text(row) for row in frame.iter_rows(named=True)]
    limit = min(longest, processor.tokenizer.model_max_length)
    found = dict(processor.tokenizer(texts, truncation=True, max_length=limit))
    found["length"] = [len(ids) for ids in found["input_ids"]]
    return found
