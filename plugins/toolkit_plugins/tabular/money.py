"""Amounts that are written as texts: signs of currencies, separators of thousands, commas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from toolkit.errors import DataError, Fault

if TYPE_CHECKING:
    import polars as pl

Mark = Literal[".", ","]
_CURRENCIES = """usd eur gbp jpy cny chf cad aud nzd sek nok dkk pln czk huf ron bgn rub inr brl
    mxn zar sgd hkd krw twd thb idr myr php ils aed sar egp ngn kes"""
UNITS = frozenset(_CURRENCIES.split())


def decimal_mark(column: pl.Series) -> Mark:
    """Return the decimal mark of a column of amounts, going by all of its rows.

    Raises:
        DataError: some are no amounts, are in different currencies, or have different marks; one
            is shown.
    """
    import polars as pl

    texts = column.drop_nulls().str.strip_chars()
    texts = texts.filter(texts != "").unique(maintain_order=True)
    units, digits = _unit(texts), _digits(texts)
    wrong = ~digits.str.contains(r"^[+-]?(?:\d[\d.,]*|[.,]\d+)$")
    if wrong.any():
        raise DataError(Fault(column.name, f"holds {texts.filter(wrong)[0]!r}: no amount"))
    if units.n_unique() > 1:
        odd = texts.filter(units != units[0])[0]
        what = f"holds {texts[0]!r} and {odd!r}: amounts in different units cannot be compared"
        raise DataError(Fault(column.name, what))
    last = digits.str.extract(r"([.,])[^.,]*$")
    both = digits.str.contains(r"\..*,|,.*\.")
    several = digits.str.count_matches(r"[.,]") > 1
    three = digits.str.contains(r"[.,]\d{3}$")
    # What ends in three digits, such as 1,234, may be either; what others say decides.
    clear = last.is_not_null() & (both | several | ~three)
    other = last.replace_strict({".": ",", ",": "."}, default=None, return_dtype=pl.String)
    marks = pl.select(pl.when(several & ~both).then(other).otherwise(last)).to_series()
    said = {mark: texts.filter(clear & (marks == mark)) for mark in (".", ",")}
    if len(said["."]) and len(said[","]):
        what = f"holds {said['.'][0]!r} and {said[','][0]!r}: which mark is the decimal one?"
        raise DataError(Fault(column.name, what))
    # No money has three decimals: commas before three digits each time separate thousands.
    return "," if len(said[","]) else "."


def values_of(column: pl.Series, mark: Mark) -> pl.Series:
    """Return amounts as float64; null where there is none, or it cannot be read."""
    import polars as pl

    digits = _digits(column.str.strip_chars())
    digits = digits.str.replace_all("," if mark == "." else ".", "", literal=True)
    found = digits.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    return found.alias(column.name)


def _unit(texts: pl.Series) -> pl.Series:
    """Return what is neither a number nor a sign, such as $ or EUR."""
    return texts.str.replace_all(r"[\d.,'()\s+\u00a0\u202f\u2019-]", "")


def _digits(texts: pl.Series) -> pl.Series:
    """Return sign, digits and marks; brackets around an amount are a minus."""
    import polars as pl

    below = texts.str.contains(r"^\(.*\)$|^[^\d]*-|-$")
    bare = texts.str.replace_all(r"\p{Sc}|^\s*[A-Za-z]{1,3}\.?\s*|\s*[A-Za-z]{1,3}\.?\s*$", "")
    bare = bare.str.replace_all(r"^\(|\)$|['\s+\u00a0\u202f\u2019]", "")
    bare = bare.str.replace(r"^-?\p{Sc}?-?(.*?)-?$", "$1")
    return pl.select(pl.when(below).then("-" + bare).otherwise(bare)).to_series()
