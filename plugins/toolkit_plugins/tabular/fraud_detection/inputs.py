"""From rows of a table to what the model takes: fitted processors, features, texts, labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import DataError, Fault, ModelError
from toolkit.models import truncation
from toolkit.utils.text import listing, nearest
from toolkit_plugins.tabular.batches import as_text
from toolkit_plugins.tabular.frame import finite_of, numbers_of, to_frame
from toolkit_plugins.tabular.fraud_detection.processor import TransactionProcessor

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.tabular.fraud_detection.options import FraudOptions
    from toolkit_plugins.tabular.fraud_detection.schema import Schema

Array = np.ndarray[Any, Any]


def require(rows: datasets.Dataset, schema: Schema) -> None:
    """Raise a DataError that names every column that new rows lack."""
    roles = {
        "time": [schema.time], "amount": [schema.amount], "entities": schema.entities,
        "numeric": schema.numeric, "categorical": schema.categorical,
    }  # fmt: skip
    there, faults = rows.column_names, list[Fault]()
    for role, names in roles.items():
        for name in names:
            if name is not None and name not in there:
                what = f"there is no column {name!r}, which the model reads as options.{role}."
                found = f" Columns found: {listing(there, 40)}." * (not faults)  # once for all
                faults.append(Fault("rows", f"{what}{nearest(name, there)}{found}"))
    if faults:
        raise DataError(faults)


def example(processor: TransactionProcessor) -> dict[str, Any]:
    """Return a row: middle numbers, and categories that training has seen."""
    schema, usual = processor.schema, dict(zip(processor.numeric, processor.usual(), strict=True))
    found: dict[str, Any] = {}
    if schema.time is not None:
        found[schema.time] = "2026-01-31 12:00:00"
    if schema.amount is not None:
        amount = usual.get(str(schema.money), 10.0)
        written = f"{amount:.2f}".replace(".", schema.decimal or ".")
        found[schema.amount] = written if schema.decimal else amount
    found |= dict.fromkeys(schema.entities, "1")
    found |= {name: usual.get(name, 0.0) for name in schema.numeric}
    for name in schema.categorical:
        values = processor.vocabularies.get(name)
        found[name] = values[0] if values else ""
    if schema.label is not None and schema.time is not None and schema.entities:
        found[schema.label] = None  # of earlier rows, where it is known
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


def tokens(
    processor: TransactionProcessor, rows: datasets.Dataset, limit: int
) -> tuple[dict[str, Any], int]:
    """Return token ids of rows written as text and their number, and how many rows are cut."""
    names = [*processor.numeric, *processor.vocabularies]
    frame = to_frame(rows, names)
    texts = [as_text(row) for row in frame.iter_rows(named=True)]
    found = dict(processor.tokenizer(texts, truncation=True, max_length=limit))
    found["length"] = [len(ids) for ids in found["input_ids"]]
    cut = truncation.count_cut(
        processor.tokenizer, found["length"], limit, lambda rows: ([texts[n] for n in rows], None)
    )
    return found, cut


def features(processor: TransactionProcessor, rows: datasets.Dataset) -> tuple[Array, Array]:
    """Return numbers (float32) and ids of categorical values (int64), each (rows, columns)."""
    frame = to_frame(rows, [*processor.numeric, *processor.vocabularies])
    numbers = processor.numbers({n: numbers_of(frame[n]) for n in processor.numeric})
    ids = processor.kinds({n: frame[n].to_list() for n in processor.vocabularies})
    return numbers, ids.reshape(len(numbers), -1)


def fitted(
    rows: datasets.Dataset, schema: Schema, history: list[str], options: FraudOptions
) -> TransactionProcessor:
    """Return the processor of training rows.

    Args:
        history: names of the numbers that the history adds.

    Raises:
        DataError: the model would have nothing to read.
    """
    names = [*([schema.money] if schema.money else []), *schema.numeric, *history]
    if not (names or schema.categorical):
        raise DataError(Fault("options", "no column is left for the model to read"))
    frame = to_frame(rows, [*names, *schema.categorical])
    return TransactionProcessor.fit(
        schema,
        {name: numbers_of(frame[name]) for name in names},
        {name: frame[name].to_list() for name in schema.categorical},
        options.bins,
        windows=list(options.windows),
        label_delay=options.label_delay,
    )


def amounts(rows: datasets.Dataset, schema: Schema) -> Array:
    """Return the amount of each row; 1 where the table has none."""
    name = schema.money
    return finite_of(to_frame(rows, [name])[name]) if name else np.ones(len(rows))


def labelled(truth: Array, share: float, seed: int) -> Array:
    """Return the numbers of a share of the rows of each class, drawn by the seed, rising."""
    rng = np.random.default_rng(seed)
    parts = []
    for value in (0, 1):
        own = rng.permutation(np.flatnonzero(truth == value))
        parts.append(own[: int(np.ceil(share * len(own)))])
    return np.sort(np.concatenate(parts))


def class_ids(truth: Array, used: Array | None) -> Array:
    """Return labels for the loss, int64; -100 (ignored) for rows that are not among those used."""
    if used is None:
        return truth.astype(np.int64)
    found = np.full(len(truth), -100, np.int64)
    found[used] = truth[used]
    return found


def class_weights(truth: Array, fraud_weight: float | str) -> tuple[float, float]:
    """Return the weights of legitimate and fraud; their mean over the rows is 1."""
    share = float(truth.mean())
    weight = (1 - share) / share if fraud_weight == "balanced" else float(fraud_weight)
    mean = 1 - share + share * weight
    return 1 / mean, weight / mean
