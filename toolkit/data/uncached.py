"""Rows that are processed once, on their way to a prediction."""

from __future__ import annotations

from typing import Any

import datasets
import pyarrow as pa
from datasets.fingerprint import generate_random_fingerprint


class UncachedDataset(datasets.Dataset):  # type: ignore[misc]  # untyped there
    """A Dataset whose `map` computes no fingerprint of its function.

    The fingerprint, by which `datasets` finds a result in its cache, hashes all that a function
    refers to (a tokenizer with its vocabulary takes most of a second). Predictions are not cached.
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
        return super().map(*args, **{"new_fingerprint": generate_random_fingerprint(), **settings})
