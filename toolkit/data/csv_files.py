"""csv and tsv to a memory-mapped Arrow file; ragged rows are reported by number.

Uses pyarrow's streaming reader, not the csv builder of `datasets` (pandas), which fills short rows
silently, reads a label 007 as 7 and "None" as missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import datasets
import pyarrow as pa
import pyarrow.csv as pacsv

from toolkit.data.caches import drop_torn
from toolkit.data.csv_dialect import Dialect, check_quotes, find_dialect
from toolkit.data.text_files import check_encoding, convert_once, opened
from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing

BLOCK = 1 << 23  # bytes parsed at a time; a single longer row gets a larger block
LONGEST_ROW = 1 << 28
SHOWN = 5


def read_csv(
    path: Path,
    *,
    as_text: Sequence[str],
    encoding: str,
    delimiter: str | None,
    cache: Path,
    quote: str | None = '"',
    ragged: list[tuple[int, str]] | None = None,
) -> datasets.Dataset:
    """Return a csv or tsv file as a memory-mapped Dataset, converted once.

    Args:
        path: the file, plain or `.gz`.
        as_text: columns that are never read as numbers, dates or booleans.
        encoding: of the text. delimiter: None detects it from the first rows.
        cache: folder for the converted file.
        quote: encloses fields that hold delimiters or line ends; None if nothing is quoted.
        ragged: takes number (from 1, without the header) and text of the rows with another number
            of fields, which are left out then; `cache` must be empty.

    Raises:
        DataError: empty file, wrong encoding (with its line), duplicate columns, ragged rows, a
            quote that is not closed where it should be.
    """

    def write(target: Path) -> None:
        check_encoding(path, encoding)
        dialect = find_dialect(path, encoding, delimiter, quote)
        check_quotes(path, dialect)
        found = _convert(path, target, dialect, as_text)
        if ragged is None and found:
            raise DataError(_ragged(path, len(dialect.columns), found))
        if ragged is not None:
            ragged.extend((row.number - 1, row.text) for row in found)

    drop_torn(cache)
    form = (sorted(as_text), encoding, delimiter, quote)
    target = convert_once(path, cache, ".arrow", form, write)
    return cast("datasets.Dataset", datasets.Dataset.from_file(str(target)))


def _convert(path: Path, target: Path, dialect: Dialect, as_text: Sequence[str]) -> list[Any]:
    """Write the file as Arrow, and return its ragged rows.

    A column gets a wider type if later rows do not fit the first.
    """
    columns = dialect.columns
    types: dict[str, pa.DataType] = {name: pa.string() for name in as_text if name in columns}
    block = BLOCK
    while True:
        try:
            return _stream(path, target, dialect, types, block)
        except pa.ArrowInvalid as error:
            message = str(error)
            column = re.search(
                r"column #(\d+): (?:Row #\d+: )?CSV conversion error to (\w+)", message
            )
            if column and types.get(columns[int(column[1])]) != pa.string():
                integer = column[2].startswith("int") and columns[int(column[1])] not in types
                types[columns[int(column[1])]] = pa.float64() if integer else pa.string()
            elif "straddling" in message and block < LONGEST_ROW:
                block *= 8
            else:
                raise DataError(Fault(str(path), f"cannot be read as csv: {message}")) from None


def _stream(
    path: Path, target: Path, dialect: Dialect, types: dict[str, pa.DataType], block: int
) -> list[Any]:
    ragged: list[Any] = []

    def note(row: Any) -> str:
        ragged.append(row)
        return "skip"

    with opened(path) as source:
        reader = pacsv.open_csv(
            source,
            read_options=pacsv.ReadOptions(
                use_threads=False,
                block_size=block,
                encoding=dialect.encoding,
                column_names=dialect.columns,
                skip_rows_after_names=1,
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote or False,
                newlines_in_values=dialect.quote is not None,
                invalid_row_handler=note,
            ),
            convert_options=pacsv.ConvertOptions(column_types=types),
        )
        rows = 0
        with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_stream(sink, reader.schema) as out:
            for batch in reader:
                out.write_batch(batch)
                rows += batch.num_rows
    if not rows and not ragged:
        what = f"has no rows below its header ({listing(dialect.columns)})"
        raise DataError(Fault(str(path), what))
    return ragged


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
    advice = "quote fields that hold the delimiter, or set data.delimiter"
    return [*faults, Fault(str(path), advice)]
