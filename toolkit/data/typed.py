"""json, jsonl, parquet and arrow files, through the builders of `datasets`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

from toolkit.data.delimited import check_encoding, opened
from toolkit.data.files import format_of
from toolkit.errors import DataError, Fault

if TYPE_CHECKING:
    import datasets


def read(path: Path, encoding: str = "utf-8") -> datasets.Dataset:
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
    try:
        extra = {"encoding": encoding} if form == "json" else {}
        table = datasets.load_dataset(form, data_files=[str(path)], split="train", **extra)
    except Exception as error:  # the builders raise whatever their parsers raise
        cause = error.__cause__ or error
        line, what = (_json_fault(path, encoding) if form == "json" else None) or (
            "",
            str(cause).splitlines()[0] if str(cause) else type(cause).__name__,
        )
        raise DataError(Fault(f"{path}{line}", f"cannot be read as {form}: {what}")) from error
    if not len(table) or not table.column_names:
        raise DataError(Fault(str(path), "has no rows"))
    return cast("datasets.Dataset", table)


def _json_fault(path: Path, encoding: str) -> tuple[str, str] | None:
    """Find the first line that is no JSON object, or a value that differs in type from the rest."""
    kinds: dict[str, tuple[str, int]] = {}
    with opened(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode(encoding))
            except ValueError as error:
                return f":{number}", str(error)
            if not isinstance(row, dict):
                return f":{number}", f"a row is an object, not {type(row).__name__}"
            for key, value in row.items():
                kind = type(value).__name__
                first, where = kinds.setdefault(key, (kind, number))
                if kind != first and value is not None and first != "NoneType":
                    return (
                        f":{number}",
                        f"column {key!r} holds {kind} here and {first} in line {where}",
                    )
    return None
