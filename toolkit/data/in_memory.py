"""Rows given as Python objects, written as parquet into the cache of `datasets`.

So a recipe names them like any other file: ranks, the check of the saved model, `--resume` and
`rerun` read them again. Equal rows are one file, named by its contents.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import pyarrow as pa

#: What `data.source` of a recipe takes.
Source = str | list[str] | dict[str, str | list[str]]
TAKEN = ("a path, a pandas or polars DataFrame, a Dataset or DatasetDict, a list of dicts, or a "
         "mapping of train, validation and test to these")  # fmt: skip
SHOWN = 3  # types of a column's values


def source_of(data: Any, where: str = "data") -> Source:
    """Return the source that a recipe names, for what a caller gives as data.

    Args:
        data: a path or several, rows, or a mapping of splits to these; see `TAKEN`.
        where: the name of the argument, for messages.

    Raises:
        DataError: it is of another type, has no rows, or values of a column that differ in type.
    """
    if isinstance(data, str | os.PathLike):
        return str(data)
    if isinstance(data, Mapping):
        return {str(name): _one(rows, f"{where}[{name!r}]") for name, rows in data.items()}
    return _one(data, where)


def _one(data: Any, where: str) -> str | list[str]:
    if isinstance(data, str | os.PathLike):
        return str(data)
    if _are_paths(data):
        return [str(path) for path in data]
    from toolkit.data.caches import writing_cache

    with writing_cache():
        return str(_written(table_of(data, where)))


def _are_paths(data: Any) -> bool:
    return (
        isinstance(data, list | tuple)
        and bool(data)
        and all(isinstance(item, str | os.PathLike) for item in data)
    )


def table_of(data: Any, where: str = "data") -> pa.Table:
    """Return rows as an arrow table.

    Raises:
        DataError: as of `source_of`.
    """
    import pyarrow as pa

    kind = type(data)
    library = kind.__module__.partition(".")[0]
    if isinstance(data, pa.Table):
        found = data
    elif library == "polars" and kind.__name__ == "DataFrame":
        found = data.to_arrow()
    elif library == "pandas" and kind.__name__ == "DataFrame":
        found = _of_pandas(data, where)
    elif library == "datasets" and kind.__name__ == "Dataset":
        found = _of_dataset(data)
    elif isinstance(data, Sequence) and all(isinstance(row, Mapping) for row in data):
        found = _of_rows(data, where)
    else:
        hint = ": take its rows into a Dataset first" if "Iterable" in kind.__name__ else ""
        hint = ": call .collect() first" if kind.__name__ == "LazyFrame" else hint
        raise DataError(Fault(where, f"takes {TAKEN}, not {kind.__name__}{hint}"))
    if not found.num_rows:
        raise DataError(Fault(where, "has no rows"))
    return found


def _of_pandas(data: Any, where: str) -> pa.Table:
    import pyarrow as pa

    odd = [name for name in data.columns if not isinstance(name, str)]
    if odd:
        what = f"has columns that are not named by texts: {listing(map(repr, odd), 5)}"
        raise DataError(Fault(where, what))
    try:
        return pa.Table.from_pandas(data, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise _mixed({name: data[name].tolist() for name in data.columns}, where, error) from None


def _of_dataset(data: Any) -> pa.Table:
    """Return the rows of a Dataset with its features, the contents of files among them."""
    from datasets.table import embed_table_storage

    plain = data.with_format("arrow")
    return embed_table_storage(plain[:]).replace_schema_metadata(
        data.features.arrow_schema.metadata
    )


def _of_rows(data: Sequence[Mapping[str, Any]], where: str) -> pa.Table:
    import datasets
    import pyarrow as pa

    names = dict.fromkeys(name for row in data for name in row)
    values = {str(name): [row.get(name) for row in data] for name in names}
    try:
        return pa.table(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        try:  # slower, but takes Pillow images and the like
            return _of_dataset(datasets.Dataset.from_dict(values))
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, ValueError) as error:
            raise _mixed(values, where, error) from None


def _mixed(columns: Mapping[str, Iterable[Any]], where: str, error: Exception) -> DataError:
    """Return the fault of the columns whose values differ in type."""
    import pyarrow as pa

    faults = []
    for name, values in columns.items():
        cells = list(values)
        try:
            pa.array(cells, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            types = dict[str, int]()  # -> the first row of that type
            for row, cell in enumerate(cells):
                if cell is not None and cell == cell:
                    types.setdefault(type(cell).__name__, row)
            first = listing((f"{kind} (row {row + 1})" for kind, row in types.items()), SHOWN)
            faults.append(Fault(f"{where} {name}", f"holds values of several types: {first}"))
    return DataError(faults or [Fault(where, str(error).partition("\n")[0])])


def _written(table: pa.Table) -> Path:
    """Write a table into the cache, under the hash of its file; return the path."""
    import tempfile

    import datasets
    import pyarrow.parquet as pq
    import xxhash

    folder = Path(datasets.config.HF_DATASETS_CACHE) / "toolkit-rows"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as made:
        partial = Path(made) / "rows.parquet"
        pq.write_table(table, partial)
        digest = xxhash.xxh3_128()
        with partial.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        target = folder / f"{digest.hexdigest()}.parquet"
        if not target.exists():
            partial.replace(target)
    return target
