"""Columns of lists and objects: paths into them, and whether they hold what a scenario expects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.errors import DataError, Fault

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin_types import Column

BATCH = 10_000  # rows of a table
SPREAD = 50  # as many rows as are wanted are passed over, at most
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
# Not 007, which is a code, 1e5, which may be, nor whole numbers of more digits than a float has.
PLAIN = r"^-?(0|[1-9]\d{0,14})(\.\d+([eE][+-]?\d+)?|[eE]-\d+)?$"
PATTERNS = {"": PLAIN, "number": NUMBER, "boolean": "^(true|false|0|1)$"}  # of texts, by kind
ABSENT = pa.array(
    ["", "NA", "N/A", "n/a", "<NA>", "NaN", "nan", "null", "NULL", "None", "#N/A", None]
)
DEEPEST = 4  # keys of a path that are searched for the nearest one
KINDS = {  # of `Column` -> what may be in it, as `kind_of` names it, and in messages
    "text": ({"text", "number", "boolean", "other"}, "a text"),
    "number": ({"number", "boolean"}, "a number"),
    "boolean": ({"boolean", "number"}, "true or false"),
    "list": ({"list"}, "a list"),
    "object": ({"object"}, "an object"),
}


def tables(split: datasets.Dataset, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows of some columns as Arrow tables of up to 10,000 rows, in order."""
    chosen = split.select_columns(list(columns)).with_format("arrow")
    if chosen._indices is None:
        yield from chosen.iter(BATCH)
        return
    # `datasets` gathers chosen rows one by one, which takes 3 seconds per million.
    for start in range(0, len(chosen), BATCH):
        numbers = chosen._indices.fast_slice(start, BATCH).column(0).to_numpy().astype(np.int64)
        first, last = int(numbers[0]), int(numbers[-1])
        if last - first < SPREAD * len(numbers) and (np.diff(numbers) > 0).all():
            among = np.zeros(last - first + 1, bool)
            among[numbers - first] = True
            yield chosen.data.fast_slice(first, len(among)).filter(pa.array(among))
        else:
            yield chosen[start : start + len(numbers)]


def column_values(split: datasets.Dataset, column: str) -> pa.ChunkedArray:
    """Return the values of a column, a chunk for each table of `tables`."""
    return pa.chunked_array([t[column].combine_chunks() for t in tables(split, [column])])


def numbers(split: datasets.Dataset, column: str) -> np.ndarray[Any, Any]:
    """Return a column of numbers as one array; `datasets` makes an object of each on the way."""
    return np.asarray(column_values(split, column).to_numpy()) if len(split) else np.zeros(0, int)


def with_paths(rows: datasets.Dataset, names: Iterable[str]) -> datasets.Dataset:
    """Return rows with a column for each name that is a path into objects (`translation.en`).

    Of a list of objects it holds the list of their values. A column of that name goes first.
    """
    for name in dict.fromkeys(names):
        found = None if name in rows.column_names else _resolved(rows, name)
        if found is not None:
            rows = rows.add_column(name, found[0], feature=found[1])
    return rows


def with_values(
    splits: Mapping[str, datasets.Dataset], columns: Iterable[tuple[str, Column]]
) -> tuple[dict[str, datasets.Dataset], dict[str, dict[int, str]]]:
    """Return the splits with texts as the numbers or booleans that an option wants of a column.

    Of "number" and "boolean" most cells must be such; the others are as if they were not there, and
    told: split -> row -> why. A column of any kind gets numbers where every cell of every split is
    one that says the same as a text; a code such as 007 stays as it is.
    """
    made: dict[str, dict[str, Any]] = {split: {} for split in splits}
    wrong = dict[str, dict[int, str]]()
    for name, mark in columns:
        if mark.files or mark.role not in ("input", "target") or mark.kind not in PATTERNS:
            continue
        texts = {
            split: trimmed(rows, name) for split, rows in splits.items()
            if name in rows.column_names and kind_of(rows.features[name]) == "text"
        }  # fmt: skip
        known = {split: pc.match_substring_regex(cells, PATTERNS[mark.kind], ignore_case=True)
                 .fill_null(False) for split, cells in texts.items()}  # fmt: skip
        absent = {split: pc.is_in(cells, value_set=ABSENT) for split, cells in texts.items()}
        good = sum(cells.true_count for cells in known.values())
        there = sum(len(cells) - absent[split].true_count for split, cells in texts.items())
        if not good or (2 * good <= there if mark.kind else good < there):
            continue
        values = {split: pc.if_else(known[split], cells, None) for split, cells in texts.items()}
        for split, cells in _converted(values, mark.kind).items():
            odd = pc.indices_nonzero(pc.invert(pc.or_(known[split], absent[split]))).to_pylist()
            told = {row: f"{name} is {texts[split][row].as_py()[:60]!r}: {KINDS[mark.kind][1]} is "
                         "expected" for row in odd}  # fmt: skip
            wrong[split] = wrong.get(split, {}) | told
            made[split][name] = cells
    return {split: replaced(rows, made[split]) for split, rows in splits.items()}, wrong


