"""csv and tsv to a memory-mapped Arrow file of texts; ragged rows are reported by number.

Uses pyarrow's streaming reader, not the csv builder of `datasets` (pandas), which fills short rows
silently, reads a label 007 as 7 and "None" as missing.
"""

from __future__ import annotations

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
    encoding: str,
    delimiter: str | None,
    cache: Path,
    quote: str | None = '"',
    escape: str | None = None,
    ragged: list[tuple[int, str]] | None = None,
) -> tuple[datasets.Dataset, list[str]]:
    """Return a csv or tsv file as a memory-mapped Dataset of texts, converted once, and notes.

    Cells stay as they are written: who uses a column as numbers or times converts it.

    Args:
        path: the file, plain or `.gz`.
        encoding: of the text. delimiter: None detects it from the first rows.
        cache: folder for the converted file.
        quote: encloses fields that hold delimiters or line ends; None if nothing is quoted.
        escape: the mark before a quote within a quoted field; None detects it.
        ragged: takes number (from 1, without the header) and text of the rows with another number
            of fields, which are left out then; `cache` must be empty.

    Raises:
        DataError: empty file, wrong encoding (with its line), ragged rows, a quote that is not
            closed where it should be.
    """
    dialect: Dialect | None = None

    def write(target: Path) -> None:
        nonlocal dialect
        check_encoding(path, encoding)
        dialect = find_dialect(path, encoding, delimiter, quote, escape)
        check_quotes(path, dialect)
        found = _convert(path, target, dialect)
        if ragged is None and found:
            raise DataError(_ragged(path, len(dialect.columns), found))
        if ragged is not None:
            ragged.extend((row.number - 1, row.text) for row in found)

    drop_torn(cache)
    form = ("texts", encoding, delimiter, quote, escape)
    target = convert_once(path, cache, ".arrow", form, write)
    dialect = dialect or find_dialect(path, encoding, delimiter, quote, escape)
    notes = [f"{path}: {note}" for note in dialect.notes]
    return cast("datasets.Dataset", datasets.Dataset.from_file(str(target))), notes


def _convert(path: Path, target: Path, dialect: Dialect) -> list[Any]:
    """Write the file as Arrow, and return its ragged rows."""
    block = BLOCK
    while True:
        try:
            return _stream(path, target, dialect, block)
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error) or block >= LONGEST_ROW:
                raise DataError(Fault(str(path), f"cannot be read as csv: {error}")) from None
            block *= 8


def _stream(path: Path, target: Path, dialect: Dialect, block: int) -> list[Any]:
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
                escape_char=dialect.escape or False,
                newlines_in_values=dialect.quote is not None,
                invalid_row_handler=note,
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(dialect.columns, pa.string()), check_utf8=False
            ),
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
