"""Which files hold which split, and what they are."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

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


def split_named(name: str) -> str | None:
    """Return train, validation or test for a name that says so ("dev.csv", "testset"), or None."""
    words = [re.sub(r"(set|data|split)$", "", w) for w in re.split(r"[^a-z]+", name.lower())]
    return next((split for split, known in ALIASES.items() if set(words) & set(known)), None)


def format_of(path: Path) -> str | None:
    """Return csv, json, parquet or arrow by the suffix (a last .gz aside), or None."""
    name = path.name.lower().removesuffix(".gz")
    return FORMATS.get(Path(name).suffix)


def find_sources(
    source: str | list[str] | Mapping[str, str | list[str]],
) -> tuple[Files, list[str]]:
    """Return the files of each split, and what was passed over in a folder.

    A lone file or a list is the split "train", from which the others are made. A folder's files
    are assigned by their names (train, dev, test, ...); where none says so, all are "train".

    Raises:
        DataError: every path that is missing or of an unknown kind, all at once.
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
        files = {split or name: _listed(source[name], faults) for name, split in named.items()}
    elif isinstance(source, str) and _is("dir", Path(source)):
        return _folder(Path(source))
    else:
        faults = []
        files = {"train": _listed(source, faults)}
    if faults:
        raise DataError(faults)
    return files, []


def _listed(source: str | list[str], faults: list[Fault]) -> list[Path]:
    paths = [Path(item) for item in ([source] if isinstance(source, str) else source)]
    for path in paths:
        what = odd(path)
        if what:
            faults.append(Fault(str(path), what))
        elif not _is("file", path) and not _is("dir", path):
            folder = _is("dir", path.parent)
            beside = [p.name for p in path.parent.iterdir()] if folder else []
            hint = nearest(path.name, beside) or (
                "" if folder else f" The folder {path.parent} does not exist either."
            )
            faults.append(Fault(str(path), f"there is no such file.{hint}"))
        elif _is("dir", path):
            faults.append(Fault(str(path), "is a folder; name its files, or give it alone"))
        elif format_of(path) is None:
            known = listing(sorted(FORMATS))
            faults.append(Fault(str(path), f"is no table that can be read. Known: {known} (.gz)."))
    return paths


def odd(path: Path) -> str:
    """Return what stands at a path that is neither a file nor a folder, or ""."""
    try:
        if path.is_symlink() and not path.exists():
            return f"is a link to {os.readlink(path)}, where nothing is"
        if path.exists() and not path.is_file() and not path.is_dir():
            return "is no plain file: a pipe or a device has no end to read to"
    except RuntimeError:
        return "is a link to itself"
    except (OSError, ValueError):  # no file's name can be as long, or hold a NUL
        return ""
    return ""


def _is(kind: Literal["file", "dir"], path: Path) -> bool:
    try:
        return path.is_file() if kind == "file" else path.is_dir()
    except (OSError, ValueError):  # too long for any file's name, a NUL, a folder that is closed
        return False


def _folder(folder: Path) -> tuple[Files, list[str]]:
    found = sorted(
        path
        for path in [*folder.glob("*"), *folder.glob("*/*")]
        if path.is_file() and not path.name.startswith(".")
    )
    tables = [path for path in found if format_of(path) is not None]
    if not tables:
        there = listing(path.name for path in found)
        raise DataError(
            Fault(str(folder), f"holds no {listing(sorted(FORMATS))} file but: {there}")
        )
    files: Files = {}
    for path in tables:
        split = split_named(_stem(path)) or (
            split_named(path.parent.name) if path.parent != folder else None
        )
        files.setdefault(split or "", []).append(path)
    unnamed = files.pop("", [])
    if not files:
        names = listing(p.name for p in unnamed)
        whole = f"{folder}: {names} are taken together (no split in their names)"
        return {"train": unnamed}, [whole] if len(unnamed) > 1 else []
    if "train" not in files:
        raise DataError(Fault(str(folder), f"has files for {listing(files)} but none for train"))
    passed = f"{folder}: passed over {listing(p.name for p in unnamed)} (no split in the name)"
    return files, [passed] if unnamed else []


def _stem(path: Path) -> str:
    """Return a file's name without what says its format: my.train of my.train.csv.gz."""
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    return Path(name).stem


def digest(paths: Iterable[Path]) -> str:
    """Return the sha256 of the contents of files, in order."""
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()
