"""Required columns, files that must agree, and rows that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.data.alignment import classes_of, format_classes
from toolkit.data.columns import column_values, kind_of, paths_of, tables
from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing, nearest

if TYPE_CHECKING:
    import datasets

SHOWN = 5
UNKNOWN = {"-1", "-1.0"}


def require_columns(
    splits: Mapping[str, datasets.Dataset],
    wanted: Mapping[str, str],
    source: str = "",
    advice: str = "--set {setting}",
) -> None:
    """Raise DataError for every wanted column (key path -> name) that a split lacks.

    A column that all splits lack is one fault, not three.

    Args:
        source: of rows to predict: then the fault is the file's. advice: what names another column.
    """
    faults, told = [], []
    for key, name in wanted.items():
        lacking = [split for split in splits if name not in splits[split].column_names]
        if lacking:
            there = splits[lacking[0]].column_names
            paths = list(paths_of(splits[lacking[0]].features))
            where = "" if len(lacking) == len(splits) else f" in {listing(lacking)}"
            block, _, last = key.rpartition(".")
            setting = f"{block}=[COLUMN, ...]" if last.isdigit() else f"{key}=COLUMN"
            reads = f", which the model reads as {key}" if source else ""
            what = f"there is no column {name!r}{where}{reads}.{nearest(name, paths)}"
            if there not in told:  # once for all faults
                told.append(there)
                what += f" Columns found: {listing(there, 40)}."
            way = advice.format(setting=setting, name=name)
            what += f" Name the right one with {way}." if way else ""
            faults.append(Fault(source or key, what))
    if faults:
        raise DataError(faults)


def require_same_classes(splits: Mapping[str, datasets.Dataset], target: str) -> None:
    """Raise DataError where a split's coded classes (ClassLabel) are not those of train.

    Otherwise one id would stand for different classes, or for none.
    """
    classes = {name: classes_of(split.features[target]) for name, split in splits.items()}
    train = format_classes(classes["train"])
    faults = [
        Fault(name, f"{target!r} has {format_classes(found)}, in train {train}")
        for name, found in classes.items()
        if found != classes["train"] and _dtype(splits[name].features[target]) != "null"
    ]
    if faults:
        raise DataError(faults)


def _dtype(feature: Any) -> str:
    return str(getattr(feature, "dtype", ""))


def unlabelled(splits: Mapping[str, datasets.Dataset], target: str) -> list[str]:
    """Return the splits but train whose labels are all -1, as benchmarks mark what is not known."""
    found = [name for name, rows in splits.items() if name != "train"
             and str(next(iter(rows[target]), None)) in UNKNOWN
             and _values(rows, target) <= UNKNOWN]  # fmt: skip
    return [] if found and UNKNOWN & _values(splits["train"], target) else found


def _values(rows: datasets.Dataset, name: str) -> set[str]:
    if kind_of(rows.features[name]) not in ("text", "number"):
        return {""}
    return {str(cell) for cell in pc.unique(column_values(rows, name)).to_pylist()}


def skip_rows(
    splits: Mapping[str, datasets.Dataset],
    inputs: Sequence[str],
    target: str | None,
    on_missing: str,
    unusable: Mapping[str, Mapping[str, Sequence[int]]] | None = None,
) -> tuple[dict[str, datasets.Dataset], dict[str, dict[str, int]]]:
    """Return the usable rows of each split, and how many were skipped for which reason.

    A row is unusable where its target is missing, or where all its inputs are. A split in which
    no row is usable is left out (the unlabelled test splits of public benchmarks), except train.

    Args:
        unusable: split -> reason -> numbers of further rows, which are skipped in any case.

    Raises:
        DataError: with `on_missing="error"` and any unusable row; or no usable row in train.
    """
    usable, faults = {}, []
    counts: dict[str, dict[str, int]] = {}
    for name, split in splits.items():
        out = np.zeros(len(split), bool)
        counts[name] = {}
        for why, rows in _unusable(split, inputs, target).items():
            counts[name][why] = count = int(rows.sum())
            out |= rows
            if on_missing == "error":
                first = listing(np.flatnonzero(rows)[:SHOWN] + 1)
                faults.append(Fault(f"{name} rows {first}", f"{why} ({count:,} rows in all)"))
        for why, numbers in (unusable or {}).get(name, {}).items():
            out[list(numbers)] = True
            counts[name] |= {why: len(numbers)} if len(numbers) else {}
        if out.all() and name == "train":
            what = ", ".join(f"{n:,} with {why}" for why, n in counts[name].items())
            faults.append(Fault("train", f"no row can be used: {what or 'there is none'}"))
        elif not out.all():
            usable[name] = split.select(np.flatnonzero(~out)) if out.any() else split
    if faults:
        raise DataError(faults)
    return usable, {name: found for name, found in counts.items() if found}


def _unusable(
    split: datasets.Dataset, inputs: Sequence[str], target: str | None
) -> dict[str, np.ndarray[Any, Any]]:
    """Return reason -> one bool per row, for the reasons that some row has."""
    found = {}
    no_target = missing(split, [target], target=True) if target else np.zeros(len(split), bool)
    found[f"no {target}"] = no_target
    if inputs:
        found[f"empty {listing(inputs)}"] = missing(split, inputs) & ~no_target
    return {why: rows for why, rows in found.items() if rows.any()}


def missing(
    split: datasets.Dataset, columns: Sequence[str], target: bool = False
) -> np.ndarray[Any, Any]:
    """Return one bool per row: true where all the columns are missing or empty.

    An empty list is missing in an input, and a value in a target.
    """
    import datasets

    # Public benchmarks mark an unlabelled row as class -1.
    label = len(columns) == 1 and isinstance(split.features[columns[0]], datasets.ClassLabel)
    masks = []
    for table in tables(split, columns):
        mask = np.logical_and.reduce([absent(table[name], not target) for name in columns])
        if label:
            mask |= pc.less(table[columns[0]], 0).fill_null(True).to_numpy()
        masks.append(mask)
    return np.concatenate(masks)


def absent(values: pa.ChunkedArray, empty_lists: bool = False) -> np.ndarray[Any, Any]:
    """Return one bool per value: true where it is null, NaN, only spaces, or an empty list."""
    if empty_lists and (pa.types.is_list(values.type) or pa.types.is_large_list(values.type)):
        return np.asarray(pc.list_value_length(values).fill_null(0).to_numpy() == 0)
    nothing = pc.is_null(values, nan_is_null=pa.types.is_floating(values.type))
    json = isinstance(values.type, pa.JsonType)  # a column of mixed types, as JSON texts
    if json or values.type in (pa.string(), pa.large_string(), pa.string_view()):
        texts = pc.utf8_trim_whitespace(values.cast(pa.large_string()))
        blank = pc.match_substring_regex(texts, r'^"\s*"$') if json else pc.equal(texts, "")
        nothing = pc.or_(nothing, blank.fill_null(True))
    return np.asarray(nothing)
