"""DataSpec to DatasetDict: read, check the columns, set unusable rows aside, make the splits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data import checks, media, overlap, sources, splits
from toolkit.errors import DataError, Fault, ToolkitError

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin_types import Column, Examined
    from toolkit.recipe import DataSpec


LIKENESS = "__likeness__"  # the column of what `Plugin.examine` says, while rows are compared


@dataclass
class LoadedData:
    """The rows of a run, and what is known about them.

    splits: raw rows by split. fingerprint: sha256 over contents and the way of splitting.
    skipped: split -> reason -> rows left out. overlap: "train-test" -> exact and normalised
    counts. duplicates: split -> exact and normalised counts. overlapping: one bool per test row,
    true where it stands (normalised) in train or validation. test_digest: of the inputs of the
    test rows, where the scenario has inputs. notes: what a reader must know.
    """

    splits: datasets.DatasetDict
    fingerprint: str
    skipped: dict[str, dict[str, int]] = field(default_factory=dict)
    overlap: dict[str, dict[str, int]] = field(default_factory=dict)
    duplicates: dict[str, dict[str, int]] = field(default_factory=dict)
    overlapping: np.ndarray[Any, Any] | None = None
    test_digest: str | None = None
    notes: list[str] = field(default_factory=list)


def load_splits(
    spec: DataSpec,
    columns: Mapping[str, tuple[str, Column]],
    seed: int,
    extra_columns: Mapping[str, str] | None = None,
    derive: Callable[[datasets.Dataset], datasets.Dataset] | None = None,
    examine: Callable[[datasets.Dataset, str], Examined] | None = None,
) -> LoadedData:
    """Load, check and split the rows that a recipe names.

    Args:
        spec: the recipe's `data:` block.
        columns: option -> (column name, its marker), for the options that name columns.
        seed: of the split, where the spec has none.
        extra_columns: key path -> column name of other columns that must exist.
        derive: adds columns to the rows of all splits together (`Plugin.derive`).
        examine: looks into the inputs of a split's rows (`Plugin.examine`).

    Raises:
        DataError: anything that is wrong with paths, files, columns or rows, all at once.
    """
    import datasets

    datasets.disable_progress_bars()
    as_text = {name for name, mark in columns.values() if mark.as_text}
    as_text |= {old for old, new in spec.rename.items() if new in as_text}
    raw, fingerprint, notes = _read(spec, sorted(as_text), columns)
    named = {f"options.{option}": name for option, (name, _) in columns.items()}
    split_columns = {"data.split.group": spec.split.group, "data.split.time": spec.split.time}
    named |= {key: name for key, name in split_columns.items() if name is not None}
    checks.require_columns(raw, {**named, **(extra_columns or {})})
    inputs = [name for name, mark in columns.values() if mark.role == "input"]
    target = next((name for name, mark in columns.values() if mark.role == "target"), None)
    if target is not None:
        checks.same_labels(raw, target)
    raw, unusable = _examined(raw, examine)
    may_be_empty = any(name == target and mark.may_be_empty for name, mark in columns.values())
    needed = None if may_be_empty else target
    usable, skipped = checks.skip_rows(raw, inputs, needed, spec.on_missing, unusable)
    notes += [
        f"split {name!r} holds no usable row ({sum(skipped[name].values()):,} set aside) "
        "and is left out"
        for name in raw
        if name not in usable
    ]
    if derive is not None:
        usable = _derived(usable, derive)
    made, more = splits.make_splits(usable, spec.split, target, seed)
    found = overlap.measure_overlap(made, inputs, target, LIKENESS) if inputs else overlap.Overlap()
    if LIKENESS in made["train"].column_names:
        made = made.remove_columns(LIKENESS)
    drawn_by = seed if spec.split.seed is None else spec.split.seed
    way = json.dumps([spec.split.model_dump(), drawn_by, spec.on_missing, spec.rename])
    return LoadedData(
        splits=made,
        fingerprint=hashlib.sha256(f"{fingerprint}{way}".encode()).hexdigest(),
        skipped=skipped,
        overlap=found.pairs,
        duplicates=found.duplicates,
        overlapping=found.test_rows,
        test_digest=found.test_digest,
        notes=notes + more + found.notes,
    )


def _examined(
    raw: dict[str, datasets.Dataset], examine: Callable[[datasets.Dataset, str], Examined] | None
) -> tuple[dict[str, datasets.Dataset], dict[str, Mapping[str, Sequence[int]]]]:
    """Let the plugin look into the rows; return them with what they are like, and unusable ones."""
    if examine is None:
        return raw, {}
    found = {name: examine(split, name) for name, split in raw.items()}
    fatal = [fault for one in found.values() for fault in one.fatal]
    if fatal:
        raise DataError(fatal)
    if all(one.likeness is not None for one in found.values()):
        raw = {
            name: split.add_column(LIKENESS, list(found[name].likeness or ()))
            for name, split in raw.items()
        }
    return raw, {name: one.unusable for name, one in found.items()}


def _derived(
    given: dict[str, datasets.Dataset], derive: Callable[[datasets.Dataset], datasets.Dataset]
) -> dict[str, datasets.Dataset]:
    import datasets

    whole = datasets.concatenate_datasets(list(given.values()))
    found = derive(whole)
    if found is whole:
        return given
    if len(found) != len(whole):
        raise ToolkitError(
            f"derive gave {len(found)} rows for {len(whole)}: it must keep every one"
        )
    ends = np.cumsum([len(rows) for rows in given.values()]).tolist()
    return {
        name: found.select(range(end - len(rows), end))
        for (name, rows), end in zip(given.items(), ends, strict=True)
    }


def _read(
    spec: DataSpec, as_text: list[str], columns: Mapping[str, tuple[str, Column]]
) -> tuple[dict[str, datasets.Dataset], str, list[str]]:
    """Return the rows as splits, under the names that the scenario knows; fingerprint and notes."""
    holding = {name: mark.files for name, mark in columns.values() if mark.files}
    target = next((name for name, mark in columns.values() if mark.role == "target"), None)
    if len(holding) == 1 and target is not None:
        ((column, suffixes),) = holding.items()
        folders = media.folder_of_files(spec.source, suffixes, column, target)
        if folders is not None:
            return folders[0], media.fingerprint(folders[0], [column]), folders[1]
    there = given(spec)
    if there is None:
        return tables(spec, as_text, list(holding))
    raw, fingerprint, notes = there
    faults: list[Fault] = []
    for name in raw:
        raw[name] = _with_files(raw[name], list(holding), Path(), str(spec.source), faults)
    if faults:
        raise DataError(faults)
    return raw, fingerprint + media.fingerprint(raw, list(holding)), notes


def given(spec: DataSpec) -> tuple[dict[str, datasets.Dataset], str, list[str]] | None:
    """Return the splits that the Hub or a plugin gives, fingerprint and notes; None for paths."""
    source = spec.source if isinstance(spec.source, str) else ""
    if source.startswith("hub:"):
        from toolkit.data.hub import read_hub

        raw, fingerprint, notes = read_hub(source)
    elif source.startswith("plugin:"):
        from toolkit.data.plugin_source import read_plugin_source

        raw, fingerprint, notes = read_plugin_source(source)
    else:
        return None
    return {name: _renamed(rows, spec.rename) for name, rows in raw.items()}, fingerprint, notes


def _with_files(
    rows: datasets.Dataset, columns: list[str], base: Path, where: str, faults: list[Fault]
) -> datasets.Dataset:
    for name in columns:
        if name in rows.column_names:
            rows, wrong = media.as_files(rows, name, base, where)
            faults += wrong
    return rows


def tables(
    spec: DataSpec, as_text: list[str], holding: list[str]
) -> tuple[dict[str, datasets.Dataset], str, list[str]]:
    """Return the splits of local tables, fingerprint and notes; their files as in `attached`.

    Args:
        holding: the columns that hold files, or name them.

    Raises:
        DataError: anything that is wrong with paths, files or columns.
    """
    found, notes = sources.find_sources(spec.source)
    if "train" not in found:
        raise DataError(Fault("data.source", f"has {', '.join(found)} but no train split"))
    faults: list[Fault] = []
    raw = {}
    for split, paths in found.items():
        parts = []
        for path in paths:
            try:
                table = _renamed(_table(path, spec, as_text), spec.rename)
                parts.append(_with_files(table, holding, path.parent, str(path), faults))
            except DataError as error:
                faults += error.faults
        if len(parts) == len(paths):
            raw[split] = checks.joined(parts, paths, faults)
    if faults:
        raise DataError(faults)
    ordered = {name: raw[name] for name in sources.ALIASES if name in raw}
    contents = sources.digest(path for split in sorted(found) for path in found[split])
    there = [name for name in holding if name in raw["train"].column_names]
    return ordered, contents + media.fingerprint(ordered, there), notes


def _renamed(split: datasets.Dataset, names: Mapping[str, str]) -> datasets.Dataset:
    there = split.column_names
    found = {old: new for old, new in names.items() if old in there and new not in there}
    new = list(found.values())
    twice = {f"data.rename.{o}": n for o, n in found.items() if new.count(n) > 1}
    if twice:
        raise DataError([Fault(key, f"makes another {name!r}") for key, name in twice.items()])
    return split.rename_columns(found) if found else split


def _table(path: Path, spec: DataSpec, as_text: list[str]) -> datasets.Dataset:
    import datasets

    if sources.format_of(path) == "csv":
        from toolkit.data.csv_files import read_csv

        return read_csv(
            path,
            as_text=as_text,
            encoding=spec.encoding,
            delimiter=spec.delimiter,
            quote=spec.quote or None,
            cache=Path(datasets.config.HF_DATASETS_CACHE) / "toolkit-csv",
        )
    from toolkit.data.typed_files import read_typed

    return read_typed(path, spec.encoding)
