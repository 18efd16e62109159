"""Roles that are proposed for the columns that the options leave open, and leakage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing
from toolkit_plugins.tabular import money, times
from toolkit_plugins.tabular.fraud_detection import naming
from toolkit_plugins.tabular.fraud_detection.schema import Schema, as_label

if TYPE_CHECKING:
    import polars as pl

    from toolkit_plugins.tabular.fraud_detection.options import FraudOptions

POSITIVE = ("1", "true", "yes", "fraud", "fraudulent", "y")
MOST_CATEGORIES = 100  # different values of a proposed categorical column
SAMPLE = 100_000  # rows that a proposal looks at
GIVES_AWAY = 0.99  # area under the ROC curve of one column alone


def resolve(frame: pl.DataFrame, options: FraudOptions, split_time: str | None) -> Schema:
    """Return the columns of a table; those that the options leave open are proposed.

    Args:
        split_time: the column by which splits are made, if they are.

    Raises:
        DataError: no label among the columns, or a column that is named twice.
    """
    taken = [options.time, options.amount, options.label, *(options.entities or ()),
             *(options.numeric or ()), *(options.categorical or ())]  # fmt: skip
    used = [name for name in taken if name is not None]
    twice = sorted({name for name in used if used.count(name) > 1})
    if twice:
        raise DataError(Fault("options", f"{listing(twice)} is named twice"))
    _check_plain(frame, used)
    label = options.label or naming.label(frame, set(used))
    start = Schema(
        options.time or split_time,
        options.amount,
        tuple(options.entities or ()),
        tuple(options.numeric or ()),
        tuple(options.categorical or ()),
        label,
        day_first=options.day_first,
    )
    if options.task == "detect" and label is None:
        raise DataError(
            Fault("options.label", f"no column of two values looks like a label. {_two(frame)} "
                                   f"Columns: {listing(frame.columns, 40)}. Name it with "
                                   "--set options.label=COLUMN.")
        )  # fmt: skip
    schema = replace(start, labels=_values(frame, label, options.fraud)) if label else start
    return _proposed(frame, schema, options)


def _two(frame: pl.DataFrame) -> str:
    """Return which columns have two values, as a label has."""
    names = naming.of_two_values(frame)
    return f"Of two values: {listing(names)}." if names else "None has two values."


def _check_plain(frame: pl.DataFrame, names: list[str]) -> None:
    """Refuse columns whose cells hold more than one value."""
    faults = [
        Fault(name, f"holds {frame[name].dtype}: one value a row is expected")
        for name in names
        if name in frame.columns and frame[name].dtype.is_nested()
    ]
    if faults:
        raise DataError(faults)


def _values(frame: pl.DataFrame, label: str, fraud: str | None) -> tuple[str, str]:
    values = frame[label].drop_nulls()
    counts = {as_label(row[label]): int(row["count"])
              for row in values.value_counts(sort=True).head(20).to_dicts()}  # fmt: skip
    if len(counts) != 2:
        what = f"{label!r} has {values.n_unique():,} values ({listing(counts, 5)}), not two"
        raise DataError(Fault("options.label", what))
    names = sorted(counts)
    if fraud is not None and fraud not in counts:
        raise DataError(Fault("options.fraud", f"is {fraud!r}; {label!r} has {listing(names)}"))
    meant = [name for name in names if name.lower() in POSITIVE]
    positive = fraud or (meant[0] if len(meant) == 1 else min(names, key=counts.__getitem__))
    return next(name for name in names if name != positive), positive


def _proposed(frame: pl.DataFrame, schema: Schema, options: FraudOptions) -> Schema:
    """Propose roles for the columns that the options leave open."""
    notes: list[str] = [] if options.label else [f"label={schema.label}"]
    schema = _amount(frame, _time(frame, schema, notes), options, notes)
    left = [n for n in frame.columns if n not in _used(schema)]
    if options.entities is None and schema.time is not None:
        schema = replace(schema, entities=tuple(n for n in left if naming.is_entity(frame[n])))
        notes.append(f"entities=[{', '.join(schema.entities)}]")
    if options.numeric is None and options.categorical is None:
        passed, numeric, categorical = [], [], []
        for name in (n for n in left if n not in _used(schema)):
            role = _role(frame, name, schema)
            passed += [f"{name} ({role})"] if role not in ("numeric", "categorical") else []
            numeric += [name] if role == "numeric" else []
            categorical += [name] if role == "categorical" else []
        schema = replace(schema, numeric=tuple(numeric), categorical=tuple(categorical))
        notes += [f"numeric=[{', '.join(numeric)}]", f"categorical=[{', '.join(categorical)}]"]
        notes += [f"left out: {', '.join(passed)}"] if passed else []
    return replace(schema, proposed=tuple(notes))


def _time(frame: pl.DataFrame, schema: Schema, notes: list[str]) -> Schema:
    """Propose the time, and find out in which order its days and months are."""
    left = [n for n in frame.columns if n not in _used(schema)]
    if schema.time is None:
        found, others = naming.time(frame, left)
        clocks = [n for n in left if naming.counts_from_a_start(frame[n])]
        if found is not None:
            schema = replace(schema, time=found)
            notes.append(f"time={found}" + (f" (not {listing(others)})" if others else ""))
        else:
            notes += [f"{n} holds no dates: a number like others; to split by it and to use the "
                      f"history, set options.time={n}" for n in clocks[:1]]  # fmt: skip
    if schema.time is None:
        return schema
    return replace(schema, day_first=times.day_first(frame[schema.time], schema.day_first))


def _amount(frame: pl.DataFrame, schema: Schema, options: FraudOptions, notes: list[str]) -> Schema:
    """Propose the amount; without a history, which needs all of them, only one without gaps."""
    import polars as pl

    if schema.amount is None:
        left = [n for n in frame.columns if n not in _used(schema)]
        found, several = naming.amount(frame, left)
        if several:
            notes.append(f"no amount: it may be {listing(several)} (options.amount)")
        nulls = 0 if found is None else frame[found].null_count()
        if nulls and schema.time is None:
            notes.append(f"{found} is not used as the amount: {nulls:,} rows have none")
        elif found is not None:
            schema = replace(schema, amount=found)
            notes.append(f"amount={found}")
    if schema.amount is None or frame[schema.amount].dtype != pl.String:
        return schema
    mark = money.decimal_mark(frame[schema.amount])
    name = {".": "point", ",": "comma"}[mark]
    notes.append(f"{schema.amount} is read as amounts with a decimal {name}")
    return replace(schema, decimal=mark)


def _used(schema: Schema) -> set[str | None]:
    return {schema.time, schema.amount, schema.label, *schema.entities, *schema.numeric,
            *schema.categorical}  # fmt: skip


def _role(frame: pl.DataFrame, name: str, schema: Schema) -> str:
    """Return numeric or categorical, or why a column is neither."""
    import polars as pl

    column = frame[name]
    different = column.n_unique()
    if different < 2:
        return "always the same"
    if column.dtype == pl.String and times.is_iso(column):
        return "dates"
    text = column.dtype in (pl.String, pl.Boolean, pl.Categorical)
    if text and different > MOST_CATEGORIES:
        return f"{different:,} different texts"
    if not text and not column.dtype.is_numeric():
        return str(column.dtype)
    if column.dtype.is_integer() and different == len(column):
        return "a row number"
    if schema.label is not None and gives_away(frame, name, schema) > GIVES_AWAY:
        return "nearly determines the label (leakage?)"
    if schema.time is not None and not text and _goes_with(column, _clock(frame, schema)):
        return f"goes with {schema.time}"
    # Codes of few values are categories; counts and codes of many may be ordered.
    return "categorical" if text or (column.dtype.is_integer() and different <= 12) else "numeric"


def _clock(frame: pl.DataFrame, schema: Schema) -> pl.Series:
    import polars as pl

    column = frame[str(schema.time)]
    if schema.day_first is None:
        return column
    return pl.Series(times.milliseconds_of(column, schema.day_first))


def _goes_with(column: pl.Series, time: pl.Series) -> bool:
    """Return whether a column never falls where time rises, and so stands for the time."""
    ordered = column.gather(time.arg_sort()).drop_nulls()
    return bool((ordered.diff().drop_nulls() >= 0).all())


def gives_away(frame: pl.DataFrame, name: str, schema: Schema) -> float:
    """Return how well one column alone predicts the label: area under the ROC curve, 0.5 to 1.

    A column of few values is scored by the share of frauds of each value.
    """
    import polars as pl
    from sklearn.metrics import roc_auc_score

    part = frame.select(name, str(schema.label)).drop_nulls().head(SAMPLE)
    truth = np.array([as_label(v) == schema.labels[1] for v in part[str(schema.label)].to_list()])
    if truth.all() or not truth.any():
        return 0.5
    values = part[name]
    if values.n_unique() > MOST_CATEGORIES and not values.dtype.is_numeric():
        return 0.5
    if values.n_unique() <= MOST_CATEGORIES:
        shares = pl.DataFrame({"v": values, "t": truth}).select(pl.col("t").mean().over("v"))
        score = shares.to_series().to_numpy()
    else:
        score = values.cast(pl.Float64).fill_nan(0).to_numpy()
        score = np.where(np.isfinite(score), score, 0)
    area = float(roc_auc_score(truth, score))
    return max(area, 1 - area)


def leaks(frame: pl.DataFrame, schema: Schema) -> Iterator[str]:
    """Yield columns in use that nearly determine the label (leakage)."""
    if schema.label is None:
        return
    own = (schema.money,) if schema.money else ()
    for name in (*own, *schema.numeric, *schema.categorical):
        if name in frame.columns and gives_away(frame, name, schema) > GIVES_AWAY:
            yield name
