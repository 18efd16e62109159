"""Batches of table rows: arrays as a Dataset, rows as text, masks, and the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import datasets

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


def as_text(row: Mapping[str, Any]) -> str:
    """Return a row as text: names and values, numbers to three significant digits."""
    parts = []
    for name, value in row.items():
        text = "none" if value is None else f"{value:.3g}" if isinstance(value, float) else value
        parts.append(f"{name.replace('_', ' ')} {text}")
    return ", ".join(parts)


def fixed_mask(shape: tuple[int, ...], share: float) -> Array:
    """Return which fields are masked, the same for the same shape; at least one per row."""
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
    """Stacks rows of numbers, or pads texts; draws a mask of fields where there is none yet."""

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
    """Focal loss (cross-entropy where gamma is 0) with a weight per class; -100 is ignored.

    smoothing: label smoothing, 0 to 1, of cross-entropy.
    """

    weights: Sequence[float]
    gamma: float
    smoothing: float = 0.0

    def __call__(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        """Return the sum over rows divided by their number."""
        import torch
        from torch.nn import functional

        known = labels >= 0
        logits, labels = outputs.logits.float()[known], labels[known]
        losses = functional.cross_entropy(
            logits, labels, reduction="none", label_smoothing=self.smoothing
        )
        if self.gamma:
            losses = losses * (1 - torch.exp(-losses)) ** self.gamma
        losses = losses * torch.tensor(self.weights, device=labels.device)[labels]
        count = known.sum() if num_items_in_batch is None else num_items_in_batch
        return losses.sum() / torch.as_tensor(count, device=losses.device).clamp(min=1)
