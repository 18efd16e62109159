"""Columns of a Dataset as arrays of numbers; cells that cannot be read are named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets
    import polars as pl


Array = np.ndarray[Any, Any]
LAST = 253_402_300_800  # seconds from 1970 to the end of the year 9999
MOST = 1e12  # of an amount: whole numbers of 1/10,000 of it are summed
OFFSET = r"(Z|z|[+-]\d{2}:?\d{2})\s*$"


def to_frame(rows: datasets.Dataset, names: list[str] | None = None) -> pl.DataFrame:
    """Return some columns of a Dataset (all where not given)."""
    import polars as pl

    chosen = rows.select_columns(names) if names is not None else rows
    table = chosen.with_format("arrow")[:]
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)  # noqa: S101 - a table gives a frame
    return found


def milliseconds_of(column: pl.Series) -> Array:
    """Return times as int64 milliseconds since 1970 (UTC); numbers are seconds.

    Raises:
        DataError: rows without a time, or with one that cannot be read.
    """
    import polars as pl

    name = column.name
    if column.dtype == pl.String:
        column = _parsed(column)
    if column.dtype.is_numeric():
        seconds = column.cast(pl.Float64)
        _refuse(name, ~seconds.is_finite().fill_null(False), "no finite time")
        _refuse(name, seconds.abs() >= LAST, "no seconds since 1970")
        found: Array = np.rint(seconds.to_numpy() * 1000).astype(np.int64)
        return found
    if column.dtype not in (pl.Date, pl.Datetime):
        raise DataError(Fault(name, f"holds {column.dtype}, which is no time"))
    _refuse(name, column.is_null(), "no time")
    times: Array = column.cast(pl.Datetime("ms")).to_physical().to_numpy()
    return times


def _parsed(column: pl.Series) -> pl.Series:

    texts = column.str.strip_chars()
    zoned = texts.str.contains(OFFSET) & texts.str.contains(":")
    empty = texts.is_null() | (texts == "")
    some = zoned.filter(~empty)
    if some.any() and not some.all():
        first = texts.filter(~empty).filter(~some)[0]
        what = f"{int(some.sum()):,} times name a time zone, {len(some) - int(some.sum()):,} do not"
        raise DataError(Fault(column.name, f"{what} ({first!r}): write all of them in one way"))
    if some.any():
        found = texts.str.to_datetime(strict=False, time_zone="UTC", time_unit="ms")
        found = found.dt.replace_time_zone(None)
    else:
        found = _unzoned(texts)
    wrong = found.is_null() & ~empty
    if wrong.any():
        shown = texts.filter(wrong)[0]
        raise DataError(
            Fault(_rows(column.name, wrong),
                  f"cannot be read as times ({shown[:40]!r}, {int(wrong.sum()):,} rows): "
                  "write 2024-12-31T23:59:59")
        )  # fmt: skip
    return found.alias(column.name)


def _unzoned(texts: pl.Series) -> pl.Series:
    """Return texts as times or dates; null where they are neither."""
    import polars as pl

    try:
        found = texts.str.to_datetime(strict=False, time_unit="ms")
        if found.null_count() < len(found):
            return found
        return texts.str.to_date(strict=False).cast(pl.Datetime("ms"))
    except pl.exceptions.ComputeError:  # polars finds no format that fits any of them
        return pl.Series(texts.name, [None] * len(texts), dtype=pl.Datetime("ms"))


def finite_of(column: pl.Series) -> Array:
    """Return amounts as float64.

    Raises:
        DataError: rows without a finite number.
    """
    import polars as pl

    if not column.dtype.is_numeric():
        raise DataError(Fault(column.name, f"holds {column.dtype}: a number is expected"))
    values = column.cast(pl.Float64)
    _refuse(column.name, ~values.is_finite().fill_null(False), "no finite number")
    _refuse(column.name, values.abs() > MOST, f"no amount up to {MOST:g}")
    found: Array = values.to_numpy()
    return found


def numbers_of(column: pl.Series) -> Array:
    """Return a column of numbers as float32; NaN where there is none.

    Raises:
        DataError: texts that are no numbers.
    """
    import polars as pl

    values = column.cast(pl.Float64, strict=False)
    wrong = values.is_null() & column.is_not_null()
    if column.dtype == pl.String:
        wrong &= column.str.strip_chars() != ""
    _refuse(column.name, wrong, f"no number ({column.filter(wrong).head(1).to_list()})")
    found: Array = values.fill_null(np.nan).to_numpy().astype(np.float32)
    return np.where(np.isfinite(found), found, np.float32(np.nan))


def _refuse(name: str, wrong: pl.Series, what: str) -> None:
    if wrong.any():
        raise DataError(Fault(_rows(name, wrong), f"{what} ({int(wrong.sum()):,} rows in all)"))


def _rows(name: str, wrong: pl.Series) -> str:
    return f"{name} rows {listing((np.flatnonzero(wrong.to_numpy())[:5] + 1).tolist())}"
