"""From a recipe's `data:` block to splits: read, check the columns, skip unusable rows, split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.data import checks, folds, groups, splits
from toolkit.data.alignment import aligned
from toolkit.data.chosen_rows import written
from toolkit.data.columns import require_kinds, with_paths, with_values
from toolkit.data.overlap import HIDDEN, THUMBNAIL, Overlap, measure_overlap
from toolkit.data.reader import ColumnRoles, read_raw_splits, with_files
from toolkit.errors import DataError, Fault, ToolkitError
from toolkit.plugin import Plugin
from toolkit.plugin_types import ReshapedRows
from toolkit.plugin_types.columns import LIKENESS, marked

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin_types import Column
    from toolkit.recipe.schema import DataSpec, SplitSpec

SHOWN = 5  # cells of a kind that are named


@dataclass(kw_only=True)
class LoadedData(Overlap):
    """The rows of a run, and what is known about them.

    splits: raw rows by split. fingerprint: sha256 of the contents and the way of splitting.
    skipped: split -> reason -> rows left out. notes: what a reader of the report must know.
    groups: split -> column -> the group of each row, where intervals are by groups.
    """

    splits: datasets.DatasetDict
    fingerprint: str
    skipped: dict[str, dict[str, int]] = field(default_factory=dict)
    groups: dict[str, groups.Columns] = field(default_factory=dict)


def load_splits(
    spec: DataSpec,
    columns: Mapping[str, tuple[str, Column]],
    seed: int,
    extra_columns: Mapping[str, str] | None = None,
    plugin: Plugin[Any] | None = None,
    features: bool = True,
    cluster: Sequence[str] = (),
) -> LoadedData:
    """Load, check and split the rows that a recipe names.

    Args:
        spec: the recipe's `data:` block.
        columns: option -> (column name, its marker), for the options that name columns.
        seed: of the split, where the spec has none.
        extra_columns: key path -> column name of other columns that must exist.
        plugin: whose hooks reshape and inspect the rows of each split, and add features to all.
        features: whether they also inspect the rows and add features.
        cluster: columns whose groups intervals are by; by default those that splits keep together,
            or what the plugin names.

    Raises:
        DataError: all faults of paths, files, columns or rows at once.
    """
    import datasets

    datasets.disable_progress_bars()
    roles = ColumnRoles.of(columns)
    raw, fingerprint, notes, dropped = _read(spec, roles, plugin)
    raw, more = check_columns(raw, spec, columns, roles.target, extra_columns or {})
    notes += more
    for name in checks.unlabelled(raw, roles.required_target) if roles.required_target else ():
        notes.append(f"split {name!r} has no labels (all are -1) and is left out")
        raw.pop(name)
    hooked = plugin if features else None
    raw, unusable = inspected(raw, hooked)
    usable, skipped = checks.skip_rows(
        raw, roles.inputs, roles.required_target, spec.on_missing, unusable
    )
    for name in (name for name in raw if name not in usable):
        count = sum(skipped[name].values())
        notes.append(f"split {name!r} has no usable row ({count:,} skipped) and is left out")
    skipped |= {name: {**reasons, **skipped.get(name, {})} for name, reasons in dropped.items()}
    if hooked is not None:
        usable = derived(usable, hooked)
    split, target, planned = _planned(spec, roles.target, hooked)
    made, more = _made(usable, split, target, seed, split.group == spec.group)
    found = measure_overlap(made, roles.inputs, roles.target)
    made = made.remove_columns([name for name in HIDDEN if name in made["train"].column_names])
    made = datasets.DatasetDict({name: written(rows) for name, rows in made.items()})
    fingerprint = hashlib.sha256(f"{fingerprint}{_way(spec, split, seed)}".encode()).hexdigest()
    if spec.group:
        more += groups.notes(groups_of(made, [spec.group]), spec.group)
    found.notes = [*notes, *planned, *more, *found.notes]
    by = groups.named(cluster, spec.group, split.group)
    if hooked is not None and not by:
        by = recurring(made, hooked.clusters())
    kept = {"skipped": skipped, "groups": groups_of(made, by), **vars(found)}
    return LoadedData(splits=made, fingerprint=fingerprint, **kept)


def _planned(
    spec: DataSpec, target: str | None, plugin: Plugin[Any] | None
) -> tuple[SplitSpec, str | None, Sequence[str]]:
    """Return how missing splits are made, the column to stratify by, and notes."""
    split = spec.split
    if not (split.group or split.time):
        split = split.model_copy(update={"group": spec.group})
    return plugin.plan_split(split, target) if plugin is not None else (split, target, ())


def _made(
    usable: dict[str, datasets.Dataset],
    split: SplitSpec,
    target: str | None,
    seed: int,
    units: bool,
) -> tuple[datasets.DatasetDict, list[str]]:
    """Return all splits, the missing ones made, and notes: see `splits.make_splits`."""
    told: list[str] = []
    if split.folds:
        usable, told = folds.apart(usable, split, target, seed, units)
    made, more = splits.make_splits(usable, split, target, seed, units)
    return made, [*told, *more]


def _way(spec: DataSpec, split: SplitSpec, seed: int) -> str:
    """Return what, besides the files, decides which rows are in which split."""
    split_seed = seed if spec.split.seed is None else spec.split.seed
    unused = set() if split.folds else {"folds", "fold"}  # runs before there were folds go on
    return json.dumps([split.model_dump(exclude=unused), split_seed, spec.on_missing, spec.rename])


def groups_of(
    splits: Mapping[str, datasets.Dataset], columns: Sequence[str]
) -> dict[str, groups.Columns]:
    """Return split -> column -> the group of each row; {} without columns."""
    return {str(name): {column: groups.of_rows(rows, column) for column in columns}
            for name, rows in splits.items() if columns}  # fmt: skip


def recurring(splits: Mapping[str, datasets.Dataset], names: Iterable[str]) -> list[str]:
    """Return the columns that all splits have, and in which values of test come more than once."""
    there = [name for name in dict.fromkeys(names)
             if all(name in rows.column_names for rows in splits.values())]  # fmt: skip
    test = splits["test"]
    return [name for name in there
            if len(set(groups.codes(groups.of_rows(test, name)))) < len(test)]  # fmt: skip


def _read(
    spec: DataSpec, roles: ColumnRoles, plugin: Plugin[Any] | None
) -> tuple[dict[str, datasets.Dataset], str, list[str], dict[str, dict[str, int]]]:
    """Return the splits in the plugin's shape, fingerprint and notes, and what was dropped."""
    raw, fingerprint, notes = read_raw_splits(spec, roles, plugin)
    if "train" not in raw:
        raise DataError(Fault("data.source", f"has {', '.join(raw)} but no train split"))
    if plugin is None:
        return raw, fingerprint, notes, {}
    raw, more, dropped = shaped(raw, plugin, roles)
    return raw, fingerprint, [*notes, *more], dropped


