"""Raw rows by split, from local tables, folders of files, the Hub or a plugin."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.data import caches, media, sources
from toolkit.data.alignment import joined
from toolkit.errors import CacheError, DataError, Fault
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin
    from toolkit.plugin_types import Column
    from toolkit.recipe.schema import DataSpec

#: Rows by split, a fingerprint of their contents, and notes for the reader of the report.
RawSplits = tuple[dict[str, "datasets.Dataset"], str, list[str]]
#: `hub:owner/name[:config][@revision]`: a dataset of the Hub, or of the local cache.
HUB = re.compile(r"hub:(?P<name>[\w.-]+(?:/[\w.-]+)?)(?::(?P<config>[^@]+))?(?:@(?P<rev>.+))?")


@dataclass(frozen=True)
class RaggedRows:
    """Number and text of the rows of a csv file that do not fit its header; an empty folder."""

    cache: Path
    rows: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class ColumnRoles:
    """The columns that a scenario's options name, by what they are for.

    files: column -> suffixes, of the columns that hold files. required_target: the target, where
    a row without one is unusable. class_files: the only such column, if the target is the text of a
    class, which may be the name of a folder.
    """

    inputs: tuple[str, ...]
    target: str | None
    required_target: str | None
    files: Mapping[str, Sequence[str]]
    class_files: str | None = None

    @classmethod
    def of(cls, columns: Mapping[str, tuple[str, Column]]) -> ColumnRoles:
        """Sort columns, given as option -> (column name, its marker)."""
        named = list(columns.values())
        targets = [(name, mark) for name, mark in named if mark.role == "target"]
        target, mark = targets[0] if targets else (None, None)
        files = [name for name, one in named if one.files]
        plain = mark is not None and mark.kind in ("", "text") and not mark.files
        return cls(
            inputs=tuple(name for name, mark in named if mark.role == "input"),
            target=target,
            required_target=None if mark and mark.may_be_empty else target,
            files={name: mark.files for name, mark in named if mark.files},
            class_files=files[0] if plain and len(files) == 1 else None,
        )


def read_raw_splits(
    spec: DataSpec, roles: ColumnRoles, plugin: Plugin[Any] | None = None
) -> RawSplits:
    """Return the rows that a recipe names, as splits under the names that the scenario knows.

    Raises:
        DataError: all faults of paths, files or columns at once.
    """
    if (own := read_own(spec, roles.files, plugin, labelled=True)) is not None:
        return own
    if roles.class_files and roles.target:
        column = roles.class_files
        folders = media.folder_of_files(spec.source, roles.files[column], column, roles.target)
        if folders is not None:
            return folders[0], media.fingerprint(folders[0], [column]), folders[1]
    remote = read_remote(spec)
    if remote is None:
        return read_tables(spec, list(roles.files), plugin.file_formats if plugin else ())
    raw, fingerprint, notes = remote
    faults: list[Fault] = []
    for name in raw:
        raw[name] = with_files(raw[name], roles.files, Path(), str(spec.source), faults)
    if faults:
        raise DataError(faults)
    return raw, fingerprint + media.fingerprint(raw, list(roles.files)), notes


def read_own(
    spec: DataSpec, file_columns: Iterable[str], plugin: Plugin[Any] | None, *, labelled: bool
) -> RawSplits | None:
    """Return the splits that the scenario's plugin reads from files; None where it leaves them.

    Args:
        file_columns, labelled: as of `read_tables` and `Plugin.read_source`.

    Raises:
        DataError: what the plugin says of the files, or files that are missing.
    """
    if plugin is None or is_remote(spec):
        return None
    found = plugin.read_source(spec.source, labelled)
    if found is None:
        return None
    faults: list[Fault] = []
    columns, raw = list(file_columns), {}
    for split in (name for name in sources.ALIASES if name in found.splits):
        rows = renamed(found.splits[split], spec.rename)
        raw[split] = with_files(rows, columns, Path(), f"{spec.source}, {split}", faults)
    if faults:
        raise DataError(faults)
    there = [name for name in columns if all(name in rows.column_names for rows in raw.values())]
    contents = sources.digest(found.files) + media.fingerprint(raw, there)
    return raw, contents, list(found.notes)


def is_remote(spec: DataSpec) -> bool:
    """Return whether rows come from the Hub or a package, and not from files."""
    return isinstance(spec.source, str) and spec.source.startswith(("hub:", "plugin:"))


def read_remote(spec: DataSpec) -> RawSplits | None:
    """Return the splits that the Hub or a plugin provides; None where the source is a path."""
    source = spec.source if isinstance(spec.source, str) else ""
    if source.startswith("hub:"):
        raw, fingerprint, notes = read_hub(source)
    elif source.startswith("plugin:"):
        from toolkit.data.plugin_source import read_plugin_source

        raw, fingerprint, notes = read_plugin_source(source)
    else:
        return None
    return {name: renamed(rows, spec.rename) for name, rows in raw.items()}, fingerprint, notes


def read_tables(
    spec: DataSpec,
    file_columns: Sequence[str],
    own: Collection[str] = (),
    ragged: RaggedRows | None = None,
) -> RawSplits:
    """Return the splits of local tables.

    Args:
        file_columns: the columns that hold files or name them; they become undecoded files.
        own: suffixes of files that are a row with their `path`.
        ragged: takes the csv rows with too many or too few fields, which are faults otherwise.

    Raises:
        DataError: all faults of paths, files or columns at once.
    """
    found, notes = sources.find_sources(spec.source, own)
    if "train" not in found:
        raise DataError(Fault("data.source", f"has {', '.join(found)} but no train split"))
    faults: list[Fault] = []
    raw = {}
    for split, paths in found.items():
        parts = []
        for path in paths:
            try:
                table, more = _table(path, spec, own, ragged)
                notes += more
                table = renamed(table, spec.rename)
                parts.append(with_files(table, file_columns, path.parent, str(path), faults))
            except DataError as error:
                faults += error.faults
        if len(parts) == len(paths):
            raw[split] = joined(parts, paths, faults)
    if faults:
        raise DataError(faults)
    ordered = {name: raw[name] for name in sources.ALIASES if name in raw}
    contents = sources.digest(path for split in sorted(found) for path in found[split])
    there = [name for name in file_columns if name in raw["train"].column_names]
    return ordered, contents + media.fingerprint(ordered, there), notes


def with_files(
    rows: datasets.Dataset, columns: Iterable[str], base: Path, where: str, faults: list[Fault]
) -> datasets.Dataset:
    """Return rows whose columns hold undecoded files; what is wrong with them becomes faults."""
    for name in columns:
        if name in rows.column_names:
            rows, wrong = media.as_files(rows, name, base, where)
            faults += wrong
    return rows


def renamed(split: datasets.Dataset, names: Mapping[str, str]) -> datasets.Dataset:
    """Return rows with columns under other names (old -> new), where these are free.

    Raises:
        DataError: two columns would have one name.
    """
    there = split.column_names
    found = {old: new for old, new in names.items() if old in there and new not in there}
    new = list(found.values())
    faults = [
        Fault(f"data.rename.{old}", f"makes another {name!r}")
        for old, name in found.items()
        if new.count(name) > 1
    ]
    if faults:
        raise DataError(faults)
    return split.rename_columns(found) if found else split


def _table(
    path: Path, spec: DataSpec, own: Collection[str], ragged: RaggedRows | None
) -> tuple[datasets.Dataset, list[str]]:
    import datasets

    form = sources.format_of(path, own)
    if form == "plugin":
        return datasets.Dataset.from_dict({"path": [str(path.absolute())]}), []
    if form != "csv":
        from toolkit.data.typed_files import read_typed

        return read_typed(path, spec.encoding), []
    from toolkit.data.csv_files import read_csv

    return read_csv(
        path,
        encoding=spec.encoding,
        delimiter=spec.delimiter,
        quote=spec.quote or None,
        escape=spec.escape,
        cache=ragged.cache if ragged else Path(datasets.config.HF_DATASETS_CACHE) / "toolkit-csv",
        ragged=ragged.rows if ragged else None,
    )


def read_hub(source: str) -> RawSplits:
    """Return (splits, fingerprint, notes) of a dataset of the Hub.

    Raises:
        DataError: the address is malformed, or the dataset cannot be loaded (no network and not
            in the cache, unknown name, one that needs code from the Hub).
    """
    match = HUB.fullmatch(source)
    if match is None:
        what = f"write hub:owner/name[:config][@revision], not {source!r}"
        raise DataError(Fault("data.source", what))
    name, config, revision = match.group("name", "config", "rev")
    try:
        found = caches.load_dataset(name, config, revision=revision)
    except CacheError:
        raise
    except Exception as error:  # network, Hub and builder errors have no common base
        what = (
            f"cannot be loaded from the Hub or the local cache ({type(error).__name__}: "
            f"{str(error).partition(chr(10))[0]}). Without a network, give local files with "
            "--data FILE."
        )
        raise DataError(Fault(source, what)) from error
    splits: dict[str, datasets.Dataset] = {}
    for given, rows in found.items():
        split = given if given in sources.ALIASES else sources.split_named(str(given))
        if split is not None:
            splits.setdefault(split, rows)
    if "train" not in splits:
        raise DataError(Fault(source, f"has no train split but {listing(found)}"))
    skipped = [name for name in found if found[name] not in splits.values()]
    notes = [f"{source}: skipped split(s) {listing(skipped)}"] if skipped else []
    fingerprint = "".join(f"{split}:{splits[split]._fingerprint}" for split in sorted(splits))
    return {name: splits[name] for name in sources.ALIASES if name in splits}, fingerprint, notes
