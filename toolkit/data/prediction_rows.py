"""Rows to predict: one table, read as for training, without splits and without a target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import datasets
import numpy as np
from pydantic import ValidationError

from toolkit.data import checks, media, sources
from toolkit.data.columns import require_kinds, with_paths, with_values
from toolkit.data.load import reshaped, valued
from toolkit.data.reader import (
    ColumnRoles,
    RaggedRows,
    read_own,
    read_remote,
    read_tables,
    renamed,
    with_files,
)
from toolkit.errors import DataError, Fault, RecipeError
from toolkit.plugin import Plugin
from toolkit.plugin_types.columns import marked
from toolkit.recipe.schema import DataSpec
from toolkit.utils.text import listing, nearest

if TYPE_CHECKING:
    from toolkit.recipe.draft import KeyPath

#: What a recipe's `data` says of how files are read.
READING = ("encoding", "delimiter", "quote", "escape", "rename")
T = TypeVar("T")


@dataclass(frozen=True)
class PredictionRows:
    """Rows to predict.

    given: the same rows as the file has them, where the plugin does not reshape them. digest: of
    what was read, and how. wrong: row -> why it cannot be predicted. dropped: reason -> rows that
    `reshape_rows` dropped.
    """

    rows: datasets.Dataset
    given: datasets.Dataset
    digest: str
    wrong: dict[int, str]
    dropped: Mapping[str, int]


def read_prediction_rows(
    spec: DataSpec,
    plugin: Plugin[Any],
    shown: str,
    split: str | None,
    ragged: RaggedRows,
    columns: Mapping[str, str] = MappingProxyType({}),
) -> PredictionRows:
    """Return the rows of one table; no splits are made.

    A missing file that a row names is no error here: it is told for that row alone.

    Args:
        spec: a path, hub: or plugin:; for scenarios that read files also a folder of them; how it
            is read, and which columns have other names than the model's.
        shown: the source's name in messages; paths in rows are relative to its folder.
        split: which one, of a source that has several.
        ragged: takes the rows of a csv file that do not fit its header.
        columns: the model's name of a column -> what it is called here.

    Raises:
        DataError: all faults of the path, file or columns.
    """
    datasets.disable_progress_bars()
    roles = ColumnRoles.of(marked(plugin.options, "input"))
    read = read_own(spec.model_copy(update={"rename": {}}), [], plugin, labelled=False)
    folders = media.class_folders(spec.source) if len(roles.files) == 1 and not read else None
    if folders is not None:
        ((column, suffixes),) = roles.files.items()
        raw = media.files_below(one_split(folders[0], split, shown), suffixes, column)
        return PredictionRows(raw, raw, media.fingerprint({"rows": raw}, [column]), {}, {})
    own = plugin.file_formats
    plain = spec.model_copy(update={"rename": {}})
    found, contents, _ = read or read_remote(plain) or read_tables(plain, [], own, ragged)
    faults: list[Fault] = []
    given = one_split(found, split, shown)
    raw = renamed(chosen(given, columns, shown), spec.rename)
    advice = "--column {name}=COLUMN"
    raw, wrong, dropped = in_shape(raw, plugin, Path(shown).parent, shown, faults, advice)
    files = [name for name, mark in marked(plugin.options, "input").values() if mark.files]
    if faults and not all(_are_named(raw, name) for name in files):
        raise DataError(faults)
    digest = f"{split}:{contents}" if split else contents
    # Rows that a plugin reshapes may come in another order, or be others, as many as they are.
    same = type(plugin).reshape_rows is Plugin.reshape_rows
    reading = f"{spec.model_dump_json(include=set(READING))}{sorted(columns.items())}"
    return PredictionRows(raw, given if same else raw, f"{digest}:{reading}", wrong, dropped)


def chosen(rows: datasets.Dataset, columns: Mapping[str, str], shown: str) -> datasets.Dataset:
    """Return rows with the chosen columns under the model's names, which none else has then."""
    there = rows.column_names
    lacking = [name for name in columns.values() if name not in there]
    if lacking:
        found = [f" Columns found: {listing(there, 40)}.", *[""] * len(lacking)]  # once for all
        raise DataError([
            Fault("--column", f"{shown} has no column {name!r}.{nearest(name, there)}{more}")
            for name, more in zip(lacking, found, strict=False)
        ])  # fmt: skip
    others = [name for name in columns if name in there and name not in columns.values()]
    return rows.remove_columns(others).rename_columns({old: new for new, old in columns.items()})


