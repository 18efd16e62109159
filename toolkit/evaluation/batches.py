"""Prepared rows in batches: of similar lengths, collated, on the model's device."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import HookError

if TYPE_CHECKING:
    import datasets
    import torch

    from toolkit.plugin import Plugin

#: Columns that methods add, which no plugin's collator has to know.
FEATURE_ROW, TEACHER_LOGITS = PRIVATE = ("feature_row", "teacher_logits")
PASS = 64  # the fixed cost of a forward pass, in tokens (MiniLM on two cores)


def by_length(
    prepared: datasets.Dataset,
    rows: range,
    batch_size: int,
    *,
    tight: bool = False,
    tokens: int = 0,
) -> Iterator[list[int]]:
    """Yield batches of row numbers, sorted by falling length, so that little is padded.

    Args:
        tight: cut batches where padding would cost more than another pass.
        tokens: where rows have a length, as many of them as have so many tokens together, padding
            included, if these are more than `batch_size`: few long ones, or many short ones.
    """
    from datasets.formatting import query_table

    lengths = np.zeros(len(rows), np.int64)
    if known := "length" in prepared.column_names:
        # Not by `select_columns`: for the one row of a request, its copy takes a tenth of the time.
        table = query_table(prepared.data, rows, indices=prepared._indices)
        lengths = table["length"].to_numpy()
    order, start = np.argsort(-lengths, kind="stable"), 0
    while start < len(order):
        most = tokens // max(int(lengths[order[start]]), 1) if known else 0
        places = order[start : start + max(most, batch_size)]
        start += len(places)
        ends = cuts(lengths[places]) if tight else [len(places)]
        for first, last in pairwise([0, *ends]):
            yield [rows[place] for place in places[first:last]]


def cuts(lengths: np.ndarray[Any, Any]) -> list[int]:
    """Return the ends of batches, for falling lengths, that have the least total cost.

    A batch costs its rows times its longest, plus PASS (dynamic programming over the first n rows).
    """
    count = len(lengths)
    cost, begins = np.zeros(count + 1), np.zeros(count + 1, int)
    for end in range(1, count + 1):
        starts = np.arange(end)
        costs = cost[:end] + PASS + lengths[:end] * (end - starts)
        begins[end] = int(costs.argmin())
        cost[end] = costs[begins[end]]
    ends = [count]
    while begins[ends[-1]]:
        ends.append(int(begins[ends[-1]]))
    return ends[::-1]


def records(split: datasets.Dataset, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Return rows as a list of dicts."""
    found: list[dict[str, Any]] = split.__getitems__(list(rows))
    return found


def batch_maker(
    plugin: Plugin[Any], model: Any, with_labels: bool
) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
    """Return a function from prepared rows to a batch on the model's device.

    Columns that the model's forward does not name are left out, as Trainer does.
    """
    from accelerate.utils import recursively_apply, send_to_device

    collate = collator(plugin)
    finish = getattr(plugin.collator(), "on_device", dict)
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    wanted = set(inspect.signature(inner.forward).parameters) - {"labels"}
    if with_labels:
        wanted.add("labels")
    device: torch.device = next(model.parameters()).device

    def make(rows: list[dict[str, Any]]) -> Mapping[str, Any]:
        try:
            batch = collate([{k: v for k, v in row.items() if k in wanted} for row in rows])
        except KeyError as error:
            name = next(iter(error.args), None)
            if name not in rows[0] or name in wanted:
                raise
            raise HookError(
                f"{type(plugin).__name__}.collator asks for {name!r}, a column that `prepare` gave "
                f"but that does not reach it: {type(inner).__name__}.forward does not name it"
                + (" (no labels in prediction)" if name == "labels" else "")
            ) from error
        # Some collators give `labels: None` where there are none.
        given = {k: v for k, v in batch.items() if v is not None}
        if on_gpu := device.type == "cuda":  # which copies from pinned memory while it computes
            given = recursively_apply(pinned, given)
        moved: Mapping[str, Any] = finish(send_to_device(given, device, non_blocking=on_gpu))
        return moved

    return make


def pinned(value: torch.Tensor) -> torch.Tensor:
    """Return a tensor in memory that stays where it is; one of a GPU as it is."""
    return value.pin_memory() if value.device.type == "cpu" else value


def collator(plugin: Plugin[Any]) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
    """Return the plugin's collator, or the default, past which the `PRIVATE` columns are led."""
    import torch

    collate = plugin.collator() or default_collator(plugin)

    def make(rows: list[dict[str, Any]]) -> Mapping[str, Any]:
        own = [name for name in PRIVATE if name in rows[0]]
        if not own:
            return collate(rows)
        values = {name: [row[name] for row in rows] for name in own}
        rest = collate([{k: v for k, v in row.items() if k not in own} for row in rows])
        # A split in the format of numpy has arrays here, which torch takes together alone.
        return {**rest, **{name: torch.tensor(np.stack(v) if isinstance(v[0], np.ndarray) else v)
                           for name, v in values.items()}}  # fmt: skip

    return make


def default_collator(plugin: Plugin[Any]) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
    """Return Trainer's default: padding by a tokenizer, plain stacking without one."""
    from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase, default_data_collator

    if isinstance(plugin.processor, PreTrainedTokenizerBase):
        return DataCollatorWithPadding(plugin.processor, pad_to_multiple_of=padding_step())
    return default_data_collator


def padding_step() -> int:
    """Return the multiple to which batches of text are padded: 8 for tensor cores."""
    import torch

    return 8 if torch.cuda.is_available() else 1
