"""Rows with their predictions as jsonl, csv or parquet, by a file's suffix."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from toolkit.errors import UserError
from toolkit.runs.prediction_files import KEY
from toolkit.utils import jsonable
from toolkit.utils.text import listing, nearest

COLUMN, EXPLANATION = "prediction", "explanation"
_NUMBER = re.compile(r"[+-]?[\d.,\s]*\d[\d.,]*(?:[eE][+-]?\d+)?%?")
#: Appends rows, and one prediction for each.
Add = Callable[[pa.Table, Sequence[Any]], None]
Writer = Callable[[IO[bytes]], AbstractContextManager[Add]]


@contextmanager
def json_lines(out: IO[bytes]) -> Iterator[Add]:
    """Write the input's columns, and `prediction` as it is."""
    with _text(out) as file:

        def add(rows: pa.Table, predictions: Sequence[Any]) -> None:
            mixed = [f.name for f in rows.schema if isinstance(f.type, pa.JsonType)]
            for row, prediction in zip(rows.to_pylist(), predictions, strict=True):
                # A column of mixed types is held as JSON.
                row |= {name: json.loads(row[name]) for name in mixed if row[name] is not None}
                file.write(jsonable.line({**row, **named(prediction)}) + "\n")

        yield add


@contextmanager
def csv_file(out: IO[bytes]) -> Iterator[Add]:
    """Write the input's columns, and `prediction.label` and so on; nested values are JSON.

    Texts that a spreadsheet would execute are quoted.
    """
    yield from _csv(out, quoted)


@contextmanager
def raw_csv(out: IO[bytes]) -> Iterator[Add]:
    """Write as `csv_file` does, texts as they are."""
    yield from _csv(out, lambda value: value)


def _csv(out: IO[bytes], cell: Callable[[Any], Any]) -> Iterator[Add]:
    with _text(out) as file:
        table: csv.DictWriter[str] = csv.DictWriter(file, [], restval="")

        def add(rows: pa.Table, predictions: Sequence[Any]) -> None:
            for row, prediction in zip(rows.to_pylist(), predictions, strict=True):
                cells = {name: flat(value) for name, value in row.items()}
                cells |= columns(prediction, in_words)
                cells = {cell(name): cell(value) for name, value in cells.items()}
                if not table.fieldnames:
                    table.fieldnames = list(cells)
                    table.writeheader()
                table.writerow(cells)

        yield add


@contextmanager
def parquet(out: IO[bytes]) -> Iterator[Add]:
    """Write the input's columns in their types, and those of csv; the first rows define them."""
    with ExitStack() as stack:
        files, types = list[pq.ParquetWriter](), dict[str, pa.DataType]()

        def add(rows: pa.Table, predictions: Sequence[Any]) -> None:
            cells = [columns(prediction) for prediction in predictions]
            for name in types or dict.fromkeys(name for row in cells for name in row):
                values = [row.get(name) for row in cells]
                if not files:
                    found = pa.infer_type(values)
                    types[name] = pa.string() if pa.types.is_null(found) else found
                rows = rows.append_column(name, pa.array(values, types[name]))
            if not files:
                files.append(stack.enter_context(pq.ParquetWriter(out, rows.schema)))
            files[0].write_table(rows)

        yield add


@contextmanager
def _text(out: IO[bytes]) -> Iterator[io.TextIOWrapper]:
    """Yield a file of bytes as one of text, which is left open."""
    file = io.TextIOWrapper(out, encoding="utf-8", errors="replace", newline="")
    yield file
    file.detach()


WRITERS: dict[str, Writer] = {".jsonl": json_lines, ".csv": csv_file, ".parquet": parquet}


def writer_of(path: Path, raw: bool = False) -> Writer:
    """Return the writer for a file name.

    Args:
        raw: keep texts in csv that a spreadsheet would execute.

    Raises:
        UserError: an unknown suffix, or `raw` for another form than csv.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        hint = nearest(suffix, WRITERS)
        raise UserError(f"{path} cannot be written: take {listing(WRITERS)} as its suffix.{hint}")
    if raw and suffix != ".csv":
        raise UserError(f"--raw is for csv; {path} keeps all texts as they are without it")
    return raw_csv if raw else WRITERS[suffix]


def quoted(value: Any) -> Any:
    """Return a text that a spreadsheet would take for a formula with an apostrophe before it.

    Numbers are none. See OWASP, "CSV Injection".
    """
    formula = isinstance(value, str) and value.lstrip(" ")[:1] in tuple("=+-@\t\r\n")
    return f"'{value}" if formula and not _NUMBER.fullmatch(value.strip()) else value


def is_explained(found: Any) -> bool:
    """Return whether something is a prediction with its explanation, and not one alone."""
    return isinstance(found, Mapping) and found.keys() == {COLUMN, EXPLANATION}


def named(prediction: Any) -> Mapping[str, Any]:
    """Return a prediction, with or without its explanation, by column."""
    return prediction if is_explained(prediction) else {COLUMN: prediction}


def columns(prediction: Any, text: Callable[[Any], Any] | None = None) -> dict[str, Any]:
    """Return a prediction as flat columns: `prediction.label`, `prediction.score`, ...

    text: what makes a cell of an explanation; by default JSON.
    """
    if is_explained(prediction):
        words = (text or flat)(prediction[EXPLANATION])
        return {**columns(prediction[COLUMN]), EXPLANATION: words}
    if not isinstance(prediction, Mapping):
        return {COLUMN: flat(prediction)}
    return {f"{COLUMN}.{key}": flat(value) for key, value in prediction.items()}


def in_words(explanation: Sequence[Mapping[str, Any]]) -> str:
    """Return an explanation for people: "refund: money +4.10, card -0.31"."""
    found: dict[str, list[str]] = {}
    for part in explanation:
        whole = f"{part['column']} {part.get('box') or part.get('value') or ''}".strip()
        parts = found.setdefault(part["of"], [])
        parts.append(f"{part.get('text') or whole} {part['contribution']:+.2f}")
    return "; ".join(f"{name}: {', '.join(parts)}" for name, parts in found.items())


def flat(value: Any) -> Any:
    """Return a value as one cell: the name of a prediction's file, lists and mappings as JSON."""
    if isinstance(value, Mapping) and value.keys() == {KEY}:
        return value[KEY]
    return jsonable.line(value) if isinstance(value, Mapping | list | tuple) else value


def without_bytes(rows: pa.Table) -> pa.Table:
    """Return rows with only the paths of embedded files, without their content."""
    for place, field in enumerate(rows.schema):
        kind = field.type
        if pa.types.is_struct(kind) and {"bytes", "path"} <= {part.name for part in kind}:
            rows = rows.set_column(place, field.name, pc.struct_field(rows[field.name], "path"))
    return rows