def shaped(
    raw: dict[str, datasets.Dataset], plugin: Plugin[Any], roles: ColumnRoles
) -> tuple[dict[str, datasets.Dataset], list[str], dict[str, dict[str, int]]]:
    """Return splits in the plugin's shape, its notes, and split -> reason -> rows dropped."""
    notes, dropped = list[str](), dict[str, dict[str, int]]()
    if type(plugin).reshape_rows is not Plugin.reshape_rows:
        raw = valued(raw, marked(plugin.options).values())
    # Train comes first: plugins may read the other splits as they found it to be.
    for name, rows in sorted(raw.items(), key=lambda one: one[0] != "train"):
        made = reshaped(plugin, rows, name, roles)
        raw[name], notes = made.rows, [*notes, *made.notes]
        if made.dropped:
            dropped[name] = dict(made.dropped)
    return raw, notes, dropped


def valued(
    splits: Mapping[str, datasets.Dataset], columns: Iterable[tuple[str, Column]]
) -> dict[str, datasets.Dataset]:
    """Return splits with texts as the values that columns are marked for: see `with_values`.

    Raises:
        DataError: the first cells that are none, and how many more there are.
    """
    found, wrong = with_values(splits, columns)
    faults = [Fault(f"{split} row {row + 1}", why) for split, rows in wrong.items()
              for row, why in list(rows.items())[:SHOWN]]  # fmt: skip
    faults += [Fault(split, f"and {len(rows) - SHOWN:,} more such cells")
               for split, rows in wrong.items() if len(rows) > SHOWN]  # fmt: skip
    if faults:
        raise DataError(faults)
    return found


