"""Rows to predict: one table, read as for training, without splits and without a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import datasets
import numpy as np

from toolkit.data import checks, media, sources
from toolkit.data.columns import require_kinds, with_numbers, with_paths
from toolkit.data.load import reshaped
from toolkit.data.reader import ColumnRoles, RaggedRows, read_remote, read_tables
from toolkit.errors import DataError, Fault
from toolkit.recipe.schema import DataSpec
from toolkit.utils.text import listing

if TYPE_CHECKING:
    from toolkit.plugin import Plugin
    from toolkit.plugin_types import Column

T = TypeVar("T")


def read_prediction_rows(
    source: str,
    columns: Mapping[str, tuple[str, Column]],
    rename: Mapping[str, str],
    shown: str,
    split: str | None = None,
    plugin: Plugin[Any] | None = None,
    ragged: RaggedRows | None = None,
) -> tuple[datasets.Dataset, str]:
    """Return the rows of one table and the digest of their contents; no splits are made.

    A missing file that a row names is no error here: the plugin reports it for that row alone.

    Args:
        source: a path, hub: or plugin:; for scenarios that read files also a folder of them.
        columns, rename: as `load_splits` and its spec take them.
        shown: the source's name in messages; paths in rows are relative to its folder.
        split: which one, of a source that has several.
        plugin: which may have file formats of its own, and reshape rows.
        ragged: takes the rows of a csv file that do not fit its header.

    Raises:
        DataError: all faults of the path, file or columns.
    """
    datasets.disable_progress_bars()
    spec = DataSpec(source=source, rename=dict(rename))
    roles = ColumnRoles.of(columns)
    folders = media.class_folders(source) if len(roles.files) == 1 else None
    if folders is not None:
        ((column, suffixes),) = roles.files.items()
        raw = media.files_below(_one_split(folders[0], split, shown), suffixes, column)
        return raw, media.fingerprint({"rows": raw}, [column])
    own = plugin.file_formats if plugin else ()
    found, contents, _ = read_remote(spec) or read_tables(spec, roles.as_text, [], own, ragged)
    raw = _one_split(found, split, shown)
    inputs = {key: (n, mark) for key, (n, mark) in columns.items() if mark.role != "target"}
    if plugin is not None:
        raw = reshaped(plugin, raw, "predict", roles).rows
    raw = with_paths(raw, [name for name, _ in inputs.values()])
    checks.require_columns({"rows": raw}, {f"options.{k}": n for k, (n, _) in inputs.items()})
    numbers = [name for name, mark in inputs.values() if mark.kind == "number"]
    raw = with_numbers(raw, numbers)
    require_kinds({"rows": raw}, inputs)
    for name in (name for name, mark in inputs.values() if mark.files):
        raw, wrong = media.as_files(raw, name, Path(shown).parent, shown)
        kind = raw.features[name]
        if wrong and not (isinstance(kind, dict) and "digest" in kind):
            raise DataError(wrong)
    return raw, f"{split}:{contents}" if split else contents


def unusable_rows(
    raw: datasets.Dataset, inputs: Sequence[str], plugin: Plugin[Any]
) -> dict[int, str]:
    """Return row -> why it cannot be predicted."""
    found: dict[int, str] = {}
    if inputs:
        empty = checks.missing(raw, inputs)
        found = dict.fromkeys(np.flatnonzero(empty).tolist(), f"empty {', '.join(inputs)}")
    for name in inputs:
        if isinstance(raw.features[name], dict) and "digest" in raw.features[name]:
            found |= {row: f"there is no file {cell['path']!r}" for row, cell in
                      enumerate(raw[name]) if cell and cell["digest"] is None}  # fmt: skip
    for why, places in plugin.inspect_rows(raw, "predict").unusable.items():
        found |= dict.fromkeys(map(int, places), why)
    return found


def _one_split(found: Mapping[str, T], split: str | None, shown: str) -> T:
    name = sources.split_named(split) if split else None
    there = listing(known for known in sources.ALIASES if known in found)
    if split and name not in found:
        raise DataError(Fault("--split", f"{split!r} is none of {there} in {shown}"))
    if name is None and len(found) > 1:
        raise DataError(Fault(shown, f"has {there}: --split says which of them"))
    return found[name or next(iter(found))]
