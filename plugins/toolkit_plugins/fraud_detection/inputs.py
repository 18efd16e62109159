"""What the model takes: columns of arrays, texts, masks, batches, and the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import DataError, Fault, ModelError, listing

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.fraud_detection.processor import TransactionProcessor
    from toolkit_plugins.fraud_detection.schema import Schema

Array = np.ndarray[Any, Any]
MASK_SEED = 20_240_101


def dataset(columns: Mapping[str, Any]) -> datasets.Dataset:
    """Return arrays of shape (rows,) or (rows, width), and lists of lists, as a Dataset."""
    import datasets
    import pyarrow as pa

    found = {}
    for name, values in columns.items():
        if isinstance(values, np.ndarray) and values.ndim == 2:
            flat = pa.array(np.ascontiguousarray(values).ravel())
            found[name] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
        else:
            found[name] = pa.array(values)
    return datasets.Dataset(pa.table(found)).with_format("numpy")


def require(rows: datasets.Dataset, schema: Schema) -> None:
    """Raise a DataError that names every column that new rows lack."""
    wanted = [schema.time, schema.amount, *schema.entities, *schema.numeric, *schema.categorical]
    lacking = [n for n in wanted if n is not None and n not in rows.column_names]
    if lacking:
        what = f"lack {listing(lacking)}; columns found: {listing(rows.column_names, 40)}"
        raise DataError(Fault("rows", what))


def example(processor: TransactionProcessor) -> dict[str, Any]:
    """Return a row: numbers from the middle, and kinds that training has seen."""
    schema, usual = processor.schema, dict(zip(processor.numeric, processor.usual(), strict=True))
    found: dict[str, Any] = {}
    if schema.time is not None:
        found[schema.time] = "2026-01-31 12:00:00"
    if schema.amount is not None:
        found[schema.amount] = usual.get(schema.amount, 10.0)
    found |= dict.fromkeys(schema.entities, "1")
    found |= {name: usual.get(name, 0.0) for name in schema.numeric}
    for name in schema.categorical:
        values = processor.vocabularies.get(name)
        found[name] = values[0] if values else ""
    return found


def continued(
    before: TransactionProcessor, now: TransactionProcessor, folder: Path
) -> TransactionProcessor:
    """Return a checkpoint's processor for the labels of now.

    Raises:
        ModelError: it was made for other columns.
    """
    if before.numeric != now.numeric or list(before.vocabularies) != list(now.vocabularies):
        there = {*before.numeric, *before.vocabularies}
        here = {*now.numeric, *now.vocabularies}
        raise ModelError(
            f"{folder} was trained on other fields: it has {listing(sorted(there - here)) or '-'} "
            f"more, and lacks {listing(sorted(here - there)) or '-'}"
        )
    return replace(before, schema=now.schema, label_delay=now.label_delay)


def tokens(processor: TransactionProcessor, rows: datasets.Dataset, longest: int) -> dict[str, Any]:
    """Return token ids of rows written as text, and their number."""
    from toolkit_plugins.fraud_detection import table

    names = [*processor.numeric, *processor.vocabularies]
    frame = table.frame(rows, names)
    texts = [as_text(row) for row in frame.iter_rows(named=True)]
    limit = min(longest, processor.tokenizer.model_max_length)
    found = dict(processor.tokenizer(texts, truncation=True, max_length=limit))
    found["length"] = [len(ids) for ids in found["input_ids"]]
    return found


def as_text(row: Mapping[str, Any]) -> str:
    """Return a row as text: names and values, numbers to three digits."""
    parts = []
    for name, value in row.items():
        said = "none" if value is None else f"{value:.3g}" if isinstance(value, float) else value
        parts.append(f"{name.replace('_', ' ')} {said}")
    return ", ".join(parts)


def fixed_mask(shape: tuple[int, ...], share: float) -> Array:
    """Return which fields are hidden, the same for the same number of rows; one at least."""
    drawn = np.random.default_rng(MASK_SEED).random(shape)
    mask = drawn < share
    mask[np.arange(len(mask)), drawn.argmin(1)] = True
    return mask


def number_of(value: Any) -> int:
    """Return a number for an entity, the same in every process, which a float holds exactly."""
    import xxhash

    return int(xxhash.xxh3_64_intdigest(str(value).encode())) >> 12


@dataclass
class Collator:
    """Stacks rows of numbers, or pads texts; draws which fields are hidden where none are yet."""

    tokenizer: Any
    task: str
    share: float

    def __call__(self, rows: list[dict[str, Any]]) -> Mapping[str, Any]:
        """Return a batch of tensors."""
        import torch

        if self.tokenizer is not None:
            lists = [{k: v.tolist() if hasattr(v, "tolist") else v for k, v in row.items()}
                     for row in rows]  # fmt: skip
            return dict(self.tokenizer.pad(lists, return_tensors="pt"))
        batch = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
        if self.task == "pretrain" and "mask" not in batch:
            fields = sum(batch[name].shape[1] for name in ("numbers", "kinds") if name in batch)
            drawn = torch.rand(len(rows), fields)
            least = drawn.argmin(1, keepdim=True)
            batch["mask"] = (drawn < self.share).scatter(1, least, True)
        return batch


@dataclass
class Loss:
    """Cross-entropy, turned to hard rows by gamma, with a weight per class; -100 counts not."""

    weights: Sequence[float]
    gamma: float

    def __call__(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        """Return the sum over rows by their number."""
        import torch
        from torch.nn import functional

        known = labels >= 0
        logits, labels = outputs.logits.float()[known], labels[known]
        losses = functional.cross_entropy(logits, labels, reduction="none")
        if self.gamma:
            losses = losses * (1 - torch.exp(-losses)) ** self.gamma
        losses = losses * torch.tensor(self.weights, device=labels.device)[labels]
        count = known.sum() if num_items_in_batch is None else num_items_in_batch
        return losses.sum() / torch.as_tensor(count, device=losses.device).clamp(min=1)
