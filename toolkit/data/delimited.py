"""csv and tsv to a memory-mapped Arrow file, with every ragged row named.

Through pyarrow's streaming reader rather than `datasets`' csv builder (pandas): that one fills
short rows silently, reads a label 007 as 7 and "None" as missing.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.csv as pacsv

from toolkit.errors import DataError, Fault, listing

if TYPE_CHECKING:
    import datasets

BLOCK = 1 << 23  # bytes parsed at a time; a single longer row gets a larger block
LONGEST_ROW = 1 << 28
SHOWN = 5


def read(
    path: Path, *, as_text: Sequence[str], encoding: str, delimiter: str | None, cache: Path
) -> datasets.Dataset:
    """Return a csv or tsv file as a memory-mapped Dataset, converted once.

    Args:
        path: the file; `.gz` is unpacked on the way.
        as_text: columns that are never read as numbers, dates or booleans.
        encoding: of the text. delimiter: None finds it in the header.
        cache: folder for the converted file.

    Raises:
        DataError: empty file, wrong encoding (with its line), twice the same column, ragged rows.
    """
    import datasets

    stat = path.stat()
    key = repr((str(path), stat.st_size, stat.st_mtime_ns, sorted(as_text), encoding, delimiter))
    target = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.arrow"
    if not target.exists():
        check_encoding(path, encoding)
        columns, found = _header(path, encoding, delimiter)
        cache.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{os.getpid()}.partial")
        try:
            _convert(path, partial, columns, found, encoding, as_text)
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    return cast("datasets.Dataset", datasets.Dataset.from_file(str(target)))


def opened(path: Path) -> IO[bytes]:
    """Open a file for reading bytes, unpacking .gz."""
    return cast(IO[bytes], gzip.open(path) if path.suffix == ".gz" else path.open("rb"))


def check_encoding(path: Path, encoding: str) -> None:
    """Raise DataError with the line of the first byte that is not text in `encoding`."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    try:
        with opened(path) as file:
            while chunk := file.read(1 << 20):
                line += decoder.decode(chunk).count("\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line += bytes(error.object[: error.start]).count(b"\n")
        bad = bytes(error.object[error.start : error.start + 1]).hex()
        raise DataError(
            Fault(
                f"{path}:{line}",
                f"is not {encoding} text (byte 0x{bad}). Name its encoding, for example "
                "--set data.encoding=cp1252, or save the file as UTF-8.",
            )
        ) from None
    except (OSError, EOFError) as error:
        raise DataError(Fault(str(path), f"cannot be read: {error}")) from None


def _header(path: Path, encoding: str, delimiter: str | None) -> tuple[list[str], str]:
    with opened(path) as file, io.TextIOWrapper(file, encoding=encoding, newline="") as text:
        first = text.readline().lstrip("\ufeff")
        if not first.strip():
            raise DataError(Fault(str(path), "is empty: the first line must name the columns"))
        if delimiter is None:
            tab = path.name.removesuffix(".gz").endswith(".tsv")
            counts = {mark: first.count(mark) for mark in ",;\t|"}
            delimiter = "\t" if tab else max(counts, key=lambda mark: counts[mark])
        text.seek(0)
        columns = next(csv.reader(text, delimiter=delimiter))
    columns[0] = columns[0].lstrip("\ufeff")
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise DataError(Fault(f"{path}:1", f"names {listing(twice)} twice"))
    return [name or f"column_{place}" for place, name in enumerate(columns, 1)], delimiter


def _convert(
    path: Path,
    target: Path,
    columns: list[str],
    delimiter: str,
    encoding: str,
    as_text: Sequence[str],
) -> None:
    """Write the file as Arrow; a column whose later rows do not fit its first ones gets wider."""
    types: dict[str, pa.DataType] = {name: pa.string() for name in as_text if name in columns}
    block = BLOCK
    while True:
        try:
            return _stream(path, target, columns, delimiter, encoding, types, block)
        except pa.ArrowInvalid as error:
            message = str(error)
            column = re.search(r"column #(\d+): CSV conversion error to (\w+)", message)
            if column and types.get(columns[int(column[1])]) != pa.string():
                integer = column[2].startswith("int") and columns[int(column[1])] not in types
                types[columns[int(column[1])]] = pa.float64() if integer else pa.string()
            elif "straddling" in message and block < LONGEST_ROW:
                block *= 8
            else:
                raise DataError(Fault(str(path), f"cannot be read as csv: {message}")) from None


def _stream(
    path: Path,
    target: Path,
    columns: list[str],
    delimiter: str,
    encoding: str,
    types: dict[str, pa.DataType],
    block: int,
) -> None:
    ragged: list[Any] = []

    def note(row: Any) -> str:
        ragged.append(row)
        return "skip"

    with pa.input_stream(str(path), compression="detect") as source:
        reader = pacsv.open_csv(
            source,
            read_options=pacsv.ReadOptions(
                use_threads=False,
                block_size=block,
                encoding=encoding,
                column_names=columns,
                skip_rows_after_names=1,
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note
            ),
            convert_options=pacsv.ConvertOptions(column_types=types),
        )
        rows = 0
        with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_stream(sink, reader.schema) as out:
            for batch in reader:
                out.write_batch(batch)
                rows += batch.num_rows
    if ragged:
        raise DataError(_ragged(path, len(columns), ragged))
    if not rows:
        raise DataError(Fault(str(path), f"has no rows below its header ({listing(columns)})"))


def _ragged(path: Path, width: int, rows: list[Any]) -> list[Fault]:
    faults = [
        Fault(
            f"{path} row {row.number}" if row.number else str(path),
            f"has {row.actual_columns} fields, the header {width}: {row.text[:60]!r}",
        )
        for row in rows[:SHOWN]
    ]
    if len(rows) > SHOWN:
        faults.append(Fault(str(path), f"and {len(rows) - SHOWN} more such rows"))
    return [
        *faults,
        Fault(str(path), "quote fields that hold the delimiter, or set data.delimiter"),
    ]
