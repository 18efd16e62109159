"""Columns of files: rows that hold a file, name one beside their table, or are files in folders.

A value is `{"bytes": .., "path": ..}`, as `datasets` stores undecoded files. For a file that is
only named, `digest` identifies the contents, so that it need not be read again for that.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import xxhash

from toolkit.data.columns import column_values, replaced
from toolkit.data.sources import ALIASES, describe_special, format_of, nearest_beside, split_named
from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets

SHOWN = 10  # missing files that are named


def digest(value: Any) -> str:
    """Return a hash of the contents of a file, given as a value, bytes or a path."""
    if isinstance(value, Mapping):
        if value.get("digest"):
            return str(value["digest"])
        value = value["path"] if value.get("bytes") is None else value["bytes"]
    if isinstance(value, bytes):
        return str(xxhash.xxh3_128_hexdigest(value))
    with open(value, "rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()


def fingerprint(splits: Mapping[str, datasets.Dataset], columns: Sequence[str]) -> str:
    """Return a hash of the contents of the files that rows name; empty if there are none."""
    total, empty = xxhash.xxh3_128(), True
    for split, rows in splits.items():
        for name in columns:
            feature = rows.features[name]
            if isinstance(feature, dict) and "digest" in feature:
                for value in rows[name]:
                    total.update(f"{split} {value and value['digest']}".encode())
                    empty = False
    return "" if empty else str(total.hexdigest())


def folder_of_files(
    source: Any, suffixes: Sequence[str], column: str, target: str
) -> tuple[dict[str, datasets.Dataset], list[str]] | None:
    """Return one row per file below class folders, with the class folder's name as target.

    A folder holds one folder per class (which may be nested), or such folders for train,
    validation and test. None is returned for any other source.

    Args:
        source: a folder, or a map of split -> folder.
        suffixes: of the files that are rows; others are skipped and counted.
        column, target: names of the columns to make.

    Raises:
        DataError: no files in class folders, or no train among folders that name splits.
    """
    import datasets

    there = class_folders(source)
    if there is None:
        return None
    roots, notes = there
    found, skipped = {}, 0
    for split, root in ((name, roots[name]) for name in ALIASES if name in roots):
        every = [(path, folder.name) for folder in _folders_in(root) for path in _files_in(folder)]
        rows = [{column: str(path.absolute()), target: label}
                for path, label in every if path.suffix.lower() in suffixes]  # fmt: skip
        if not rows:
            what = "holds no table and no folder a class with files in it"
            if n := sum(path.is_file() for path in root.iterdir()):
                what += f", but {n:,} files side by side: put those of one class into one folder"
            raise DataError(Fault(str(root), f"{what} (files that count: {listing(suffixes, 20)})"))
        found[split] = _named_files(datasets.Dataset.from_list(rows), column, Path(), [])
        if empty := [p.name for p in _folders_in(root) if p.name not in {r[target] for r in rows}]:
            notes.append(f"{root}: no class, as they hold no such file: {listing(empty)}")
        skipped += len(every) - len(rows)
    if skipped:
        notes.append(f"{skipped:,} files skipped, which are none of {listing(suffixes, 20)}")
    return found, notes


def files_below(root: Path, suffixes: Sequence[str], column: str) -> datasets.Dataset:
    """Return a folder's files, nested ones too, as rows of one column.

    Raises:
        DataError: no file with one of the suffixes is in the folder.
    """
    import datasets

    paths = _files_in(root)
    found = [str(path.absolute()) for path in paths if path.suffix.lower() in suffixes]
    if not found:
        what = f"holds none of {listing(suffixes, 20)} in its {len(paths):,} files"
        raise DataError(Fault(str(root), what))
    return _named_files(datasets.Dataset.from_dict({column: found}), column, Path(), [])


def class_folders(source: Any) -> tuple[dict[str, Path], list[str]] | None:
    """Return split -> the folder that holds its class folders, and notes; None for other sources.

    Raises:
        DataError: no train among folders that name splits.
    """
    if isinstance(source, str) and Path(source).is_dir():
        root = Path(source)
        if any(format_of(p) for p in [*root.glob("*"), *root.glob("*/*")] if p.is_file()):
            return None
        return _split_folders(root)
    if isinstance(source, Mapping) and all(
        isinstance(p, str) and Path(p).is_dir() for p in source.values()
    ):
        roots = {split_named(k) or k: Path(p) for k, p in source.items()}
        if not {"train"} <= set(roots) <= set(ALIASES):
            what = f"name splits train, validation and test, not {listing(source)}"
            raise DataError(Fault("data.source", what))
        return roots, []
    return None


def _folders_in(root: Path) -> list[Path]:
    return [p for p in sorted(root.iterdir()) if p.is_dir() and not p.name.startswith(".")]


def _files_in(root: Path) -> list[Path]:
    """Return the files in a folder, its folders and linked ones; those hidden are left out."""
    found, seen = list[Path](), set[str]()
    for top, folders, files in os.walk(root, followlinks=True):
        place = os.path.realpath(top)
        hidden = place in seen  # a link that leads back
        seen.add(place)
        folders[:] = [] if hidden else sorted(name for name in folders if not name.startswith("."))
        found += [Path(top, name) for name in files if not hidden and not name.startswith(".")]
    return sorted(path for path in found if path.is_file())


def _split_folders(root: Path) -> tuple[dict[str, Path], list[str]]:
    folders = _folders_in(root)
    exact = {p: split for p in folders for split, known in ALIASES.items()
             if p.name.lower() in known and any(q.is_dir() for q in p.iterdir())}  # fmt: skip
    named = {p: split for p in folders if (split := split_named(p.name))
             and any(q.is_dir() for q in p.iterdir())}  # fmt: skip
    # Of names that hold more words, as seg_train does, two or more make splits: one is a class.
    if not exact and not {"train", "test"} <= set(named.values()):
        return {"train": root}, []
    names = listing(p.name for p in named)
    if "train" not in named.values():
        raise DataError(Fault(str(root), f"has folders for {names} but none for train"))
    if len(set(named.values())) < len(named):
        raise DataError(Fault(str(root), f"has several folders for one split among {names}"))
    others = [p.name for p in folders if p not in named]
    notes = [f"{root}: skipped {listing(others)} (no split in the name)"] if others else []
    return {split: _within(p) for p, split in named.items()}, notes


def _within(folder: Path) -> Path:
    """Return the folder that holds the classes: seg_train/seg_train has one folder alone."""
    inner = [p for p in folder.iterdir() if not p.name.startswith(".")]
    again = len(inner) == 1 and inner[0].is_dir() and split_named(inner[0].name)
    return inner[0] if again and again == split_named(folder.name) else folder


def as_files(
    rows: datasets.Dataset, column: str, base: Path, where: str
) -> tuple[datasets.Dataset, list[Fault]]:
    """Return rows whose column holds undecoded files, and the faults found in it.

    Args:
        base: the folder to which paths are relative.
        where: what the rows were read from, for the faults.
    """
    import datasets

    feature = rows.features[column]
    if isinstance(feature, datasets.Image | datasets.Audio):
        return rows.cast_column(column, type(feature)(decode=False)), []
    if isinstance(feature, dict) and {"bytes", "path"} <= set(feature):
        return rows, []
    kind = str(getattr(feature, "dtype", None) or type(feature).__name__)
    if kind in ("string", "large_string"):
        faults: list[Fault] = []
        return _named_files(rows, column, base, faults, where), faults
    if kind in ("binary", "large_binary"):
        contents = pa.concat_arrays(column_values(rows, column).chunks)
        parts = [contents, pa.nulls(len(contents), pa.string())]
        cells = pa.StructArray.from_arrays(parts, ["bytes", "path"], mask=contents.is_null())
        return replaced(rows, {column: cells}), []
    if kind == "null":
        return rows, []
    if isinstance(feature, dict):
        kind = f"objects ({listing(feature, 5)})"
    what = f"{column!r} holds {kind}: files are expected, as paths or as their bytes"
    return rows, [Fault(where, what)]


def _named_files(
    rows: datasets.Dataset, column: str, base: Path, faults: list[Fault], where: str = ""
) -> datasets.Dataset:
    """Replace paths by files with the digest of their contents; missing files become faults."""
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
    return replaced(rows, {column: pa.array(values, kind)})


def _digest_or_none(path: str | None) -> str | None:
    try:
        # A pipe or a device has no end to read to.
        return digest(path) if path is not None and os.path.isfile(path) else None
    except OSError:
        return None


def _missing_faults(
    texts: Sequence[str], missing: Sequence[int], base: Path, where: str
) -> Iterable[Fault]:
    """Yield a fault for some of the missing files; the first one with the nearest name."""
    for place in missing[:SHOWN]:
        path = base / texts[place].strip()
        if os.path.isdir(path):
            what = f"{texts[place]!r} is a folder"
        elif os.path.isfile(path):
            what = f"{texts[place]!r} cannot be read"
        elif special := describe_special(path):
            what = f"{texts[place]!r} {special}"
        elif "\\" in texts[place] and (base / texts[place].replace("\\", "/").strip()).is_file():
            what = f"{texts[place]!r} is written as on Windows: the file is there with / for \\"
        else:
            hint = nearest_beside(path) if place == missing[0] else ""
            what = f"there is no file {texts[place]!r}.{hint}"
        yield Fault(f"{where} row {place + 1}", what)
    if len(missing) > SHOWN:
        yield Fault(where, f"{len(missing) - SHOWN:,} more files are missing "
                           f"(paths are relative to {base})")  # fmt: skip
