"""Columns of times as whole milliseconds: ISO 8601, days before or after months, seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import DataError, Fault
from toolkit_plugins.tabular.frame import refuse, row_numbers

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray[Any, Any]
LAST = 253_402_300_800  # seconds from 1970 to the end of the year 9999
OFFSET = r"(?:Z|z|[+-]\d{2}(?::?\d{2})?)$"
# Day and month in an order of the writer's, year, and perhaps the time of day.
EITHER = (
    r"^(?P<a>\d{1,2})[/.-](?P<b>\d{1,2})[/.-](?P<year>\d{4})"
    r"(?:[T ,]+(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2}(?:\.\d+)?))?\s*(?P<half>[AaPp][Mm])?)?$"
)
YEAR_FIRST = r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}"


def is_written_out(column: pl.Series) -> bool:
    """Return whether most texts of a column begin as dates do, in any order."""
    texts = column.drop_nulls().head(1000).str.strip_chars()
    dates = texts.str.contains(EITHER) | texts.str.contains(YEAR_FIRST)
    return 2 * int(dates.sum()) > len(texts)


def is_iso(column: pl.Series) -> bool:
    """Return whether all texts of a column begin as ISO dates do."""
    texts = column.drop_nulls().head(1000).str.strip_chars()
    texts = texts.filter(texts != "")
    return bool(len(texts)) and bool(texts.str.contains(YEAR_FIRST).all())


def day_first(column: pl.Series, given: bool | None) -> bool | None:
    """Return whether days stand before months, going by all rows; None where years come first.

    Args:
        given: what the user says.

    Raises:
        DataError: nobody says so, and the rows may be read in both orders, or in none.
    """
    import polars as pl

    if column.dtype != pl.String:
        return None
    texts = column.str.strip_chars()
    found = texts.filter(texts.str.contains(EITHER).fill_null(False))
    if given is not None or not len(found):
        return given
    first, second = (found.str.extract(EITHER, place).cast(pl.Int64) for place in (1, 2))
    days, months = found.filter(first > 12), found.filter(second > 12)
    if len(days) and len(months):
        what = f"holds {days[0]!r} and {months[0]!r}: days come first in one, months in the other"
        raise DataError(Fault(column.name, what))
    if not len(days) and not len(months):
        raise DataError(_unclear(column.name, found[0], "say which by --set options.day_first="))
    return bool(len(days))


def _unclear(name: str, shown: str, advice: str) -> Fault:
    first, second, year = shown.replace("/", "-").replace(".", "-").split("-")[:3]
    one, other = (f"{year[:4]}-{m:0>2}-{d:0>2}" for m, d in ((second, first), (first, second)))
    if advice.endswith("="):
        advice += "true (the first) or false"
    return Fault(name, f"holds {shown!r}, which may be {one} or {other}: {advice}")


def milliseconds_of(column: pl.Series, days_first: bool | None = None) -> Array:
    """Return times as int64 milliseconds since 1970 (UTC); numbers are seconds.

    Args:
        days_first: as `day_first` found it; None refuses dates of either order.

    Raises:
        DataError: rows without a time, or with one that cannot be read.
    """
    import polars as pl

    name = column.name
    if column.dtype == pl.String:
        column = _parsed(column, days_first)
    if column.dtype.is_numeric():
        seconds = column.cast(pl.Float64)
        refuse(name, ~seconds.is_finite().fill_null(False), "no finite time")
        refuse(name, seconds.abs() >= LAST, "no seconds since 1970")
        found: Array = np.rint(seconds.to_numpy() * 1000).astype(np.int64)
        return found
    if column.dtype not in (pl.Date, pl.Datetime):
        raise DataError(Fault(name, f"holds {column.dtype}, which is no time"))
    refuse(name, column.is_null(), "no time")
    times: Array = column.cast(pl.Datetime("ms")).to_physical().to_numpy()
    return times


def _parsed(column: pl.Series, days_first: bool | None) -> pl.Series:
    """Return texts as times without a zone; null where they are empty."""
    import polars as pl

    texts = column.str.strip_chars()
    empty = texts.is_null() | (texts == "")
    numbers = texts.cast(pl.Float64, strict=False)
    if (numbers.is_not_null() | empty).all():
        return numbers.alias(column.name)
    either = texts.str.contains(EITHER).fill_null(False)
    if either.any():
        if days_first is None:
            advice = "write 2024-12-31; the rows of training leave the order open"
            raise DataError(_unclear(column.name, texts.filter(either)[0], advice))
        texts = _year_first(texts, days_first)
    zoned = texts.str.contains(OFFSET) & texts.str.contains(":")
    some = zoned.filter(~empty)
    if some.any() and not some.all():
        first = texts.filter(~empty).filter(~some)[0]
        what = f"{int(some.sum()):,} times name a time zone, {len(some) - int(some.sum()):,} do not"
        raise DataError(Fault(column.name, f"{what} ({first!r}): write all of them in one way"))
    found = _iso(texts, bool(some.any()))
    wrong = found.is_null() & ~empty
    if wrong.any():
        shown = column.filter(wrong)[0]
        what = f"cannot be read as times ({shown[:40]!r}, {int(wrong.sum()):,} rows): "
        place = row_numbers(column.name, wrong)
        raise DataError(Fault(place, what + "write 2024-12-31T23:59:59"))
    return found.alias(column.name)


def _year_first(texts: pl.Series, days_first: bool) -> pl.Series:
    """Return dates of either order as ISO 8601; other texts as they are."""
    import polars as pl

    part = pl.DataFrame({"t": texts}).select(
        "t", *(pl.col("t").str.extract(EITHER, n).alias(name)
               for n, name in enumerate(("a", "b", "year", "h", "m", "s", "half"), 1))
    )  # fmt: skip
    hour, half = pl.col("h").cast(pl.Int64), pl.col("half").str.to_lowercase()
    hour = pl.when(half.is_null()).then(hour).otherwise(hour % 12 + 12 * (half == "pm"))
    day, month = ("a", "b") if days_first else ("b", "a")
    iso = pl.format(
        "{}-{}-{}T{}:{}:{}", "year", pl.col(month).str.zfill(2), pl.col(day).str.zfill(2),
        hour.fill_null(0).cast(pl.String).str.zfill(2), pl.col("m").fill_null("00"),
        pl.col("s").fill_null("00"),
    )  # fmt: skip
    found = part.select(pl.when(pl.col("year").is_null()).then("t").otherwise(iso).alias("t"))
    return found["t"]


def _iso(texts: pl.Series, zoned: bool) -> pl.Series:
    """Return texts in ISO 8601 as times in UTC; null where they are none."""
    import polars as pl
    import pyarrow as pa
    import pyarrow.compute as pc

    try:  # ten times as fast, but all or nothing
        values = pc.cast(texts.to_arrow(), pa.timestamp("us", "UTC" if zoned else None))
        found = pl.Series(texts.name, pl.from_arrow(values))
    except pa.ArrowInvalid:
        plain = (
            texts.str.replace(r"^(\d{4})[/.](\d{2})[/.](\d{2})", "$1-$2-$3")
            .str.replace(r"^(\d{4}-\d{2}-\d{2})[Tt ]\s*", "${1}T")
            .str.replace("[Zz]$", "+00:00")
            .str.replace(r"(:\d{2}(?:\.\d+)?)\s*([+-]\d{2})$", "$1$2:00")
            .str.replace(r"(:\d{2}(?:\.\d+)?)\s*([+-]\d{2}):?(\d{2})$", "$1$2:$3")
            .str.replace(r"^([^T]+)$", "${1}T00:00:00")
            .str.replace(r"(T\d{2}:\d{2})($|[+-])", "$1:00$2")
        )
        form = "%Y-%m-%dT%H:%M:%S%.f" + ("%:z" if zoned else "")
        kind = pl.Datetime("us", "UTC" if zoned else None)
        found = plain.str.strptime(kind, form, strict=False)
    return found.dt.replace_time_zone(None) if zoned else found
