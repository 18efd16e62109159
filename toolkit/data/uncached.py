"""Rows that pass through once, on their way to a prediction."""

from __future__ import annotations

from typing import Any

import datasets
import pyarrow as pa
from datasets.fingerprint import generate_random_fingerprint


class UncachedDataset(datasets.Dataset):  # type: ignore[misc]  # untyped there
    """Rows whose `map` is not named by a hash of what it does.

    The hash, which lets `datasets` find a result in its cache, goes through all that a function
    holds (a tokenizer with its vocabulary: most of a second). What is predicted once is cached
    nowhere.
    """

    @classmethod
    def made_of(cls, table: pa.Table) -> UncachedDataset:
        """Return the rows of a table."""
        return cls(datasets.table.InMemoryTable(table), fingerprint=generate_random_fingerprint())

    @classmethod
    def of(cls, rows: datasets.Dataset) -> UncachedDataset:
        """Return the same rows, without a copy."""
        if isinstance(rows, cls):
            return rows
        name = generate_random_fingerprint()
        found = cls(rows.data, info=rows.info, indices_table=rows._indices, fingerprint=name)
        return found.with_format(**rows.format) if rows.format["type"] else found

    def map(self, *args: Any, **settings: Any) -> datasets.Dataset:
        """Do as `Dataset.map` does."""
        return super().map(*args, **{"new_fingerprint": generate_random_fingerprint(), **settings})
