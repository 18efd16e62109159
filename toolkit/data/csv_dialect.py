"""The dialect of a csv file: its columns, delimiter and quotes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from toolkit.data.text_files import lines
from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing

SNIFFED = 1 << 16  # characters from which columns and delimiter are detected
SNIFFED_ROWS = 20


@dataclass(frozen=True)
class Dialect:
    """The columns of a csv file, and how its text is read."""

    columns: list[str]
    delimiter: str
    quote: str | None
    encoding: str


def find_dialect(path: Path, encoding: str, delimiter: str | None, quote: str | None) -> Dialect:
    """Return the dialect of a file; without `delimiter` it is detected from the first rows.

    Raises:
        DataError: no header, no rows, or a duplicate column.
    """
    with lines(path, encoding) as text:
        first = text.read(SNIFFED)
        whole = len(first) < SNIFFED
        first = (first + text.readline()).removeprefix("\ufeff")
    if "\0" in first:
        line = first[: first.index("\0")].count("\n") + 1
        what = "holds a NUL byte: no text, or one in utf-16 (--set data.encoding=utf-16-le)"
        raise DataError(Fault(f"{path}:{line}", what))
    if not first.strip():
        raise DataError(Fault(str(path), "is empty: the first line must name the columns"))
    if not first.splitlines()[0].strip():
        raise DataError(Fault(f"{path}:1", "is an empty line: it must name the columns"))
    if delimiter is None:
        tabs = path.name.lower().removesuffix(".gz").endswith(".tsv")
        delimiter = "\t" if tabs else _delimiter(first, quote)
    try:
        columns = next(rows := _rows(first, delimiter, quote))
        header_only = whole and not any(rows)
    except csv.Error as error:
        raise DataError(Fault(f"{path}:1", f"cannot be read as csv: {error}")) from None
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise DataError(Fault(f"{path}:1", f"names {listing(twice)} twice"))
    if header_only:
        raise DataError(Fault(str(path), f"has no rows below its header ({listing(columns)})"))
    return Dialect(_named(columns), delimiter, quote, encoding)


def _rows(text: str, delimiter: str, quote: str | None) -> Iterator[list[str]]:
    source = io.StringIO(text, newline="")
    if quote is None:
        return csv.reader(source, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(source, delimiter=delimiter, quotechar=quote)


def _delimiter(text: str, quote: str | None) -> str:
    """Return the mark that splits the header, and most rows into as many fields; else a comma."""
    scores = {}
    for mark in ",;\t|":
        try:
            widths = [len(row) for row in islice(_rows(text, mark, quote), SNIFFED_ROWS) if row]
        except csv.Error:
            continue
        if widths[0] > 1:
            scores[mark] = (widths.count(widths[0]), widths[0])
    return max(scores, key=lambda mark: scores[mark], default=",")


def _named(columns: list[str]) -> list[str]:
    """Return the names, with one made for each column that has none (pandas saves its index so)."""
    names = list(columns)
    for place in (place for place, name in enumerate(columns) if not name):
        made = f"column_{place + 1}"
        while made in names:
            made += "_"
        names[place] = made
    return names


def check_quotes(path: Path, dialect: Dialect) -> None:
    """Raise DataError for a quote that swallows rows: a parser takes them for one long field."""
    if dialect.quote is None:
        return
    quote, delimiter = re.escape(dialect.quote), re.escape(dialect.delimiter)
    opening = re.compile(f"(?:^|{delimiter}){quote}")
    # Up to the closing quote (doubled ones are text), and the character behind it.
    closing = re.compile(f"(?:[^{quote}]++|{quote}{quote})*+{quote}(.?)", re.DOTALL)
    begun = 0  # the line in which the field being read was opened; 0 outside of quotes
    with lines(path, dialect.encoding) as text:
        for number, line in enumerate(text, start=1):
            if dialect.quote not in line:
                continue
            line, place = line.removeprefix("\ufeff"), 0
            while found := (closing.match(line, place) if begun else opening.search(line, place)):
                if not begun:
                    begun, place = number, found.end()
                    continue
                ended = found[1] in ("", dialect.delimiter, "\r", "\n")
                if number > begun and not ended:
                    raise DataError(_swallowing(path, begun, f"ends in line {number} only"))
                begun, place = 0, found.start(1)
    if begun:
        raise DataError(_swallowing(path, begun, "never ends"))


def _swallowing(path: Path, line: int, how: str) -> Fault:
    return Fault(
        f"{path}:{line}",
        f"a field begins with a quote that {how}, with the rows between for its text. Write "
        "quotes within a quoted field twice, or set data.quote=null if the file quotes nothing.",
    )