def require_read(columns: Mapping[str, str], plugin: Plugin[Any]) -> None:
    """Raise RecipeError for names that the model does not read, or a column of two names."""
    reads = sorted({name for name, _ in marked(plugin.options).values()})
    reading = f"It reads {listing(reads)}"
    faults = [Fault("--column", f"the model reads no column {name!r}.{nearest(name, reads)} "
                    f"{reading}") for name in columns if name not in reads]  # fmt: skip
    chosen = list(columns.values())
    faults += [Fault("--column", f"{name!r} is given for several columns")
               for name in sorted({name for name in chosen if chosen.count(name) > 1})]  # fmt: skip
    if faults:
        raise RecipeError(faults)


def spec_of(
    source: str | list[str], plugin: Plugin[Any], settings: Iterable[tuple[KeyPath, Any]]
) -> DataSpec:
    """Return how a source is read: as the run's own data was, but for what is set.

    Args:
        settings: key paths and values, as of `--set`: data.encoding, .delimiter, .quote, .escape,
            and .rename.

    Raises:
        RecipeError: another key, or a value that it does not take.
    """
    data = plugin.recipe.data if plugin.recipe else DataSpec(source=source)
    values: dict[str, Any] = {key: getattr(data, key) for key in READING}
    faults = []
    for keys, value in settings:
        key = keys[-1]
        if keys[:-1] != ("data",) or key not in READING:
            what = f"is not read here: {listing(f'data.{name}' for name in READING)} are"
            faults.append(Fault(f"--set {'.'.join(keys)}", what))
        else:
            values[key] = value
    if faults:
        raise RecipeError(faults)
    try:
        return DataSpec(source=source, **values)
    except ValidationError as error:
        raise RecipeError([Fault(f"--set data.{one['loc'][0]}", one["msg"])
                           for one in error.errors()]) from None  # fmt: skip


def in_shape(
    raw: datasets.Dataset,
    plugin: Plugin[Any],
    base: Path,
    where: str,
    faults: list[Fault],
    advice: str = "",
) -> tuple[datasets.Dataset, dict[int, str], Mapping[str, int]]:
    """Return rows as hooks expect them, row -> why it is none, and reason -> rows dropped.

    Args:
        base, where: of files that rows name, as `media.as_files` takes them. faults: takes theirs.
        advice: what names another column, as `checks.require_columns` takes it.

    Raises:
        DataError: a column is missing, or holds something else than its kind.
    """
    inputs = marked(plugin.options, "input")
    names = [name for name, _ in inputs.values()]
    if type(plugin).reshape_rows is not Plugin.reshape_rows:
        raw = valued({where: raw}, inputs.values())[where]
    made = reshaped(plugin, raw, "predict", ColumnRoles.of(inputs))
    rows = with_paths(made.rows, names)
    wanted = {f"options.{k}": n for k, (n, _) in inputs.items()}
    checks.require_columns({"rows": rows}, wanted, where, advice)
    found, wrong = with_values({"rows": rows}, inputs.values())
    require_kinds(found, inputs)
    files = [name for name, mark in inputs.values() if mark.files]
    shaped = with_files(found["rows"], files, base, where, faults)
    # A target that is a file is not read, and names what may not be there.
    targets = [name for name, mark in marked(plugin.options, "target").values()
               if mark.files and name in shaped.column_names]  # fmt: skip
    shaped = shaped.remove_columns(targets) if targets else shaped
    return shaped, wrong.get("rows", {}), made.dropped


def unusable_rows(
    raw: datasets.Dataset, inputs: Sequence[str], plugin: Plugin[Any]
) -> dict[int, str]:
    """Return row -> why it cannot be predicted."""
    found: dict[int, str] = {}
    if inputs:
        empty = checks.missing(raw, inputs)
        found = dict.fromkeys(np.flatnonzero(empty).tolist(), f"empty {', '.join(inputs)}")
    for name in inputs:
        if _are_named(raw, name):
            found |= {row: f"there is no file {cell['path']!r}" for row, cell in
                      enumerate(raw[name]) if cell and cell["digest"] is None}  # fmt: skip
    for why, places in plugin.inspect_rows(raw, "predict").unusable.items():
        found |= dict.fromkeys(map(int, places), why)
    return found


def _are_named(rows: datasets.Dataset, column: str) -> bool:
    """Return whether a column's files are named by path; those that are missing lack a digest."""
    kind = rows.features[column]
    return isinstance(kind, dict) and "digest" in kind


def one_split(found: Mapping[str, T], split: str | None, shown: str) -> T:
    """Return the split that is asked for, or the only one.

    Raises:
        DataError: there is no such split, or several and none is asked for.
    """
    name = sources.split_named(split) if split else None
    there = listing(known for known in sources.ALIASES if known in found)
    if split and name not in found:
        raise DataError(Fault("--split", f"{split!r} is none of {there} in {shown}"))
    if name is None and len(found) > 1:
        raise DataError(Fault(shown, f"has {there}: --split says which of them"))
    return found[name or next(iter(found))]
