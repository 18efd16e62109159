"""What makes two transactions the same: a number per row, compared between splits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xxhash

from toolkit.plugin_types.columns import LIKENESS, SAME
from toolkit_plugins.tabular.frame import to_frame
from toolkit_plugins.tabular.fraud_detection.features import TIME

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.tabular.fraud_detection.schema import Schema

BATCH = 100_000  # rows that are texts at a time


def with_keys(rows: datasets.Dataset, schema: Schema) -> datasets.Dataset:
    """Return rows with a hash of all that the table says of each, with the time and without it.

    The label is no part of it, nor is what is computed from other rows. Without the time a payment
    may be there again by chance (the same card, terminal and amount on another day).
    """
    import datasets
    import pyarrow as pa

    fields = [schema.money, *schema.entities, *schema.numeric, *schema.categorical]
    names = [name for name in dict.fromkeys(fields) if name is not None]
    alike = _hashes(rows, names)
    same = _hashes(rows, [*names, TIME]) if schema.time is not None else alike
    made = datasets.Dataset(pa.table({SAME: same, LIKENESS: alike}))
    return datasets.concatenate_datasets([rows, made], axis=1)


def _hashes(
    rows: datasets.Dataset, names: list[str]
) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    import polars as pl

    # A column of whole numbers is one of floats where a table has grown by an empty cell.
    cells = [pl.col(name).cast(pl.String).str.strip_suffix(".0").fill_null("") for name in names]
    found = np.zeros(len(rows), np.uint64)
    for start in range(0, len(rows) if names else 0, BATCH):
        part = rows.select(range(start, min(start + BATCH, len(rows))))
        texts = to_frame(part, names).select(pl.concat_str(cells, separator="\x1f"))
        found[start : start + len(part)] = [
            xxhash.xxh3_64_intdigest(text.encode()) for text in texts.to_series()
        ]
    return found
