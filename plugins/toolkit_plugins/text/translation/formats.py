"""Rows as tables, objects, parallel files and translation memories have them, as pairs of texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.data.columns import kind_of, with_paths
from toolkit.plugin_types import ReshapedRows
from toolkit.utils.language_codes import is_code
from toolkit_plugins.text.translation import languages, odd_pairs, parallel
from toolkit_plugins.text.translation.languages import Pair, Wanted

if TYPE_CHECKING:
    import datasets

SOURCE, TARGET = COLUMNS = "source", "target"  # as the options are called, if nothing is set
#: Other names that tables have for them.
NAMES = (("src", "tgt"), ("src", "trg"), ("source_text", "target_text"), ("input", "output"))


def reshaped(
    rows: datasets.Dataset,
    split: str,
    columns: tuple[str, str],
    wanted: Wanted = (None, None),
    encoding: str = "utf-8",
) -> tuple[ReshapedRows, Pair | None]:
    """Return rows with a column of sources and one of targets, and their languages, where known.

    Found by themselves, if the options name no other columns, are objects of languages
    ({"translation": {"en", "de"}}), columns named by languages or as `NAMES`, and files, which are
    rows with a `path`. A target is a text, or a list of texts that are all right.

    Args:
        split: "predict" needs no targets.
        columns: what the options name. wanted: codes of source and target, where they are known.
        encoding: of text files.

    Raises:
        DataError: which languages are meant is not known; files that make no pairs.
    """
    alone = split == "predict"
    made, pair = _pairs(rows, columns, wanted, encoding, alone)
    if alone:
        return made, pair
    told = odd_pairs.notes(made.rows, columns, split)
    return ReshapedRows(made.rows, made.dropped, [*made.notes, *told]), pair


def _pairs(
    rows: datasets.Dataset, columns: tuple[str, str], wanted: Wanted, encoding: str, alone: bool
) -> tuple[ReshapedRows, Pair | None]:
    names = rows.column_names
    if _are_files(rows):
        paths = [Path(path) for path in rows["path"]]
        return _of_files(parallel.read(paths, wanted, encoding, alone), columns, wanted)
    needed = columns[: 1 if alone else 2]
    whole = with_paths(rows, columns)
    if set(needed) <= set(whole.column_names) or tuple(columns) != COLUMNS:
        return ReshapedRows(whole), _named_by_languages(columns)
    for found in (_objects(rows, wanted, alone), _by_languages(names, wanted, alone)):
        if found is not None:
            return _renamed(rows, found[0], _told(found[1], wanted)), found[1]
    named = next((pair for pair in NAMES if set(pair[: len(needed)]) <= set(names)), None)
    if named is None:
        return ReshapedRows(rows), None  # whoever checks columns says which are missing
    note = f"source is the column {named[0]!r}, target {named[1]!r}"
    return _renamed(rows, named, [note]), None


def _are_files(rows: datasets.Dataset) -> bool:
    if rows.column_names != ["path"]:
        return False
    return all(Path(str(path).lower().removesuffix(".gz")).suffix in parallel.FILE_FORMATS
               for path in rows["path"])  # fmt: skip


def _of_files(
    found: parallel.Pairs, columns: tuple[str, str], wanted: Wanted
) -> tuple[ReshapedRows, Pair | None]:
    import datasets

    texts: dict[str, Sequence[str] | Sequence[list[str]]] = {columns[0]: found.sources}
    if any(found.targets):
        several = any(len(given) > 1 for given in found.targets)
        texts[columns[1]] = found.targets if several else [given[0] for given in found.targets]
    rows = datasets.Dataset.from_dict(texts)
    pair = found.pair if found.pair[0] else None
    return ReshapedRows(rows, dict(found.dropped), _told(found.pair, wanted)), pair


def _objects(
    rows: datasets.Dataset, wanted: Wanted, alone: bool
) -> tuple[tuple[str, str], Pair] | None:
    """Return the paths of source and target in objects whose keys are languages."""
    for name, feature in rows.features.items():
        inner = getattr(feature, "languages", None) or feature
        if kind_of(feature) != "object" and not getattr(feature, "languages", None):
            continue
        codes = [key for key in inner if is_code(key)]
        if codes and len(codes) == len(list(inner)):
            pair = languages.chosen(codes, wanted, repr(name), alone, languages.in_order(codes))
            return (f"{name}.{pair[0]}", f"{name}.{pair[1]}"), pair
    return None


def _by_languages(
    names: Sequence[str], wanted: Wanted, alone: bool
) -> tuple[tuple[str, str], Pair] | None:
    """Return the columns of source and target among those that are named by languages."""
    codes = [name for name in names if is_code(name)]
    known = [languages.find(codes, code) for code in wanted if code]
    if alone and None in known[:1]:
        return None
    plain = [code for code in codes if code.lower() not in languages.OTHERWISE or code in known]
    if len(plain) < (1 if alone else 2):
        return None
    pair = languages.chosen(plain, wanted, "the table", alone)
    return pair, pair


def _named_by_languages(columns: tuple[str, str]) -> Pair | None:
    """Return the languages that two columns, or paths into objects, are named by."""
    source, target = (name.rpartition(".")[2] for name in columns)
    return (source, target) if is_code(source) and is_code(target) else None


def _renamed(rows: datasets.Dataset, names: tuple[str, str], notes: Sequence[str]) -> ReshapedRows:
    """Return rows with the columns, or paths into objects, under the usual names."""
    whole = with_paths(rows, [name for name in names if name])
    there = {old: new for old, new in zip(names, COLUMNS, strict=True)
             if old in whole.column_names}  # fmt: skip
    objects = {name.partition(".")[0] for name in names} & {*rows.column_names} - {*names}
    return ReshapedRows(whole.remove_columns(list(objects)).rename_columns(there), {}, notes)


def _told(pair: Pair, wanted: Wanted) -> list[str]:
    """Return what is said of languages that nobody has named."""
    if wanted[0] or not pair[1]:
        return []
    return [f"translated from {pair[0]!r} to {pair[1]!r} (options.source_lang sets another)"]