def reshaped(
    plugin: Plugin[Any], rows: datasets.Dataset, split: str, roles: ColumnRoles
) -> ReshapedRows:
    """Return the rows as `Plugin.reshape_rows` makes them, the files that they name as files.

    Raises:
        DataError: a file is missing, or no row is left.
    """
    made = plugin.reshape_rows(rows, split)
    found = made if isinstance(made, ReshapedRows) else ReshapedRows(made)
    if found.rows is rows:
        return found
    faults, where = list[Fault](), f"{type(plugin).__name__}.reshape_rows, {split}"
    whole = with_files(found.rows, roles.files, Path(), where, faults)
    if not len(whole):
        faults.append(Fault(where, f"makes no row of {len(rows):,}"))
    if faults:
        raise DataError(faults)
    return replace(found, rows=whole)


def check_columns(
    raw: Mapping[str, datasets.Dataset],
    spec: DataSpec,
    columns: Mapping[str, tuple[str, Column]],
    target: str | None,
    extra: Mapping[str, str],
    **told: str,
) -> tuple[dict[str, datasets.Dataset], list[str]]:
    """Return the splits with the columns that are used in the types that are wanted; and notes.

    told: `source` and `advice` of `checks.require_columns`.
    """
    wanted = {f"options.{option}": name for option, (name, _) in columns.items()}
    by = {"data.group": spec.group, "data.split.group": spec.split.group,
          "data.split.time": spec.split.time}  # fmt: skip
    wanted |= {key: name for key, name in by.items() if name is not None} | dict(extra)
    found = {name: with_paths(rows, wanted.values()) for name, rows in raw.items()}
    checks.require_columns(found, wanted, **told)
    found = valued(found, columns.values())
    require_kinds(found, columns)
    if target is not None and "train" in found:
        checks.require_same_classes(found, target)
    return aligned(found, set(wanted.values()))


def inspected(
    raw: dict[str, datasets.Dataset], plugin: Plugin[Any] | None
) -> tuple[dict[str, datasets.Dataset], dict[str, Mapping[str, Sequence[int]]]]:
    """Return the rows with their likeness as a column, and split -> reason -> unusable rows."""
    if plugin is None or type(plugin).inspect_rows is Plugin.inspect_rows:
        return raw, {}
    found = {name: plugin.inspect_rows(split, name) for name, split in raw.items()}
    fatal = [fault for one in found.values() for fault in one.fatal]
    if fatal:
        raise DataError(fatal)
    for column, attribute in ((LIKENESS, "likeness"), (THUMBNAIL, "thumbnails")):
        values = {name: getattr(one, attribute) for name, one in found.items()}
        if all(of is not None for of in values.values()):
            raw = {name: split.add_column(column, list(values[name]))
                   for name, split in raw.items()}  # fmt: skip
    return raw, {name: one.unusable for name, one in found.items()}


def derived(given: dict[str, datasets.Dataset], plugin: Plugin[Any]) -> dict[str, datasets.Dataset]:
    """Return splits with the plugin's features, which see the rows of all of them together."""
    import datasets

    whole = datasets.concatenate_datasets(list(given.values()))
    found = plugin.add_features(whole)
    if found is whole:
        return given
    if len(found) != len(whole):
        raise ToolkitError(
            f"add_features returned {len(found)} rows for {len(whole)}: it must keep every one"
        )
    split, start = {}, 0
    for name, rows in given.items():
        split[name] = found.select(range(start, start + len(rows)))
        start += len(rows)
    return split
