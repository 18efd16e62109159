"""Texts that are longer than what a model is given of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.plugin_types import Ints

BATCH = 1000
Texts = tuple[list[str], list[str] | None]


class CutNote(str):
    """A note on texts that are cut, with its numbers for the report's table.

    numbers: split, its rows, how many of them are cut (count), the tokens that are read (limit),
    and what is cut.
    """

    numbers: Mapping[str, str | int]

    @classmethod
    def of(cls, text: str, **numbers: str | int) -> CutNote:
        """Return a note with its numbers."""
        found = cls(text)
        found.numbers = numbers
        return found


def count_cut(
    tokenizer: Any,
    lengths: Sequence[int] | Ints,
    limit: int,
    texts: Callable[[Sequence[int]], Texts],
) -> int:
    """Return how many rows have lost tokens; only rows that fill the limit are tokenized again.

    Args:
        lengths: tokens of each row after truncation. limit: the most that a row has.
        texts: row numbers -> their texts, and the second ones of pairs.
    """
    full = np.flatnonzero(np.asarray(lengths) >= limit).tolist()
    cut = 0
    for start in range(0, len(full), BATCH):
        encoded = tokenizer(*texts(full[start : start + BATCH]), truncation=False, verbose=False)
        cut += sum(len(ids) > limit for ids in encoded["input_ids"])
    return cut


def notes(
    cut: Mapping[str, int],
    rows: Mapping[str, Any],
    limit: int,
    option: str,
    readers: str,
    texts: str = "texts",
) -> list[str]:
    """Return a note for each split with texts that are cut.

    Args:
        rows: split -> its rows. readers: the baselines that read the texts whole; "" if none does.
        texts: what the texts are called.
    """
    what = f"{texts} are longer than {limit} tokens and are cut ({option})"
    what += f"; {readers} reads them whole" if readers else ""
    return [
        CutNote.of(
            f"{name}: {count:,} of {len(rows[name]):,} {what}",
            split=name,
            count=count,
            rows=len(rows[name]),
            limit=limit,
            what=texts,
        )
        for name, count in cut.items()
        if count and name in rows
    ]
