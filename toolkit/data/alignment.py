"""Columns of several files and splits brought to the same types, for all of them together."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from toolkit.data.columns import column_values, replaced
from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets

EXACT = 1 << 53  # up to here every whole number is a float


def joined(
    parts: Sequence[datasets.Dataset], paths: Sequence[Path], faults: list[Fault]
) -> datasets.Dataset:
    """Return the files of one split as one Dataset; files that do not agree become faults."""
    import datasets

    first, name = parts[0], paths[0].name
    before = len(faults)
    for part, path in zip(parts[1:], paths[1:], strict=True):
        odd = sorted(set(part.column_names) ^ set(first.column_names))
        if odd:
            faults.append(Fault(str(path), f"differs from {name} in the columns {listing(odd)}"))
            continue
        for column in first.column_names:
            own, others = (classes_of(rows.features[column]) for rows in (part, first))
            if own != others and not _is_null(part, column) and not _is_null(first, column):
                what = f"{column!r} has {format_classes(own)}, in {name} {format_classes(others)}"
                faults.append(Fault(str(path), what))
    if len(parts) == 1 or len(faults) > before:
        return first
    same, apart = _unified(dict(enumerate(parts)), first.column_names)
    faults += [Fault(str(paths[-1]), f"{column!r} does not fit {name}: {what}")
               for column, what in apart.items()]  # fmt: skip
    return first if apart else datasets.concatenate_datasets([same[n] for n in range(len(parts))])


def aligned(
    splits: Mapping[str, datasets.Dataset], used: Collection[str]
) -> tuple[dict[str, datasets.Dataset], list[str]]:
    """Return splits with the same columns in the same types, and notes on what that took.

    What not all splits have, or have in types that are nothing in common, is left out, unless it is
    used: `used` names columns that must stay.

    Raises:
        DataError: columns that are used are of types that have nothing in common.
    """
    names = list(dict.fromkeys(name for rows in splits.values() for name in rows.column_names))
    common = [n for n in names if all(n in rows.column_names for rows in splits.values())]
    found, apart = _unified(splits, common)
    if faults := [Fault(name, f"{what}, and it is used") for name, what in apart.items()
                  if name in used]:  # fmt: skip
        raise DataError(faults)
    notes = []
    for name in names:
        there = [split for split, rows in found.items() if name in rows.column_names]
        if name in used or (name in common and name not in apart):
            continue
        why = apart.get(name) or f"only {listing(there)} has it"
        notes.append(f"column {name!r} is not used: {why}")
        for split in there:
            found[split] = found[split].remove_columns(name)
    return found, notes


def classes_of(feature: Any) -> tuple[str, ...] | None:
    """Return the class names of a coded column (ClassLabel), or of a list of such."""
    names = getattr(getattr(feature, "feature", feature), "names", None)
    return None if names is None else tuple(names)


def format_classes(classes: tuple[str, ...] | None) -> str:
    """Return class names for a message."""
    return "no class names" if classes is None else f"the classes {listing(classes)}"


def _is_null(rows: datasets.Dataset, column: str) -> bool:
    return bool(pa.types.is_null(_type(rows, column)))


def _type(rows: datasets.Dataset, column: str) -> pa.DataType:
    return rows.features.arrow_schema.field(column).type


def _unified(
    splits: Mapping[Any, datasets.Dataset], names: Iterable[str]
) -> tuple[dict[Any, datasets.Dataset], dict[str, str]]:
    """Return the datasets with each column in one type, and column -> why there is none."""
    found, apart = dict(splits), {}
    for name in names:
        features = [rows.features[name] for rows in splits.values()]
        if all(feature == features[0] for feature in features):
            continue
        kinds = [_type(rows, name) for rows in splits.values() if not _is_null(rows, name)]
        try:
            for split, rows in found.items():
                found[split] = _cast(rows, name, _common(kinds), splits)
        except (pa.ArrowException, ValueError) as error:
            held = listing(dict.fromkeys(map(str, kinds)), 3)
            apart[name] = f"it holds {held} ({str(error).splitlines()[0]})"
    return found, apart


def _common(kinds: Sequence[pa.DataType]) -> pa.DataType:
    """Return the type in which all values can be said: a text if nothing else.

    Raises:
        ValueError: lists and objects beside something else.
    """
    if any(pa.types.is_nested(kind) for kind in kinds):
        if all(kind == kinds[0] for kind in kinds):
            return kinds[0]
        return pa.unify_schemas(
            [pa.schema([("x", kind)]) for kind in kinds], promote_options="permissive"
        ).field("x").type  # fmt: skip
    if all(kind == kinds[0] for kind in kinds):
        return kinds[0]
    whole = [pa.types.is_integer(kind) for kind in kinds]
    if all(whole):
        return pa.int64()
    if all(pa.types.is_floating(kind) or pa.types.is_integer(kind) for kind in kinds):
        return pa.float64()
    return pa.string()


def _cast(
    rows: datasets.Dataset, name: str, kind: pa.DataType, splits: Mapping[Any, datasets.Dataset]
) -> datasets.Dataset:
    import datasets

    have = _type(rows, name)
    like = next((s.features[name] for s in splits.values() if _type(s, name) == kind), None)
    if have == kind and like is not None and rows.features[name] == like:
        return rows
    if kind == pa.string() and not pa.types.is_null(have):
        cells = column_values(rows, name).to_pylist()
        if isinstance(have, pa.JsonType):  # a column of mixed types
            cells = [None if cell is None else json.loads(cell) for cell in cells]
        return replaced(rows, {name: pa.array(map(as_text, cells), pa.string())})
    if pa.types.is_integer(have) and pa.types.is_floating(kind):
        values = column_values(rows, name)
        if pc.any(pc.greater(pc.abs_checked(values), EXACT)).as_py():
            raise pa.ArrowInvalid("whole numbers too large for a float")
    feature = like if like is not None else datasets.Value(str(kind))
    return rows.cast_column(name, feature)


def as_text(value: Any) -> str | None:
    """Return a cell as a text that says the same: 1 for 1.0, as whole numbers are written."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return str(int(value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
