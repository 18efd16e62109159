"""Documents and summaries as rows have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.errors import DataError, Fault
from toolkit_plugins.text.cells import text_of


@dataclass(frozen=True)
class Layout:
    """The columns of document, summary, and several references."""

    document: str
    summary: str
    several: str

    def text(self, row: Mapping[str, Any]) -> str:
        """Return the document."""
        return text_of(row[self.document], self.document)

    def references(self, row: Mapping[str, Any]) -> list[str]:
        """Return the reference summaries of a row, empty ones left out.

        Raises:
            DataError: one is no text.
        """
        cell = row.get(self.several) or row.get(self.summary)
        cells = cell if isinstance(cell, list) else [cell]
        return list(dict.fromkeys(text for one in cells if (text := self._text(one))))

    def _text(self, cell: Any) -> str:
        if isinstance(cell, list | dict | bytes):
            what = f"a text is expected, not {type(cell).__name__}"
            raise DataError(Fault(self.summary, f"holds {str(cell)[:60]}: {what}"))
        return "" if cell is None else str(cell).strip()


def batch_rows(batch: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the rows of a batch of columns."""
    return [dict(zip(batch, row, strict=True)) for row in zip(*batch.values(), strict=True)]
