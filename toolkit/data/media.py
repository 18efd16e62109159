"""Columns of files: rows that hold a file, name one beside their table, or are one in a folder.

A value is `{"bytes": .., "path": ..}`, as `datasets` stores what it has not decoded. Of a file that
is only named, `digest` stands for the contents, so that nothing later has to read it to know it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.data.sources import ALIASES, format_of, odd, split_named
from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing, nearest

if TYPE_CHECKING:
    import datasets

SHOWN = 10  # missing files that are named
CHUNK = 1 << 20


def digest(value: Any) -> str:
    """Return a hash of the contents of a file, of whatever form its value has."""
    import xxhash

    if isinstance(value, Mapping):
        if value.get("digest"):
            return str(value["digest"])
        value = value["path"] if value.get("bytes") is None else value["bytes"]
    if isinstance(value, bytes):
        return str(xxhash.xxh3_128_hexdigest(value))
    total = xxhash.xxh3_128()
    with open(value, "rb") as file:
        while chunk := file.read(CHUNK):
            total.update(chunk)
    return str(total.hexdigest())


def fingerprint(splits: Mapping[str, datasets.Dataset], columns: Sequence[str]) -> str:
    """Return a text that changes with the contents of the files that rows name; empty if none."""
    import xxhash

    total, count = xxhash.xxh3_128(), 0
    for split, rows in splits.items():
        for name in columns:
            feature = rows.features[name]
            if not isinstance(feature, dict) or "digest" not in feature:
                continue
            for value in rows[name]:
                total.update(f"{split} {value and value['digest']}".encode())
                count += 1
    return str(total.hexdigest()) if count else ""


def folder_of_files(
    source: Any, suffixes: Sequence[str], column: str, target: str
) -> tuple[dict[str, datasets.Dataset], list[str]] | None:
    """Return the rows of folders in which every file is one, and its folder's name its target.

    A folder holds a folder a class (which may have folders inside), or such folders for train,
    validation and test. None is returned where a source is anything else.

    Args:
        source: a folder, or a map of split -> folder.
        suffixes: of the files that are rows; others are passed over, and counted.
        column, target: names of the columns to make.

    Raises:
        DataError: no files in class folders, or no train among folders that name splits.
    """
    there = class_folders(source)
    if there is None:
        return None
    roots, notes = there
    found, passed = {}, 0
    for split in (name for name in ALIASES if name in roots):
        found[split], others = _rows(roots[split], suffixes, column, target)
        passed += others
    if passed:
        notes.append(f"{passed:,} files passed over, which are none of {listing(suffixes, 20)}")
    return found, notes


def files_below(root: Path, suffixes: Sequence[str], column: str) -> datasets.Dataset:
    """Return a folder's files as rows of one column, those in folders inside too.

    Raises:
        DataError: no file with one of the suffixes is in the folder.
    """
    import datasets

    paths = [p for p in sorted(root.rglob("*")) if p.is_file() and not p.name.startswith(".")]
    found = [str(path.absolute()) for path in paths if path.suffix.lower() in suffixes]
    if not found:
        what = f"holds none of {listing(suffixes, 20)} in its {len(paths):,} files"
        raise DataError(Fault(str(root), what))
    return _named_files(datasets.Dataset.from_dict({column: found}), column, Path(), [])


def class_folders(source: Any) -> tuple[dict[str, Path], list[str]] | None:
    """Return split -> the folder that holds its folders a class, and notes; None for other sources.

    Raises:
        DataError: no train among folders that name splits.
    """
    if isinstance(source, str) and Path(source).is_dir():
        root = Path(source)
        if any(format_of(p) for p in [*root.glob("*"), *root.glob("*/*")] if p.is_file()):
            return None
        return _splits_in(root)
    if isinstance(source, Mapping) and all(
        isinstance(p, str) and Path(p).is_dir() for p in source.values()
    ):
        roots = {split_named(k) or k: Path(p) for k, p in source.items()}
        odd = [name for name in roots if name not in ALIASES]
        if odd or "train" not in roots:
            what = f"name splits train, validation and test, not {listing(source)}"
            raise DataError(Fault("data.source", what))
        return roots, []
    return None


def _splits_in(root: Path) -> tuple[dict[str, Path], list[str]]:
    folders = [p for p in sorted(root.iterdir()) if p.is_dir() and not p.name.startswith(".")]
    named = {p: split for p in folders for split, known in ALIASES.items()
             if p.name.lower() in known and any(q.is_dir() for q in p.iterdir())}  # fmt: skip
    if not named:
        return {"train": root}, []
    if "train" not in named.values():
        there = listing(p.name for p in named)
        raise DataError(Fault(str(root), f"has folders for {there} but none for train"))
    if len(set(named.values())) < len(named):
        twice = listing(p.name for p in named)
        raise DataError(Fault(str(root), f"has several folders for one split among {twice}"))
    others = [p.name for p in folders if p not in named]
    notes = [f"{root}: passed over {listing(others)} (no split in the name)"] if others else []
    return {split: p for p, split in named.items()}, notes


def _rows(
    root: Path, suffixes: Sequence[str], column: str, target: str
) -> tuple[datasets.Dataset, int]:
    """Return the files below the class folders of a folder, sorted, and how many are no rows."""
    import datasets

    paths, classes, passed = [], [], 0
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")):
        for path in sorted(folder.rglob("*")):
            if path.name.startswith(".") or not path.is_file():
                continue
            if path.suffix.lower() in suffixes:
                paths.append(str(path.absolute()))
                classes.append(folder.name)
            else:
                passed += 1
    if not paths:
        files = sum(path.is_file() for path in root.iterdir())
        what = "holds no table and no folder a class with files in it"
        if files:
            what += f", but {files:,} files side by side: put those of one class into one folder"
        raise DataError(Fault(str(root), f"{what} (files that count: {listing(suffixes, 20)})"))
    rows = datasets.Dataset.from_dict({column: paths, target: classes})
    return _named_files(rows, column, Path(), []), passed


def as_files(
    rows: datasets.Dataset, column: str, base: Path, where: str
) -> tuple[datasets.Dataset, list[Fault]]:
    """Return rows whose column holds undecoded files; what is wrong with it as faults.

    Args:
        base: the folder to which paths are relative.
        where: what the rows were read from, for the faults.
    """
    import datasets

    feature = rows.features[column]
    if isinstance(feature, datasets.Image | datasets.Audio):
        return rows.cast_column(column, type(feature)(decode=False)), []
    if isinstance(feature, dict):
        if {"bytes", "path"} <= set(feature):
            return rows, []
        kind = f"objects ({listing(feature, 5)})"
    elif getattr(feature, "dtype", "") in ("string", "large_string"):
        faults: list[Fault] = []
        found = _named_files(rows, column, base, faults, where)
        return found, faults
    elif getattr(feature, "dtype", "") in ("binary", "large_binary", "null"):
        return rows, []
    else:
        kind = str(getattr(feature, "dtype", None) or type(feature).__name__)
    what = f"{column!r} holds {kind}: files are expected, as paths or as their bytes"
    return rows, [Fault(where, what)]


def _named_files(
    rows: datasets.Dataset, column: str, base: Path, faults: list[Fault], where: str = ""
) -> datasets.Dataset:
    """Replace paths by files with the digest of their contents; missing ones become faults."""
    import datasets
    import pyarrow as pa

    texts = rows[column][:]
    paths = [str(base / text.strip()) if text and text.strip() else None for text in texts]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hashes = list(pool.map(_digest_or_none, paths))
    missing = [n for n, (p, d) in enumerate(zip(paths, hashes, strict=True)) if p and d is None]
    if missing:
        faults += _missing_faults(texts, missing, base, where)
    values = [None if p is None else {"bytes": None, "path": p, "digest": d}
              for p, d in zip(paths, hashes, strict=True)]  # fmt: skip
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string(), "digest": pa.string()})
    place = rows.column_names.index(column)
    made = datasets.Dataset(pa.table({column: pa.array(values, kind)}))
    others = rows.remove_columns(column)
    if not others.column_names:
        return made
    joined = datasets.concatenate_datasets([others, made], axis=1)
    names = others.column_names
    return joined.select_columns([*names[:place], column, *names[place:]])


def _digest_or_none(path: str | None) -> str | None:
    try:
        # A pipe or a device has no end to read to.
        return digest(path) if path is not None and os.path.isfile(path) else None
    except OSError:
        return None


def _missing_faults(
    texts: Sequence[str], missing: Sequence[int], base: Path, where: str
) -> Iterable[Fault]:
    """Name some files that are not there; the nearest one beside the first."""
    for place in missing[:SHOWN]:
        path = base / texts[place].strip()
        if what := _other(path):
            yield Fault(f"{where} row {place + 1}", f"{texts[place]!r} {what}")
            continue
        hint = ""
        if place == missing[0] and os.path.isdir(path.parent):
            hint = nearest(path.name, [p.name for p in path.parent.iterdir()])
        elif place == missing[0]:
            hint = f" The folder {path.parent} does not exist either."
        yield Fault(f"{where} row {place + 1}", f"there is no file {texts[place]!r}.{hint}")
    if len(missing) > SHOWN:
        yield Fault(where, f"{len(missing) - SHOWN:,} more files are missing "
                           f"(paths are relative to {base})")  # fmt: skip


def _other(path: Path) -> str:
    """Return what stands at a path that is no file that can be read, or ""."""
    if os.path.isdir(path):
        return "is a folder"
    if os.path.isfile(path):
        return "cannot be read"
    return odd(path)
