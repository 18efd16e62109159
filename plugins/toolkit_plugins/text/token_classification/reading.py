"""Rows of tokens and tags as texts with spans (a stand-in until the other half is there)."""

from __future__ import annotations

from typing import Any

from toolkit.plugin_types import ReshapedRows
from toolkit.tasks.tag_sequences import spans_of


def reshaped(rows: Any, split: str, options: Any) -> ReshapedRows:
    """Return rows with text and entities."""
    if options.tokens not in rows.column_names or options.text in rows.column_names:
        return ReshapedRows(rows)
    tags = next((n for n in (options.tags, "tags", "ner_tags") if n in rows.column_names), None)

    def change(row: dict[str, Any]) -> dict[str, Any]:
        tokens, places, start = row[options.tokens], [], 0
        for token in tokens:
            places.append((start, start + len(token)))
            start += len(token) + 1
        found: dict[str, Any] = {options.text: " ".join(tokens)}
        if tags is not None:
            found[options.entities] = [
                {"start": places[first][0], "end": places[last - 1][1], "label": label}
                for first, last, label in spans_of(row[tags])
            ]
        return found

    return ReshapedRows(rows.map(change))
