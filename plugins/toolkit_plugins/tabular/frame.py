"""Columns of a Dataset as arrays of numbers; cells that cannot be read are named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.columns import with_values
from toolkit.errors import DataError, Fault
from toolkit.plugin_types import Column
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets
    import polars as pl


Array = np.ndarray[Any, Any]
MOST = 1e12  # of an amount: whole numbers of 1/10,000 of it are summed


def to_frame(rows: datasets.Dataset, names: list[str] | None = None) -> pl.DataFrame:
    """Return some columns of a Dataset (all where not given)."""
    import polars as pl

    chosen = rows.select_columns(names) if names is not None else rows
    table = chosen.with_format("arrow")[:]
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)  # noqa: S101 - a table gives a frame
    return found


def with_numbers(rows: datasets.Dataset) -> datasets.Dataset:
    """Return rows with numbers in the columns of texts where every cell is one, as in csv.

    A code such as 007, and one of twenty digits, stay texts.
    """
    found, _ = with_values({"rows": rows}, [(n, Column("input")) for n in rows.column_names])
    return found["rows"]


def finite_of(column: pl.Series) -> Array:
    """Return amounts as float64.

    Raises:
        DataError: rows without a finite number.
    """
    import polars as pl

    if not column.dtype.is_numeric():
        raise DataError(Fault(column.name, f"holds {column.dtype}: a number is expected"))
    values = column.cast(pl.Float64)
    refuse(column.name, ~values.is_finite().fill_null(False), "no finite number")
    refuse(column.name, values.abs() > MOST, f"no amount up to {MOST:g}")
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
    refuse(column.name, wrong, f"no number ({column.filter(wrong).head(1).to_list()})")
    found: Array = values.fill_null(np.nan).to_numpy().astype(np.float32)
    return np.where(np.isfinite(found), found, np.float32(np.nan))


def refuse(name: str, wrong: pl.Series, what: str) -> None:
    """Raise a DataError that names the rows that are wrong, if there are any."""
    if wrong.any():
        raise DataError(
            Fault(row_numbers(name, wrong), f"{what} ({int(wrong.sum()):,} rows in all)")
        )


def row_numbers(name: str, wrong: pl.Series) -> str:
    """Return a column and the first rows of it that are wrong, as a place."""
    return f"{name} rows {listing((np.flatnonzero(wrong.to_numpy())[:5] + 1).tolist())}"
