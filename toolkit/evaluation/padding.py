"""Batches padded from arrow tables: no row becomes a Python object on its way to the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    import datasets
    import pyarrow
    import torch

TRIED = 8  # rows that must come out as by the collator itself
#: As transformers' collators call them.
RENAMED = {"label": "labels", "label_ids": "labels"}

Collate = Callable[[list[dict[str, Any]]], Mapping[str, Any]]


@dataclass(frozen=True)
class Padding:
    """How lists of tokens are padded: to the longest of a batch, and what with.

    fillers: column -> what its lists are padded with; all other columns are stacked. step: widths
    are multiples of it. left: whether padding comes first.
    """

    fillers: Mapping[str, int]
    step: int = 1
    left: bool = False

    def __call__(self, table: pyarrow.Table) -> dict[str, torch.Tensor]:
        """Return a batch of the rows of a table, which has no nulls: shape (rows, width)."""
        import torch

        batch, placed = {}, _Places(self)
        for name in table.column_names:
            column = table.column(name)
            column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
            values = (
                placed.fill(column, self.fillers[name])
                if name in self.fillers
                else _stacked(column)
            )
            batch[RENAMED.get(name, name)] = torch.from_numpy(values)
        return batch


@dataclass(frozen=True)
class Collator:
    """Makes batches: lists of tokens padded on their right, all else stacked."""

    padding: Padding

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Return a batch of rows."""
        import torch

        fillers, step, batch = self.padding.fillers, self.padding.step, {}
        for name in rows[0]:
            values = [row[name] for row in rows]
            if name in fillers:
                width = -(-max(map(len, values)) // step) * step
                values = [[*value, *[fillers[name]] * (width - len(value))] for value in values]
            batch[name] = torch.tensor(values)
        return batch


class _Places:
    """Where the tokens of a batch come to stand; columns of equal lengths share it."""

    def __init__(self, padding: Padding) -> None:
        self.padding = padding
        self.lengths: Any = None
        self.kept: Any = None

    def fill(self, column: Any, filler: int) -> np.ndarray[Any, Any]:
        """Return the lists of a column as an array, shape (rows, width)."""
        lengths = np.diff(column.offsets.to_numpy())
        if self.lengths is None or not np.array_equal(lengths, self.lengths):
            step = self.padding.step
            places = np.arange(-(-int(lengths.max()) // step) * step)
            self.lengths = lengths
            self.kept = (
                places >= len(places) - lengths[:, None]
                if self.padding.left
                else places < lengths[:, None]
            )
        found = np.full(self.kept.shape, filler, np.int64)
        found[self.kept] = column.flatten().to_numpy()
        return found


def _stacked(column: Any) -> np.ndarray[Any, Any]:
    """Return numbers, or lists of equally many, as torch would make a tensor of them."""
    import pyarrow as pa

    rows = len(column)
    nested = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    values = (column.flatten() if nested else column).to_numpy(zero_copy_only=False)
    kinds = {"f": np.float32, "i": np.int64, "u": np.int64}
    values = np.array(values, kinds.get(values.dtype.kind, values.dtype))
    return values.reshape(rows, -1) if nested else values


class ArrowRows:
    """Rows as tables of arrow, which DataLoader asks for by a batch's row numbers."""

    def __init__(self, rows: datasets.Dataset) -> None:
        self.rows = rows.with_format("arrow")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, numbers: Sequence[int]) -> pyarrow.Table:
        return self.rows[list(numbers)]


def table_collator(
    collate: Collate, rows: datasets.Dataset
) -> Callable[[pyarrow.Table], Mapping[str, Any]] | None:
    """Return what makes of tables the very batches that a collator makes of dicts.

    Returns None where it cannot be told how the collator pads, or where some of the rows come out
    differently.

    Args:
        collate: a DataCollatorWithPadding, or any with an attribute `padding` (a `Padding`).
    """
    padding = _padding_of(collate)
    if padding is None or not len(rows):
        return None
    make = _OfTables(collate, padding)
    numbers = np.linspace(0, len(rows) - 1, min(TRIED, len(rows)), dtype=int)
    some = ArrowRows(rows).__getitems__(numbers.tolist())
    try:
        same = _are_same(make(some), collate(some.to_pylist()))
    except (ValueError, TypeError, AttributeError, NotImplementedError):
        return None
    return make if same else None


@dataclass(frozen=True)
class _OfTables:
    """A collator of tables; those with nulls are left to the collator of dicts."""

    collate: Collate
    padding: Padding

    def __call__(self, table: pyarrow.Table) -> Mapping[str, Any]:
        if any(table.column(name).null_count for name in table.column_names):
            return self.collate(table.to_pylist())
        return self.padding(table)


def _padding_of(collate: Any) -> Padding | None:
    from transformers import DataCollatorWithPadding

    if isinstance(own := getattr(collate, "padding", None), Padding):
        return own
    if type(collate) is not DataCollatorWithPadding or collate.padding is not True:
        return None
    tokenizer, step = collate.tokenizer, collate.pad_to_multiple_of or 1
    if collate.max_length is not None or tokenizer.pad_token_id is None:
        return None
    fillers = {tokenizer.model_input_names[0]: tokenizer.pad_token_id, "attention_mask": 0,
               "token_type_ids": tokenizer.pad_token_type_id, "special_tokens_mask": 1}  # fmt: skip
    return Padding(fillers, step, tokenizer.padding_side == "left")


def _are_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    import torch

    return {*one} == {*other} and all(
        value.dtype == other[name].dtype and torch.equal(value, cast("torch.Tensor", other[name]))
        for name, value in one.items()
    )
