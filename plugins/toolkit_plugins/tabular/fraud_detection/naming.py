"""What the names of columns say: label, time, amount and entities that the options leave open."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toolkit_plugins.tabular.money import UNITS
from toolkit_plugins.tabular.times import is_iso, is_written_out

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

LABELS = ("fraud", "fraudulent", "scam", "label", "class", "target", "default", "y")
AMOUNTS = ("amount", "amt")
#: Of a transaction itself, where several columns are amounts.
OWN = {"transaction", "trans", "txn", "tx", "payment", "purchase", "total"}
TIMES = ("time", "date", "timestamp", "datetime", "day")
#: Dates of a person or a contract, not of the event.
_BEFORE = """birth dob bind open opened opening created signup join joined start issue issued
    effective expiry expires expiration due end"""
BEFORE = frozenset(_BEFORE.split())
ENTITIES = ("card", "cc", "customer", "client", "account", "user", "terminal", "merchant", "device",
            "orig", "dest", "id")  # fmt: skip
EPOCH = (1e8, 1e11)  # seconds of a date; smaller numbers count from a start of their own


def words(name: str) -> list[str]:
    """Return the words of a name in lower case: TX_FRAUD, isFraud and is-fraud have two."""
    return [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def label(frame: pl.DataFrame, used: set[str]) -> str | None:
    """Return the column of two values that is named like a label; of several the shortest name."""
    two = [n for n in of_two_values(frame) if n not in used]
    for word in LABELS:
        found = [n for n in two if word in words(n) or (word == "fraud" and word in n.lower())]
        if found:
            return min(found, key=lambda n: len(words(n)))
    return None


def of_two_values(frame: pl.DataFrame) -> list[str]:
    """Return the columns of two values, gaps aside."""
    return [n for n in frame.columns if _has_two(frame[n])]


def _has_two(column: pl.Series) -> bool:
    return not column.dtype.is_nested() and column.drop_nulls().n_unique() == 2


def amount(frame: pl.DataFrame, names: Iterable[str]) -> tuple[str | None, list[str]]:
    """Return the column whose name or unit says that it is the amount, and others it may be."""
    import polars as pl

    kinds = [n for n in names if frame[n].dtype.is_numeric() or frame[n].dtype == pl.String]
    found = [n for n in kinds if set(AMOUNTS) & set(words(n)) or set(words(n)[-1:]) & UNITS]
    if len(found) > 1:
        own = [n for n in found if not set(words(n)) - OWN - UNITS - set(AMOUNTS)]
        found = own if len(own) == 1 else found
    return (found[0], []) if len(found) == 1 else (None, found)


def time(frame: pl.DataFrame, names: Iterable[str]) -> tuple[str | None, list[str]]:
    """Return the column of the time of each row, and other columns of times.

    Dates that are earlier in a person's or a contract's life come last.
    """
    found = [n for n in names if _is_time(frame[n])]
    found.sort(key=lambda n: bool(BEFORE & set(words(n))))
    return (found[0], found[1:]) if found else (None, [])


def _is_time(column: pl.Series) -> bool:
    import polars as pl

    if column.dtype.is_temporal():
        return column.dtype in (pl.Date, pl.Datetime)
    if column.dtype == pl.String and is_iso(column):
        return True
    lowered = column.name.lower()
    if not (set(TIMES) & set(words(column.name)) or lowered.endswith(TIMES[:3])):
        return False
    if column.dtype == pl.String:
        return is_written_out(column)
    if not column.dtype.is_numeric():
        return False
    least, most = column.min(), column.max()
    return isinstance(least, int | float) and EPOCH[0] <= least and float(str(most)) < EPOCH[1]


def counts_from_a_start(column: pl.Series) -> bool:
    """Return whether a column's name and numbers are of a clock that begins anywhere."""
    return column.dtype.is_numeric() and {"time", "timestamp", "seconds"} >= set(words(column.name))


def is_entity(column: pl.Series) -> bool:
    """Return whether name and values are an entity's: values recur, unlike a row number."""
    import polars as pl

    named = bool(set(ENTITIES) & set(words(column.name))) or column.name.lower().endswith("id")
    codes = column.dtype.is_integer() or column.dtype == pl.String
    return named and codes and 2 < column.n_unique() < 0.5 * len(column)
