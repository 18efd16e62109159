"""Documents and summaries as rows have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from toolkit.errors import DataError, Fault
from toolkit.plugin_types import ReshapedRows, Row
from toolkit_plugins.text.cells import text_of
from toolkit_plugins.text.summarization.sentences import PART

if TYPE_CHECKING:
    import datasets

#: As public data sets call their columns, in the order in which they are looked for.
DOCUMENTS = ("document", "article", "dialogue", "dialog", "text", "source", "maintext", "body")
SUMMARIES = ("summary", "highlights", "target", "abstract", "tldr", "summaries")
SPEAKERS = ("speaker", "role", "name", "from", "author")
UTTERANCES = ("text", "utterance", "content", "value", "message")

Unread = dict[str, list[int]]  # why a document is none -> numbers of its rows


@dataclass(frozen=True)
class Layout:
    """The columns of document, summary, and several references."""

    document: str
    summary: str
    several: str

    def text(self, row: Row) -> str:
        """Return the document."""
        return text_of(row[self.document], self.document)

    def is_labelled(self, columns: Mapping[str, Any] | Sequence[str]) -> bool:
        """Return whether rows with these columns have summaries."""
        return self.summary in columns or self.several in columns

    def references(self, row: Row) -> list[str]:
        """Return the different reference summaries of a row, those that are not empty.

        Raises:
            DataError: one is no text.
        """
        cell = row.get(self.several) or row.get(self.summary)
        cells = cell if isinstance(cell, list) else [cell]
        texts = [text_of(one, self.summary).strip() for one in cells]
        return list(dict.fromkeys(filter(None, texts)))


def rows_of(batch: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the rows of a batch of columns."""
    return [dict(zip(batch, row, strict=True)) for row in zip(*batch.values(), strict=True)]


def reshaped(
    rows: datasets.Dataset, layout: Layout, default: Layout, unread: Unread | None = None
) -> ReshapedRows:
    """Return rows with the columns that are read: found by usual names, lists joined to texts.

    Args:
        default: columns that nobody has named; others are looked for where rows lack them.
        unread: of rows to predict, which need no summaries: takes those whose document is none.

    Raises:
        DataError: a document is none, and `unread` is not given.
    """
    notes, taken = [], {layout.document, layout.summary, layout.several}
    for name, usual, of in ((layout.document, DOCUMENTS, default.document),
                            (layout.summary, SUMMARIES, default.summary)):  # fmt: skip
        there = (one for one in usual if one in rows.column_names)
        found = next((one for one in there if one not in taken), None)
        if name == of and name not in rows.column_names and found:
            rows = rows.rename_column(found, name)
            notes.append(f"the column {found!r} is read as options.{name}")
    if layout.document in rows.column_names and _holds_lists(rows, layout.document):
        read = partial(_read, layout.document, unread)
        rows = rows.map(
            read, with_indices=True, input_columns=[layout.document], load_from_cache_file=False
        )  # fmt: skip - `unread` has to be filled
        notes.append(f"{layout.document!r} holds lists: their parts are the sentences")
    if unread is None and layout.several in rows.column_names:
        rows, count = _filled(rows, layout, default)
        if count:
            of = f"{count:,} of {len(rows):,} rows"
            notes.append(f"{of} have no {layout.summary!r}, but {layout.several!r}")
    return ReshapedRows(rows, notes=notes)


def _filled(rows: datasets.Dataset, layout: Layout, default: Layout) -> tuple[Any, int]:
    """Return rows with a reference where they have no summary, and how many these are.

    A column of summaries that is named, and is not there, stays missing.
    """
    summary, there = layout.summary, layout.summary in rows.column_names
    if not there and summary != default.summary:
        return rows, 0
    lists = there and _holds_lists(rows, summary)
    needed = rows.select_columns([layout.several, *([summary] if there else ())])
    cells, count = [], 0
    for row in needed:
        cell = row.get(summary)
        if not layout.references({summary: cell}) and (found := layout.references(row)):
            cell, count = found if lists else found[0], count + 1
        cells.append(cell)
    if not count:
        return rows, 0
    return rows.remove_columns([summary] if there else []).add_column(summary, cells), count


def _holds_lists(rows: datasets.Dataset, column: str) -> bool:
    return not hasattr(rows.features[column], "dtype") or str(
        rows.features[column].dtype
    ).startswith(("list", "struct"))


def _read(column: str, unread: Unread | None, cell: Any, row: int) -> dict[str, str | None]:
    try:
        return {column: whole(cell, column)}
    except DataError as error:
        if unread is None:
            raise
        unread.setdefault(str(error), []).append(row)
        return {column: None}


def whole(cell: Any, column: str) -> str:
    """Return a cell as one text: the parts of a list are its sentences.

    Turns of a dialogue, {"speaker": "Ann", "text": "Hello"}, are lines "Ann: Hello".

    Raises:
        DataError: a part is neither.
    """
    if isinstance(cell, Mapping) and all(isinstance(value, list) for value in cell.values()):
        cell = [
            dict(zip(cell, values, strict=False)) for values in zip(*cell.values(), strict=True)
        ]
    if not isinstance(cell, list):
        return text_of(cell, column)
    return PART.join(filter(None, _parts(cell, column)))


def _parts(cell: list[Any], column: str) -> Iterator[str]:
    for part in cell:
        if isinstance(part, Mapping):
            speaker = next((part[key] for key in SPEAKERS if part.get(key)), None)
            said = next((part[key] for key in UTTERANCES if part.get(key) is not None), None)
            if said is None:
                what = f"a turn has one of {', '.join(UTTERANCES)}, and may have a speaker"
                raise DataError(Fault(column, f"holds {str(part)[:60]}: {what}"))
            part = said if speaker is None else f"{speaker}: {said}"
        yield " ".join(text_of(part, column).split())
