"""Chosen rows of a large table written one after the other, so that reading them is fast."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import pyarrow as pa

from toolkit.data.caches import drop_torn, kept
from toolkit.data.columns import tables

if TYPE_CHECKING:
    import datasets

MANY = 100_000  # rows from which a copy saves more than it costs


def written(split: datasets.Dataset) -> datasets.Dataset:
    """Return the same rows: of many that were chosen from a file a copy in the cache, mapped.

    `datasets` reads chosen rows by their numbers, one by one, each time that they are read.

    Raises:
        CacheError: the cache cannot be written.
    """
    import datasets

    if split._indices is None or len(split) < MANY or not split.cache_files:
        return split

    def write(target: Path) -> None:
        parts = tables(split, split.column_names)
        first = next(parts)
        with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_stream(sink, first.schema) as out:
            out.write_table(first)
            for part in parts:
                out.write_table(part)

    folder = Path(datasets.config.HF_DATASETS_CACHE) / "toolkit-splits"
    drop_torn(folder)  # what `map` has made of the rows lies beside them
    path, _ = kept(folder, split._fingerprint, ".arrow", write)
    found = datasets.Dataset.from_file(str(path), info=split.info.copy(), split=split.split)
    return cast("datasets.Dataset", found)
