"""Rows with their predictions as jsonl, csv or parquet, by a file's suffix."""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from toolkit.errors import UserError
from toolkit.utils import jsonable
from toolkit.utils.text import listing, nearest

COLUMN = "prediction"


class Writer(ABC):
    """Takes tables of rows, and one prediction for each row; to be closed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def add(self, rows: pa.Table, predictions: Sequence[Any]) -> None:
        """Write some rows behind those before."""

    @abstractmethod
    def close(self) -> None:
        """Finish the file."""


class JsonLines(Writer):
    """The input's columns, and `prediction` as it is."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.file = path.open("w", encoding="utf-8", errors="replace")

    def add(self, rows: pa.Table, predictions: Sequence[Any]) -> None:
        for row, prediction in zip(rows.to_pylist(), predictions, strict=True):
            self.file.write(jsonable.line({**row, COLUMN: prediction}) + "\n")

    def close(self) -> None:
        self.file.close()


class Csv(Writer):
    """The input's columns, and `prediction.label` and so on; what is nested stands as JSON."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.file = path.open("w", encoding="utf-8", errors="replace", newline="")
        self.table: csv.DictWriter[str] | None = None

    def add(self, rows: pa.Table, predictions: Sequence[Any]) -> None:
        for row, prediction in zip(rows.to_pylist(), predictions, strict=True):
            cells = {**{name: flat(value) for name, value in row.items()}, **columns(prediction)}
            if self.table is None:
                self.table = csv.DictWriter(self.file, list(cells), restval="")
                self.table.writeheader()
            self.table.writerow(cells)

    def close(self) -> None:
        self.file.close()


class Parquet(Writer):
    """The input's columns in their types, and those of `Csv`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.file: pq.ParquetWriter | None = None
        self.kinds: dict[str, pa.DataType] = {}

    def add(self, rows: pa.Table, predictions: Sequence[Any]) -> None:
        cells = [columns(prediction) for prediction in predictions]
        names = self.kinds or dict.fromkeys(name for row in cells for name in row)
        for name in names:
            values = [row.get(name) for row in cells]
            if name not in self.kinds:
                self.kinds[name] = _kind(values)
            rows = rows.append_column(name, pa.array(values, self.kinds[name]))
        if self.file is None:
            self.file = pq.ParquetWriter(self.path, rows.schema)
        self.file.write_table(rows)

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


WRITERS: dict[str, type[Writer]] = {".jsonl": JsonLines, ".csv": Csv, ".parquet": Parquet}


def writer_of(path: Path) -> type[Writer]:
    """Return what writes a file of this name.

    Raises:
        UserError: a suffix that nothing writes.
    """
    found = WRITERS.get(path.suffix.lower())
    if found is None:
        hint = nearest(path.suffix.lower(), WRITERS)
        raise UserError(f"{path} cannot be written: take {listing(WRITERS)} as its suffix.{hint}")
    return found


def columns(prediction: Any) -> dict[str, Any]:
    """Return a prediction as flat columns: `prediction.label`, `prediction.score`, ..."""
    if not isinstance(prediction, Mapping):
        return {COLUMN: flat(prediction)}
    return {f"{COLUMN}.{key}": flat(value) for key, value in prediction.items()}


def flat(value: Any) -> Any:
    """Return a value as one cell: lists and tables as JSON."""
    if isinstance(value, Mapping | list | tuple):
        return jsonable.line(value)
    return value


def without_bytes(rows: pa.Table) -> pa.Table:
    """Return rows in which files are paths: what is in them is not written out again."""
    for place, field in enumerate(rows.schema):
        kind = field.type
        if pa.types.is_struct(kind) and {"bytes", "path"} <= {part.name for part in kind}:
            rows = rows.set_column(place, field.name, pc.struct_field(rows[field.name], "path"))
    return rows


def _kind(values: Sequence[Any]) -> pa.DataType:
    """Return the type of a column by its first values; a text where there is none."""
    known = {type(value) for value in values if value is not None}
    if known == {bool}:
        return pa.bool_()
    if known == {int}:
        return pa.int64()
    return pa.float64() if known and known <= {int, float} else pa.string()


def rejected(path: Path, found: Iterator[Mapping[str, Any]]) -> int:
    """Write rows that were not predicted, with the reason; return how many. None, no file."""
    lines = (jsonable.line(row) + "\n" for row in found)
    first = next(lines, None)
    if first is None:
        path.unlink(missing_ok=True)  # of an earlier call
        return 0
    count = 1
    with path.open("w", encoding="utf-8", errors="replace") as file:
        file.write(first)
        for line in lines:
            file.write(line)
            count += 1
    return count
