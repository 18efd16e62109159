"""The dialect of a csv file: its columns, delimiter and quotes."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from toolkit.data.text_files import lines, opened
from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing

SNIFFED = 1 << 16  # characters from which columns and delimiter are detected
SNIFFED_ROWS = 20
BACKSLASH = "\\"
PART = 1 << 22  # bytes that are looked at together
# Encodings in which a byte below 128 is that ASCII character, whatever stands before it.
ONE_BYTE = {"ascii", "utf-8", "utf-8-sig", "iso8859-1", "cp1252"}


@dataclass(frozen=True)
class Dialect:
    """The columns of a csv file, how its text is read, and what a reader must know of that."""

    columns: list[str]
    delimiter: str
    quote: str | None
    encoding: str
    escape: str | None = None
    notes: tuple[str, ...] = ()


def find_dialect(
    path: Path,
    encoding: str,
    delimiter: str | None,
    quote: str | None,
    escape: str | None = None,
) -> Dialect:
    """Return the dialect of a file; without `delimiter` it is detected from the first rows.

    Columns of the same name are numbered from the second on. Without `escape`, quotes that are
    written \\" are taken so where the first rows hold such and no doubled ones.

    Raises:
        DataError: no header, no rows.
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
    notes = []
    if escape is None and quote and _escapes(first, quote):
        escape = BACKSLASH
        notes.append(f"quotes within fields are written {BACKSLASH}{quote} (data.escape)")
    if delimiter is None:
        tabs = path.name.lower().removesuffix(".gz").endswith(".tsv")
        delimiter = "\t" if tabs else _delimiter(first, quote, escape)
    try:
        columns = next(rows := _rows(first, delimiter, quote, escape))
        header_only = whole and not any(rows)
    except csv.Error as error:
        raise DataError(Fault(f"{path}:1", f"cannot be read as csv: {error}")) from None
    if header_only:
        raise DataError(Fault(str(path), f"has no rows below its header ({listing(columns)})"))
    names = _named(columns)
    both = enumerate(zip(columns, names, strict=True))
    again = [f"{old!r} is {new!r} here" for place, (old, new) in both
             if old and old in columns[:place]]  # fmt: skip
    if again:
        notes.append(f"columns are named twice: a further {', '.join(again)}")
    return Dialect(names, delimiter, quote, encoding, escape, tuple(notes))


def _escapes(text: str, quote: str) -> bool:
    r"""Return whether quotes within quoted fields are written \", and none is doubled."""
    mark = re.escape(quote)
    inside = re.search(rf"(?<!{mark}){mark}[^{mark}\n]*\\{mark}(?!\s*[,;\t|\r\n]|$)", text)
    doubled = re.search(rf"[^,;\t|\r\n\\]{mark}{mark}[^{mark}]", text)
    return inside is not None and doubled is None


def _rows(
    text: str, delimiter: str, quote: str | None, escape: str | None = None
) -> Iterator[list[str]]:
    source = io.StringIO(text, newline="")
    if quote is None:
        return csv.reader(source, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(source, delimiter=delimiter, quotechar=quote, escapechar=escape)


def _delimiter(text: str, quote: str | None, escape: str | None) -> str:
    """Return the mark that splits the header, and most rows into as many fields; else a comma."""
    scores = {}
    for mark in ",;\t|":
        try:
            widths = [
                len(row) for row in islice(_rows(text, mark, quote, escape), SNIFFED_ROWS) if row
            ]
        except csv.Error:
            continue
        if widths[0] > 1:
            scores[mark] = (widths.count(widths[0]), widths[0])
    return max(scores, key=lambda mark: scores[mark], default=",")


def _named(columns: list[str]) -> list[str]:
    """Return the names, with one made for each column that has none, or one that was before.

    pandas saves its index without a name.
    """
    names = list(columns)
    for place, name in enumerate(columns):
        if name and name not in columns[:place]:
            continue
        made = f"{name}_{columns[: place + 1].count(name)}" if name else f"column_{place + 1}"
        while made in names:
            made += "_"
        names[place] = made
    return names


def check_quotes(path: Path, dialect: Dialect) -> None:
    """Raise DataError for a quote that swallows rows: a parser takes them for one long field."""
    if dialect.quote is None or _plainly_quoted(path, dialect):
        return
    quote, delimiter = re.escape(dialect.quote), re.escape(dialect.delimiter)
    opening = re.compile(f"(?:^|{delimiter}){quote}")
    # Up to the closing quote (doubled ones are text), and the character behind it.
    mark = re.escape(dialect.escape) if dialect.escape else ""
    escaped = f"|{mark}." if mark else ""
    closing = re.compile(f"(?:[^{quote}{mark}]++|{quote}{quote}{escaped})*+{quote}(.?)", re.DOTALL)
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
                if not ended and line[: found.start(1)].endswith(f"{BACKSLASH}{dialect.quote}"):
                    raise DataError(_escaped(path, number))
                if number > begun and not ended:
                    raise DataError(_swallowing(path, begun, f"ends in line {number} only"))
                begun, place = 0, found.start(1)
    if begun:
        raise DataError(_swallowing(path, begun, "never ends"))


def _plainly_quoted(path: Path, dialect: Dialect) -> bool:
    """Return whether all quotes open a field, close it or are doubled, by looking at bytes alone.

    The search line by line, which names what is wrong, takes ten times as long as reading.
    """
    if codecs.lookup(dialect.encoding).name not in ONE_BYTE or dialect.escape:
        return False
    quote, ends = ord(str(dialect.quote)), [ord(mark) for mark in (dialect.delimiter, *"\r\n")]
    within = 0  # whether a field is open where a part begins
    with opened(path) as file:
        file.seek(len(codecs.BOM_UTF8) if file.read(3) == codecs.BOM_UTF8 else 0)
        while part := file.read(PART) + file.readline():
            values = np.frombuffer(b"\n" + part + b"\n", np.uint8)
            places = np.flatnonzero(values == quote)
            beside = np.isin(values, ends)
            twice = np.diff(places, prepend=-2, append=-2) == 1
            opening = np.arange(within, within + len(places)) % 2 == 0
            good = np.where(opening, beside[places - 1] | twice[:-1],
                            beside[places + 1] | twice[1:])  # fmt: skip
            if not good.all():
                return False
            within = (within + len(places)) % 2
    return not within


def _escaped(path: Path, line: int) -> Fault:
    what = "has a backslash before a quote within a quoted field. Where the file writes quotes so"
    return Fault(f"{path}:{line}", f"{what}, --set 'data.escape=\"{BACKSLASH * 2}\"'")


def _swallowing(path: Path, line: int, how: str) -> Fault:
    return Fault(
        f"{path}:{line}",
        f"a field begins with a quote that {how}, with the rows between for its text. Write "
        "quotes within a quoted field twice, or set data.quote=null if the file quotes nothing.",
    )
