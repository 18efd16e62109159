"""json, jsonl, parquet and arrow files, through the builders of `datasets`."""

from __future__ import annotations

import glob
import shutil
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from toolkit.data.caches import load_dataset
from toolkit.data.columns import tables
from toolkit.data.json_files import (
    as_written,
    check_rows,
    fault_in,
    lists_as_objects,
    load_json,
    refuse_whole_table,
)
from toolkit.data.sources import format_of
from toolkit.data.text_files import check_encoding, convert_once, opened
from toolkit.errors import CacheError, DataError, Fault

if TYPE_CHECKING:
    import datasets

SHOWN = 5


def read_typed(path: Path, encoding: str = "utf-8") -> datasets.Dataset:
    """Return a file as a memory-mapped Dataset.

    Raises:
        DataError: the file is empty, or not what its suffix says (for json with the line).
    """
    import datasets

    if path.stat().st_size == 0:
        raise DataError(Fault(str(path), "is empty"))
    form = cast(str, format_of(path))
    if form == "json":
        check_encoding(path, encoding)
        cache = Path(datasets.config.HF_DATASETS_CACHE) / "toolkit-json"
        made = lists_as_objects(path, encoding, cache)
        if made != path:
            return _under_name(made, encoding, str(path))
        check_rows(path, encoding)
    plain = path
    if form != "json" and path.suffix.lower() == ".gz":  # those are read from any position
        cache = Path(datasets.config.HF_DATASETS_CACHE) / "toolkit-unpacked"
        plain = convert_once(path, cache, f".{form}", None, partial(_unpack, path))
    if form == "parquet" and _no_rows(plain):
        raise DataError(Fault(str(path), "has no rows"))
    # `datasets` takes a path for a pattern: brackets and stars must stand for themselves.
    load = partial(load_dataset, form, data_files=[glob.escape(str(plain))], split="train")
    try:
        table = load_json(load, path, encoding) if form == "json" else load()
    except CacheError:
        raise
    except Exception as error:  # the builders raise whatever their parsers raise
        raise DataError(_builder_fault(path, form, encoding, error)) from error
    if form == "json":
        table = as_written(table, path, encoding)
    else:
        _check_texts(table, path)
    if not len(table) or not table.column_names:
        raise DataError(Fault(str(path), "has no rows"))
    if len(table) == 1 and path.name.lower().removesuffix(".gz").endswith(".json"):
        refuse_whole_table(path, table[0])
    return cast("datasets.Dataset", table)


def _under_name(made: Path, encoding: str, name: str) -> datasets.Dataset:
    """Return what was made of a file; faults are those of the file of that name."""
    try:
        return read_typed(made, encoding)
    except DataError as error:
        raise DataError([Fault(name, fault.what) for fault in error.faults]) from None


def _check_texts(table: datasets.Dataset, path: Path) -> None:
    """Raise DataError for texts in parquet or Arrow that are no UTF-8: not every writer checks."""
    names = [field.name for field in table.features.arrow_schema
             if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]  # fmt: skip
    faults, start = list[Fault](), 0
    for batch in tables(table, names) if names else ():
        for name in names:
            try:
                batch[name].validate(full=True)
            except pa.ArrowInvalid:
                cells = batch[name].cast(pa.binary())
                row = start + next(n for n, cell in enumerate(cells) if not _is_utf8(cell))
                what = f"{name} holds bytes that are no UTF-8"
                faults.append(Fault(f"{path} row {row + 1}", what))
        start += len(batch)
    if faults:
        raise DataError(faults[:SHOWN])


def _is_utf8(cell: Any) -> bool:
    try:
        return cell.as_py() is None or bool(cell.as_py().decode() or True)
    except UnicodeDecodeError:
        return False


def _builder_fault(path: Path, form: str, encoding: str, error: Exception) -> Fault:
    cause = error.__cause__ or error
    if "corresponds to no data" in str(cause):  # rows without a single key
        return Fault(str(path), "has no keys in any row" if form == "json" else "has no rows")
    found = fault_in(path, encoding) if form == "json" else None
    line, what = found or ("", str(cause).partition("\n")[0] or type(cause).__name__)
    return Fault(f"{path}{line}", f"cannot be read as {form}: {what}")


def _no_rows(path: Path) -> bool:
    """Return whether a parquet file is valid but empty, which its builder reports as a fault."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows) == 0
    except (pa.ArrowException, OSError):
        return False


def _unpack(path: Path, target: Path) -> None:
    try:
        with opened(path) as packed, target.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(Fault(str(path), f"cannot be read: {error}")) from None
