"""Which files hold which split, and in which format."""

from __future__ import annotations

import hashlib
import os.path
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing, nearest

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".arrow": "arrow",
}
ALIASES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "eval"),
    "test": ("test", "testing"),
}
Files = dict[str, list[Path]]

# Paths are looked at through `os.path`: those of `pathlib` raise for a name that is too long.


def split_named(name: str) -> str | None:
    """Return the split that a name contains ("dev.csv", "testset"), or None."""
    words = [re.sub(r"(set|data|split)$", "", w) for w in re.split(r"[^a-z]+", name.lower())]
    return next((split for split, known in ALIASES.items() if set(words) & set(known)), None)


def format_of(path: Path, own: Collection[str] = ()) -> str | None:
    """Return csv, json, parquet or arrow by the suffix (ignoring a last .gz), or None.

    Args:
        own: suffixes of a plugin's own formats, which go first: "plugin".
    """
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    return "plugin" if suffix in own else FORMATS.get(suffix)


def find_sources(
    source: str | list[str] | Mapping[str, str | list[str]], own: Collection[str] = ()
) -> tuple[Files, list[str]]:
    """Return the files of each split, and notes on skipped files of a folder.

    A lone file or a list is the split "train", from which the others are made. A folder's files
    are assigned by their names (train, dev, test, ...); if none names a split, all are "train".

    Args:
        own: suffixes of a plugin's own formats.

    Raises:
        DataError: all paths that are missing or of an unknown format at once.
    """
    if isinstance(source, Mapping):
        named = {name: split_named(name) for name in source}
        faults = [
            Fault(f"data.source.{name}", "is no split: name it train, validation or test")
            for name, split in named.items()
            if split is None
        ]
        faults += [
            Fault(f"data.source.{name}", f"is the {split} split for a second time")
            for place, (name, split) in enumerate(named.items())
            if split and split in list(named.values())[:place]
        ]
        files = {split or name: _listed(source[name], own, faults) for name, split in named.items()}
    elif isinstance(source, str) and os.path.isdir(source):
        return _folder(Path(source), own)
    else:
        faults = []
        files = {"train": _listed(source, own, faults)}
    if faults:
        raise DataError(faults)
    return files, []


def missing(source: str | list[str] | Mapping[str, str | list[str]]) -> list[Fault]:
    """Return what is wrong with the paths of a source where nothing is; opens no file."""
    lists = source.values() if isinstance(source, Mapping) else [source]
    paths = [path for item in lists for path in ([item] if isinstance(item, str) else item)]
    return [
        Fault(path, describe_special(Path(path)) or _nothing(Path(path)))
        for path in paths
        if not path.startswith(("hub:", "plugin:")) and not os.path.exists(path)
    ]


def _nothing(path: Path) -> str:
    return f"there is no such file.{nearest_beside(path)}"


def _listed(source: str | list[str], own: Collection[str], faults: list[Fault]) -> list[Path]:
    paths = [Path(item) for item in ([source] if isinstance(source, str) else source)]
    for path in paths:
        what = describe_special(path)
        if not what and os.path.isdir(path):
            what = "is a folder; name its files, or give it alone"
        elif not what and not os.path.isfile(path):
            what = _nothing(path)
        elif not what and format_of(path, own) is None:
            known = listing([*sorted(FORMATS), *own])
            what = f"is no table that can be read. Known: {known} (.gz)."
        if what:
            faults.append(Fault(str(path), what))
    return paths


def nearest_beside(path: Path) -> str:
    """Return a hint on a path where nothing is: the nearest name in its folder, if any."""
    if not os.path.isdir(path.parent):
        return f" The folder {path.parent} does not exist either."
    return nearest(path.name, [p.name for p in path.parent.iterdir()])


def describe_special(path: Path) -> str:
    """Return what is wrong with a path that is neither a file nor a folder; "" if it is neither."""
    if not os.path.exists(path):
        linked = os.path.islink(path)
        return f"is a link to {os.readlink(path)}, where nothing is" if linked else ""
    plain = os.path.isfile(path) or os.path.isdir(path)
    return "" if plain else "is no plain file: a pipe or a device has no end to read to"


def _folder(folder: Path, own: Collection[str]) -> tuple[Files, list[str]]:
    found = sorted(
        path
        for path in [*folder.glob("*"), *folder.glob("*/*")]
        if path.is_file() and not path.name.startswith(".")
    )
    tables = [path for path in found if format_of(path, own) is not None]
    if not tables:
        there = listing(path.name for path in found)
        what = f"holds no {listing([*sorted(FORMATS), *own])} file but: {there}"
        raise DataError(Fault(str(folder), what))
    files: Files = {}
    for path in tables:
        name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
        above = path.parent.name if path.parent != folder else ""
        split = split_named(Path(name).stem) or split_named(above)
        files.setdefault(split or "", []).append(path)
    unnamed = files.pop("", [])
    if not files:
        names = listing(p.name for p in unnamed)
        whole = f"{folder}: {names} are taken together (no split in their names)"
        return {"train": unnamed}, [whole] if len(unnamed) > 1 else []
    if "train" not in files:
        raise DataError(Fault(str(folder), f"has files for {listing(files)} but none for train"))
    skipped = f"{folder}: skipped {listing(p.name for p in unnamed)} (no split in the name)"
    return files, [skipped] if unnamed else []


def digest(paths: Iterable[Path]) -> str:
    """Return the sha256 of the contents of files, in order."""
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()
