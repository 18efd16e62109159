"""How a csv file is written: its columns, its delimiter, and quotes that end where they should."""

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

SNIFFED = 1 << 16  # characters in which columns and delimiter are looked for
SNIFFED_ROWS = 20


@dataclass(frozen=True)
class Dialect:
    """The columns of a csv file, and how its text is to be read."""

    columns: list[str]
    delimiter: str
    quote: str | None
    encoding: str


def find_dialect(path: Path, encoding: str, delimiter: str | None, quote: str | None) -> Dialect:
    """Return how a file is written; without `delimiter` the first rows tell it.

    Raises:
        DataError: no header, no rows, or a column that stands twice.
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
        alone = whole and not any(rows)
    except csv.Error as error:
        raise DataError(Fault(f"{path}:1", f"cannot be read as csv: {error}")) from None
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise DataError(Fault(f"{path}:1", f"names {listing(twice)} twice"))
    if alone:
        raise DataError(Fault(str(path), f"has no rows below its header ({listing(columns)})"))
    return Dialect(_named(columns), delimiter, quote, encoding)


def _rows(text: str, delimiter: str, quote: str | None) -> Iterator[list[str]]:
    source = io.StringIO(text, newline="")
    if quote is None:
        return csv.reader(source, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(source, delimiter=delimiter, quotechar=quote)


def _delimiter(text: str, quote: str | None) -> str:
    """Return the mark that cuts the header, and the most rows as it does; else a comma."""
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
    for place, name in enumerate(columns):
        if not name:
            made = f"column_{place + 1}"
            while made in names:
                made += "_"
            names[place] = made
    return names


def check_quotes(path: Path, dialect: Dialect) -> None:
    """Raise DataError for a quote that swallows rows: a parser takes them for one long field."""
    quote = dialect.quote
    if quote is None:
        return
    opening = re.compile(f"(?:^|{re.escape(dialect.delimiter)}){re.escape(quote)}")
    begun = 0  # the line in which the field now read was opened; 0 outside of quotes
    with lines(path, dialect.encoding) as text:
        for number, line in enumerate(text, start=1):
            if quote not in line:
                continue
            for opens, behind in _turns(line.removeprefix("\ufeff"), quote, opening, begun > 0):
                if opens:
                    begun = number
                    continue
                ended = not behind or behind.startswith((dialect.delimiter, "\r", "\n"))
                if number > begun and not ended:
                    raise DataError(_swallowing(path, begun, f"ends in line {number} only"))
                begun = 0
    if begun:
        raise DataError(_swallowing(path, begun, "never ends"))


def _turns(
    line: str, quote: str, opening: re.Pattern[str], inside: bool
) -> Iterator[tuple[bool, str]]:
    """Yield (True, "") where a quoted field opens, (False, the next character) where it closes."""
    place = 0
    while True:
        if not inside:
            found = opening.search(line, place)
            if found is None:
                return
            inside, place = True, found.end()
            yield True, ""
        end = line.find(quote, place)
        if end < 0:
            return
        place = end + 1
        if line.startswith(quote, place):  # written twice, a quote is text
            place += 1
        else:
            inside = False
            yield False, line[place : place + 1]


def _swallowing(path: Path, line: int, how: str) -> Fault:
    return Fault(
        f"{path}:{line}",
        f"a field begins with a quote that {how}, with the rows between for its text. Write "
        "quotes within a quoted field twice, or set data.quote=null if the file quotes nothing.",
    )
