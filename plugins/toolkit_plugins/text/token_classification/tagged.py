"""Rows of words with a tag each, from tables and from files of columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit_plugins.text.cells import written_out
from toolkit_plugins.text.token_classification import conll

TOKENS = ("tokens", "words")
TAGS = ("tags", "ner_tags", "ner", "labels", "bio_tags", "slots")
CODE = re.compile(r"[0-9]{1,9}")  # a number as text: in csv, in files of columns
STAND_IN = "\ufffd"  # for an empty word: the numbers of words and tags stay equal
EMPTY = f"words are empty, and are read as {STAND_IN}"
# Why a row is not used.
NO_TOKENS = "no words"
NO_TAGS = "no tags"
UNEQUAL = "other numbers of words and tags"
NO_TAG = "a word without a tag"


@dataclass(frozen=True)
class Columns:
    """The columns of words and tags. names: of coded tags, by number."""

    tokens: str
    tags: str | None
    names: Sequence[str] | None


def columns_of(
    rows: Any, tokens: str, tags: str | None, names: Sequence[str] | None
) -> Columns | None:
    """Return the columns of words and tags; None where rows have no words.

    Args:
        tokens, tags, names: what the options say.
    """
    found = next((n for n in (tokens, *TOKENS) if _kind(rows, n)), None)
    if found is None:
        return None
    wanted = (tags,) if tags else TAGS
    column = next((n for n in wanted if n != found and _kind(rows, n)), None)
    coded = None if column is None else getattr(_inner(rows.features[column]), "names", None)
    return Columns(found, column, coded or names)


def _inner(feature: Any) -> Any:
    return getattr(feature, "feature", feature)


def _kind(rows: Any, name: str) -> str:
    """Return what a column holds: list, text (as of csv), or ""."""
    if name not in rows.column_names:
        return ""
    feature = rows.features[name]
    if hasattr(feature, "feature"):
        inner = feature.feature
        nested = isinstance(inner, Mapping) or hasattr(inner, "feature")
        return "" if nested else "list"
    return "text" if getattr(feature, "dtype", "") in ("string", "large_string") else ""


def cells(value: Any) -> list[Any] | None:
    """Return the items of a list, or of a text that holds one (a cell of csv)."""
    if isinstance(value, str):
        text = value.strip()
        try:
            value = written_out(text) if text.startswith("[") else text.split()
        except ValueError:
            value = text.split()
    return value if isinstance(value, list) else None


def words(value: Any, counts: Counter[str]) -> list[str]:
    """Return the words in a cell, without blanks around them; counts takes the empty ones."""
    found = ["" if one is None else str(one).strip() for one in cells(value) or []]
    counts[EMPTY] += sum(not one for one in found)
    return [one or STAND_IN for one in found]


def tags(value: Any, names: Sequence[str] | None) -> tuple[list[str], str]:
    """Return the tags in a cell as texts, and why they cannot be used.

    A number without a name is its digits.
    """
    given = cells(value)
    if given is None:
        return [], NO_TAGS
    if any(one is None or one == "" or one == -100 for one in given):  # -100: no label in torch
        return [], NO_TAG
    return [_named(one, names) for one in given], ""


def _named(tag: Any, names: Sequence[str] | None) -> str:
    if isinstance(tag, float) and tag.is_integer():  # numbers beside missing ones, in pandas
        tag = int(tag)
    number = int(tag) if isinstance(tag, str) and CODE.fullmatch(tag) else tag
    if isinstance(number, int) and names is not None and 0 <= number < len(names):
        return names[number]
    return str(tag)


def from_files(
    paths: Sequence[str], encoding: str, labelled: bool, tag_column: int | None
) -> tuple[dict[str, list[Any]], list[str], list[str]]:
    """Return files of columns as columns of rows, the place of each row, and how they were read."""
    columns: dict[str, list[Any]] = {"tokens": [], "tags": [], "document": []}
    places, notes, marked = list[str](), list[str](), False
    for path in map(Path, paths):
        sentences, how = conll.read(path, encoding, labelled, tag_column)
        notes.append(how)
        marked |= any(one.document for one in sentences)
        for one in sentences:
            columns["tokens"].append(one.tokens)
            columns["tags"].append(one.tags)
            columns["document"].append(f"{path.name} {one.document}")
            places.append(f"{path}:{one.line}")
    if not any(columns["tags"]):
        columns.pop("tags")
    if not marked:
        columns.pop("document")
    return columns, places, notes
