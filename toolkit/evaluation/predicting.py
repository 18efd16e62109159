"""Predictions of a split, streamed in row order; rows are sorted by length within a window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import HookError
from toolkit.evaluation import chunks
from toolkit.evaluation.batches import by_length, records
from toolkit.evaluation.passes import Pass, Passes
from toolkit.utils import distributed

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin
    from toolkit.plugin_types import Ints, Prediction

WINDOW = 4096  # rows that are sorted by length together, and whose predictions are held at once
TOKENS = 32_768  # of a batch on a GPU, where that is more than its rows: enough to keep it busy
Share = tuple[dict[int, Any], list[float]]


@dataclass
class Batch:
    """Consecutive rows of a split, their predictions, and the sum of their losses (or None)."""

    start: int
    predictions: list[Prediction]
    loss_sum: float | None = None


def predict(
    plugin: Plugin[Any],
    model: Any,
    raw: datasets.Dataset,
    prepared: datasets.Dataset,
    batch_size: int,
    *,
    with_loss: bool = False,
    fast: bool = False,
    others: Sequence[Any] = (),
    alone: bool = False,
) -> Iterator[Batch]:
    """Yield the predictions of a split in row order, a window at a time.

    Several ranks share the batches of each window, which are those of one process; rank 0 yields
    all predictions, and the others, which must take part, yield nothing.

    The model runs in its own precision, so that a row's prediction does not depend on its batch.
    A plugin whose predictions, or what it keeps of chunks, take much memory has an attribute
    `rows_together`: how many prepared rows are held at once, by default WINDOW.

    Args:
        raw, prepared: the same rows, as read and as the model takes them (see `chunks`).
        batch_size: prepared rows per forward pass.
        with_loss: keep the labels in the batch and sum the loss over the rows.
        fast: of new rows, whose numbers need not be those of the run to the last digit: on CPUs,
            batches cut where padding would cost more than another pass, and `fast_products`; on
            GPUs, batches of `TOKENS`, or of what fits into memory.
        others: the same model on other devices; batches go to all in turn.
        alone: this rank predicts all rows, without the others.
    """
    import torch

    from toolkit.evaluation.products import fast_products

    device = next(model.parameters()).device.type
    tight, tokens = fast and device == "cpu", TOKENS if fast and device == "cuda" else 0
    starts = chunks.bounds(prepared, len(raw))
    place = (0, 1) if alone else (distributed.rank(), distributed.size())
    context = fast_products if tight else nullcontext
    passes = Passes(plugin, (model, *others), with_loss, context, divisible=place[1] == 1)
    work = _Work(plugin, passes, raw, prepared, starts)
    with evaluating(model), torch.inference_mode():
        for first, last in chunks.windows(starts, getattr(plugin, "rows_together", WINDOW)):
            rows = range(int(starts[first]), int(starts[last]))
            batches = list(by_length(prepared, rows, batch_size, tight=tight, tokens=tokens))
            own = work.share(batches, *place)
            shares = [own] if alone else distributed.gather_object(own)
            if shares is not None:
                yield work.joined(first, last, shares)


@dataclass(frozen=True)
class _Work:
    """A split, what predicts it, and where the prepared chunks of each raw row start."""

    plugin: Plugin[Any]
    passes: Passes
    raw: datasets.Dataset
    prepared: datasets.Dataset
    starts: Ints

    def share(self, batches: Sequence[list[int]], rank: int, ranks: int) -> Share:
        """Return this rank's share of a window: predictions by row number, and sums of losses.

        For rows in chunks, what the plugin keeps of each takes the place of the predictions.
        """
        found: dict[int, Any] = {}
        losses: list[float] = []
        places = range(rank, len(batches) + rank, ranks)
        # Past the end a batch is repeated, as a sharded model needs all ranks in step.
        turns = [batches[min(place, len(batches) - 1)] for place in places]
        counted = set(chain.from_iterable(batches[rank::ranks]))
        for one in self.passes.of((chosen, records(self.prepared, chosen)) for chosen in turns):
            with one.reading():
                if counted.issuperset(one.chosen):
                    loss, made = self._read(one)
                    losses += [] if loss is None else [loss * len(one.chosen)]
                    found.update(zip(one.chosen, made, strict=True))
        return found, losses

    def _read(self, one: Pass) -> tuple[float | None, Sequence[Any]]:
        """Return the loss of a pass, and what the plugin makes of each row."""
        loss = loss_of(self.plugin, one.outputs, one.batch) if "labels" in one.batch else None
        if chunks.given(self.prepared):
            made = self.plugin.reduce_chunk(one.outputs, one.rows)
            self._check_count("reduce_chunk", made, len(one.chosen))
        else:
            made = self.plugin.decode(one.outputs, records(self.raw, one.chosen), one.rows)
            self._check_count("decode", made, len(one.chosen))
        return loss, made

    def _check_count(self, hook: str, made: Sequence[Any], rows: int) -> None:
        if len(made) != rows:
            name = type(self.plugin).__name__
            raise HookError(f"{name}.{hook} gave {len(made)} predictions for {rows} rows")

    def joined(self, first: int, last: int, shares: Sequence[Share]) -> Batch:
        """Return the predictions of a range of raw rows."""
        found = {row: made for share, _ in shares for row, made in share.items()}
        losses = [loss for _, share in shares for loss in share]
        total = float(np.nansum(losses)) if losses else None
        starts = self.starts[first : last + 1].tolist()
        if not chunks.given(self.prepared):
            return Batch(first, [found[row] for row in range(starts[0], starts[-1])], total)
        spans = [range(*span) for span in pairwise(starts)]
        kept = [[found[chunk] for chunk in span] for span in spans]
        parts = iter(records(self.prepared, range(starts[0], starts[-1])))
        prepared = [list(islice(parts, len(span))) for span in spans]
        predictions = self.plugin.decode(kept, records(self.raw, range(first, last)), prepared)
        self._check_count("decode", predictions, len(kept))
        return Batch(first, predictions, total)


def loss_of(plugin: Plugin[Any], outputs: Any, batch: Mapping[str, Any]) -> float | None:
    """Return the loss of a batch, or None where neither plugin nor model gives one."""
    if "labels" in batch and (custom := plugin.loss()) is not None:
        return float(custom(outputs, batch["labels"]))
    found = outputs.get("loss") if isinstance(outputs, Mapping) else getattr(outputs, "loss", None)
    return None if found is None else float(found)


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Put a model into eval mode, and back into the mode it was in."""
    training = model.training
    if not any(module.training for module in model.modules()):  # quicker to see than to set
        yield
        return
    model.eval()
    try:
        yield
    finally:
        model.train(training)
