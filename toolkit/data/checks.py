"""Columns that must be there, files that must agree, and rows that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing, nearest

if TYPE_CHECKING:
    import datasets

BATCH = 10_000
SHOWN = 5


def tables(split: datasets.Dataset, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows of some columns as Arrow tables of up to 10,000 rows, in order."""
    yield from split.select_columns(list(columns)).with_format("arrow").iter(BATCH)


def require_columns(splits: Mapping[str, datasets.Dataset], wanted: Mapping[str, str]) -> None:
    """Raise DataError for every wanted column (key path -> name) that a split lacks.

    A column that all splits lack is one fault, not three.
    """
    faults = []
    for key, name in wanted.items():
        lacking = [split for split in splits if name not in splits[split].column_names]
        if lacking:
            there = splits[lacking[0]].column_names
            where = "" if len(lacking) == len(splits) else f" in {listing(lacking)}"
            faults.append(
                Fault(
                    key,
                    f"there is no column {name!r}{where}.{nearest(name, there)} "
                    f"Columns found: {listing(there, 40)}. "
                    f"Name the right one with --set {_setting(key)}.",
                )
            )
    if faults:
        raise DataError(faults)


def _setting(key: str) -> str:
    block, _, last = key.rpartition(".")
    return f"{block}=[COLUMN, ...]" if last.isdigit() else f"{key}=COLUMN"


def same_labels(splits: Mapping[str, datasets.Dataset], target: str) -> None:
    """Raise DataError where a split's coded classes (ClassLabel) are not those of train.

    The same number would stand for another class there, or a text for none.
    """
    kinds = {name: _classes(split.features[target]) for name, split in splits.items()}
    faults = [
        Fault(name, f"{target!r} has {_in_words(kind)}, in train {_in_words(kinds['train'])}")
        for name, kind in kinds.items()
        if kind != kinds["train"] and _dtype(splits[name].features[target]) != "null"
    ]
    if faults:
        raise DataError(faults)


def _classes(feature: Any) -> tuple[str, ...] | None:
    names = getattr(getattr(feature, "feature", feature), "names", None)
    return None if names is None else tuple(names)


def _in_words(classes: tuple[str, ...] | None) -> str:
    return "no class names" if classes is None else f"the classes {listing(classes)}"


def joined(
    parts: Sequence[datasets.Dataset], paths: Sequence[Path], faults: list[Fault]
) -> datasets.Dataset:
    """Return the files of one split as one Dataset; files that do not agree become faults."""
    import datasets

    for part, path in zip(parts[1:], paths[1:], strict=True):
        odd = sorted(set(part.column_names) ^ set(parts[0].column_names))
        if odd:
            faults.append(
                Fault(str(path), f"differs from {paths[0].name} in the columns {listing(odd)}")
            )
    if len(parts) == 1 or faults:
        return parts[0]
    common = parts[0].features.copy()
    for part, path in zip(parts[1:], paths[1:], strict=True):
        for name, feature in part.features.items():
            here, there = _classes(feature), _classes(common[name])
            if here != there and "null" not in (_dtype(feature), _dtype(common[name])):
                what = f"{name!r} has {_in_words(here)}, in {paths[0].name} {_in_words(there)}"
                faults.append(Fault(str(path), what))
            common[name] = _wider(common[name], feature)
    if faults:
        return parts[0]
    try:
        return datasets.concatenate_datasets([part.cast(common) for part in parts])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, TypeError, ValueError) as error:
        faults.append(Fault(str(paths[-1]), f"does not fit {paths[0].name}: {error}"))
        return parts[0]


def _wider(first: Any, other: Any) -> Any:
    """Return the type of a column that one file leaves empty, or fills with whole numbers only."""
    widens = _dtype(first) == "null" or (
        _dtype(first).startswith("int") and _dtype(other).startswith("float")
    )
    return other if widens else first


def _dtype(feature: Any) -> str:
    return str(getattr(feature, "dtype", ""))


def skip_rows(
    splits: Mapping[str, datasets.Dataset],
    inputs: Sequence[str],
    target: str | None,
    on_missing: str,
    unusable: Mapping[str, Mapping[str, Sequence[int]]] | None = None,
) -> tuple[dict[str, datasets.Dataset], dict[str, dict[str, int]]]:
    """Return the usable rows of each split, and how many were set aside for which reason.

    A row is unusable where its target is missing, or where all its inputs are. A split in which
    no row is usable is left out (the unlabelled test splits of public benchmarks); train never.

    Args:
        unusable: split -> reason -> numbers of further rows, which are set aside in any case.

    Raises:
        DataError: with `on_missing="error"` and any unusable row; or no usable row in train.
    """
    usable, counts, faults = {}, {}, []
    for name, split in splits.items():
        no_target = missing(split, [target]) if target else np.zeros(len(split), bool)
        no_input = missing(split, inputs) if inputs else np.zeros(len(split), bool)
        reasons = {f"no {target}": no_target, f"empty {listing(inputs)}": no_input & ~no_target}
        counts[name] = {why: int(rows.sum()) for why, rows in reasons.items() if rows.any()}
        out = no_target | no_input
        for why, rows in (unusable or {}).get(name, {}).items():
            out[list(rows)] = True
            counts[name] |= {why: len(rows)} if len(rows) else {}
        if on_missing == "error":
            faults += [
                Fault(f"{name} rows {listing(np.flatnonzero(rows)[:SHOWN] + 1)}",
                      f"{why} ({int(rows.sum()):,} rows in all)")
                for why, rows in reasons.items() if rows.any()
            ]  # fmt: skip
        if out.all() and name == "train":
            what = ", ".join(f"{n:,} with {why}" for why, n in counts[name].items())
            faults.append(Fault("train", f"no row can be used: {what or 'there is none'}"))
        elif not out.all():
            usable[name] = split.select(np.flatnonzero(~out)) if out.any() else split
    if faults:
        raise DataError(faults)
    return usable, {name: found for name, found in counts.items() if found}


def missing(split: datasets.Dataset, columns: Sequence[str]) -> np.ndarray[Any, Any]:
    """Return one bool per row: true where all the columns are missing or empty."""
    import datasets

    masks = []
    for table in tables(split, columns):
        masks.append(np.logical_and.reduce([absent(table[name]) for name in columns]))
    mask = np.concatenate(masks)
    for name in columns:
        # Public benchmarks mark an unlabelled row as class -1.
        if len(columns) == 1 and isinstance(split.features[name], datasets.ClassLabel):
            mask |= np.concatenate(
                [pc.less(t[name], 0).fill_null(True).to_numpy() for t in tables(split, [name])]
            )
    return mask


def absent(values: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Return one bool per value: true where it is null, NaN, or nothing but spaces."""
    nothing = pc.is_null(values, nan_is_null=pa.types.is_floating(values.type))
    json = isinstance(values.type, pa.JsonType)  # a column of mixed types, as texts of JSON
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if json or any(kind(values.type) for kind in kinds):
        texts = pc.utf8_trim_whitespace(values.cast(pa.large_string()))
        blank = pc.match_substring_regex(texts, r'^"\s*"$') if json else pc.equal(texts, "")
        nothing = pc.or_(nothing, blank.fill_null(True))
    found: np.ndarray[Any, Any] = nothing.to_numpy()
    return found