def _converted(values: Mapping[str, Any], kind: str) -> dict[str, Any]:
    if kind == "boolean":
        true = pa.array(["true", "1"])
        return {split: pc.if_else(pc.is_valid(cells), pc.is_in(pc.utf8_lower(cells), true), None)
                for split, cells in values.items()}  # fmt: skip
    try:
        return {split: pc.cast(cells, pa.int64()) for split, cells in values.items()}
    except pa.ArrowInvalid:  # a fraction, or beyond 64 bits
        return {split: pc.cast(cells, pa.float64()) for split, cells in values.items()}


def trimmed(rows: datasets.Dataset, name: str) -> Any:
    """Return a column of texts as one array, without blanks around them."""
    return pc.utf8_trim_whitespace(pa.concat_arrays(column_values(rows, name).chunks))


def replaced(rows: datasets.Dataset, columns: Mapping[str, pa.Array]) -> datasets.Dataset:
    """Return rows with other values in some columns, in their places."""
    import datasets

    if not columns:
        return rows
    made = datasets.Dataset(pa.table(dict(columns)))
    others = rows.remove_columns(list(columns))
    if not others.column_names:
        return made.select_columns(rows.column_names)
    return datasets.concatenate_datasets([others, made], axis=1).select_columns(rows.column_names)


def _resolved(rows: datasets.Dataset, name: str) -> tuple[pa.Array, Any] | None:
    """Return the values at a path and their feature; None where it leads nowhere."""
    keys = name.split(".")
    for count in range(len(keys) - 1, 0, -1):
        head = ".".join(keys[:count])
        if head in rows.column_names:
            feature = rows.features[head]
            for key in keys[count:]:
                feature = _inner(feature, key)
            if feature is None:
                return None
            values = pa.concat_arrays(column_values(rows, head).chunks)
            for key in keys[count:]:
                values = _field(values, key)
            return values, feature
    return None


def _inner(feature: Any, key: str) -> Any:
    """Return the feature of a key in objects, or in a list of them; None where there is none."""
    import datasets

    if isinstance(feature, dict):
        return feature.get(key)
    if isinstance(feature, datasets.List | datasets.LargeList):
        inside = _inner(feature.feature, key)
        return None if inside is None else type(feature)(inside)
    return None


def _field(values: pa.Array, key: str) -> pa.Array:
    if pa.types.is_struct(values.type):
        return pc.struct_field(values, key)
    # A copy, as a slice of lists cannot be made anew with its nulls.
    whole = values.take(pa.array(range(len(values)), pa.int64()))
    inside = _field(whole.values, key)
    return type(whole).from_arrays(whole.offsets, inside, mask=whole.is_null())


def paths_of(features: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of columns, and paths into those of objects."""
    for name, feature in features.items():
        yield from _paths(name, feature, DEEPEST)


def _paths(name: str, feature: Any, left: int) -> Iterator[str]:
    yield name
    inner = feature
    while hasattr(inner, "feature"):
        inner = inner.feature
    if isinstance(inner, dict) and left:
        for key, value in inner.items():
            yield from _paths(f"{name}.{key}", value, left - 1)


def kind_of(feature: Any) -> str:
    """Return text, number, boolean, list, object, null or other for a column's feature."""
    import datasets

    if isinstance(feature, dict):
        return "object"
    if isinstance(feature, datasets.List | datasets.LargeList | list):
        return "list"
    dtype = str(getattr(feature, "dtype", ""))
    if dtype.startswith(("int", "uint", "float", "decimal")):
        return "number"
    names = {"bool": "boolean", "null": "null", "string": "text", "large_string": "text"}
    return names.get(dtype, "other")


def require_kinds(
    splits: Mapping[str, datasets.Dataset], columns: Mapping[str, tuple[str, Column]]
) -> None:
    """Raise DataError for every column that holds something else than its marker's kind.

    A target marked as text may also hold lists of texts: a row may have several labels.
    """
    faults = []
    for option, (name, mark) in columns.items():
        if mark.files or not mark.kind or (mark.kind, mark.role) == ("text", "target"):
            continue
        fitting, expected = KINDS[mark.kind]
        for split, rows in splits.items():
            if name in rows.column_names and (
                kind_of(rows.features[name]) not in {*fitting, "null"}
            ):
                held = next((value for value in rows[name] if value is not None), None)
                where = "" if split == "train" or len(splits) == 1 else f" in {split}"
                what = f"holds {str(held)[:60]}{where}: {expected} is expected (options.{option})"
                faults.append(Fault(name, what))
                break
    if faults:
        raise DataError(faults)
