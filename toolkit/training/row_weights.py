"""Each row of an optimizer step weighs the same, wherever it stands.

A model's own loss is a mean over its batch. Trainer takes the mean of such means, over the batches
that are accumulated and over the processes, so that the one row in the last batch of an epoch
weighs as much as all rows of a full one. And to give each process a whole last batch, accelerate
repeats rows of the epoch's beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REPEATED = "toolkit_repeated"  # in a batch of which no row counts


class RowWeightsMixin:
    """Mixed into a Trainer: losses are weighed by their rows, and repeated rows are left out."""

    toolkit_items: Any = None  # of a step, over all its batches and processes

    def _get_num_items_in_batch(self: Any, batch_samples: list[Any], device: Any) -> Any:
        import torch

        counted = in_passes(leave_out_repeated(self.accelerator, batch_samples))
        batch_samples[:] = in_passes(batch_samples)
        if len(counted) * self.accelerator.num_processes > 1:
            here = torch.as_tensor(sum(map(items_of, counted)), dtype=torch.float32, device=device)
            self.toolkit_items = self.accelerator.gather(here).sum()
        return super()._get_num_items_in_batch(counted, device)  # type: ignore[misc]  # Trainer's

    def compute_loss(self: Any, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        """Return what the Trainer returns, its loss weighed."""
        repeated = isinstance(inputs, dict) and inputs.pop(REPEATED, False)
        parts = self.current_gradient_accumulation_steps * self.accelerator.num_processes
        items = items_of(inputs) if parts > 1 else None  # now: the Trainer takes labels out
        found = super().compute_loss(model, inputs, *rest, **named)  # type: ignore[misc]  # Trainer's
        weight = 0.0 if repeated else self._weight(items, named.get("num_items_in_batch"))
        if not model.training or weight is None:
            return found
        return (found[0] * weight, *found[1:]) if isinstance(found, tuple) else found * weight

    def _weight(self: Any, items: Any, counted: Any) -> Any:
        """Return the factor on a batch's mean loss, or None where it is no mean, or the only one.

        Args:
            counted: of the whole step, by which the Trainer has had the loss divided, if at all.
        """
        parts, processes = self.current_gradient_accumulation_steps, self.accelerator.num_processes
        own = self.compute_loss_func is not None  # then Trainer divides by no number of parts
        divided = counted is not None and (own or self.model_accepts_loss_kwargs)
        settled = divided or self.loss_is_scaled_for_ga is not None or parts * processes == 1
        if settled or self.toolkit_items is None:
            return None
        return items * processes * (1 if own else parts) / self.toolkit_items.clamp(min=1)


def items_of(batch: Any) -> Any:
    """Return how many items a batch's mean loss is taken over: labels, or rows without labels."""
    labels: Any = batch.get("labels") if isinstance(batch, Mapping) else None
    if hasattr(labels, "ne"):
        return labels.ne(-100).sum()
    parts = list(batch.values()) if isinstance(batch, Mapping) else [batch]
    return next((len(part) for part in parts if hasattr(part, "__len__")), 1)


def in_passes(batches: list[Any]) -> list[Any]:
    """Return the batches of a step with those that are divided into passes as the passes."""
    return [part for batch in batches for part in (batch if isinstance(batch, list) else [batch])]


def leave_out_repeated(accelerator: Any, batches: list[Any]) -> list[Any]:
    """Shorten the last batch of an epoch by the rows that only fill it up, in place.

    At least one stays, as every process has to take part in a step; it is marked as `REPEATED`.
    Where a batch has no value per row (rows packed into one, say), it stays as it is.

    Returns the batches as they are to be counted.
    """
    from accelerate.data_loader import BatchSamplerShard

    state = accelerator.gradient_state
    shard: Any = getattr(state.active_dataloader, "batch_sampler", None)
    dealt = isinstance(shard, BatchSamplerShard) and shard.even_batches and not shard.split_batches
    if not (batches and dealt and state.end_of_dataloader and state.remainder > 0):
        return batches
    size = shard.batch_size
    passes = in_passes(batches[-1:])
    counts = [_rows(one) for one in passes]
    known = [count for count in counts if count is not None]
    if len(known) < len(counts) or sum(known) != size:
        return batches
    here = min(max(state.remainder - shard.process_index * size, 0), size)
    ends = [max(min(here - sum(known[:place]), rows), 0) for place, rows in enumerate(known)]
    kept = [_first(one, end) for one, end in zip(passes, ends, strict=True) if end]
    batches[-1:] = [kept] if kept else [{**_first(passes[0], 1), REPEATED: True}]
    return [*batches[:-1], kept or _first(passes[0], 0)]


def _rows(batch: Any) -> int | None:
    """Return how many rows a batch has, of which each value has one for each; None otherwise."""
    values: list[Any] = list(batch.values()) if isinstance(batch, Mapping) else [None]
    counts = {len(value) if hasattr(value, "__len__") else None for value in values}
    return counts.pop() if len(counts) == 1 else None


def _first(batch: Mapping[str, Any], rows: int) -> dict[str, Any]:
    return {name: value[:rows] for name, value in batch.items()}
