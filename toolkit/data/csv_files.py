"""csv and tsv to a memory-mapped Arrow file, with every ragged row named.

Through pyarrow's streaming reader rather than `datasets`' csv builder (pandas): that one fills
short rows silently, reads a label 007 as 7 and "None" as missing.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.csv as pacsv

from toolkit.data.csv_dialect import Dialect, check_quotes, find_dialect
from toolkit.data.text_files import check_encoding, opened
from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets

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
) -> datasets.Dataset:
    """Return a csv or tsv file as a memory-mapped Dataset, converted once.

    Args:
        path: the file; `.gz` is unpacked on the way.
        as_text: columns that are never read as numbers, dates or booleans.
        encoding: of the text. delimiter: None finds it in the first rows.
        cache: folder for the converted file.
        quote: stands around fields that hold delimiters or line ends; None where nothing is quoted.

    Raises:
        DataError: empty file, wrong encoding (with its line), twice the same column, ragged rows,
            a quote that swallows rows.
    """
    import datasets

    stat = path.stat()
    form = (sorted(as_text), encoding, delimiter, quote)
    key = repr((str(path), stat.st_size, stat.st_mtime_ns, *form)).encode("utf-8", "surrogatepass")
    target = cache / f"{hashlib.sha256(key).hexdigest()[:32]}.arrow"
    if not target.exists():
        check_encoding(path, encoding)
        found = find_dialect(path, encoding, delimiter, quote)
        check_quotes(path, found)
        cache.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{os.getpid()}.partial")
        try:
            _convert(path, partial, found, as_text)
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    return cast("datasets.Dataset", datasets.Dataset.from_file(str(target)))


def _convert(path: Path, target: Path, form: Dialect, as_text: Sequence[str]) -> None:
    """Write the file as Arrow; a column whose later rows do not fit its first ones gets wider."""
    columns = form.columns
    types: dict[str, pa.DataType] = {name: pa.string() for name in as_text if name in columns}
    block = BLOCK
    while True:
        try:
            return _stream(path, target, form, types, block)
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
    path: Path, target: Path, form: Dialect, types: dict[str, pa.DataType], block: int
) -> None:
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
                encoding=form.encoding,
                column_names=form.columns,
                skip_rows_after_names=1,
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=form.delimiter,
                quote_char=form.quote or False,
                newlines_in_values=form.quote is not None,
                invalid_row_handler=note,
            ),
            convert_options=pacsv.ConvertOptions(column_types=types),
        )
        rows = 0
        with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_stream(sink, reader.schema) as out:
            for batch in reader:
                out.write_batch(batch)
                rows += batch.num_rows
    if ragged:
        raise DataError(_ragged(path, len(form.columns), ragged))
    if not rows:
        raise DataError(Fault(str(path), f"has no rows below its header ({listing(form.columns)})"))


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
