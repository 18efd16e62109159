"""Predictions of a split, streamed in row order; rows are sorted by length within a window."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import cycle, islice, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import HookError
from toolkit.evaluation import chunks
from toolkit.evaluation.batches import batch_maker, by_length, records
from toolkit.utils import distributed

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin
    from toolkit.plugin_types import Ints, Prediction

WINDOW = 4096  # rows that are sorted by length together, and whose predictions are held at once
AHEAD = 2  # batches that wait for each device

Share = tuple[dict[int, Any], list[float]]
#: A model, and what makes its batches of prepared rows.
Lane = tuple[Any, Callable[[list[dict[str, Any]]], Mapping[str, Any]]]


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

    Args:
        raw, prepared: the same rows, as read and as the model takes them (see `chunks`).
        batch_size: prepared rows per forward pass.
        with_loss: keep the labels in the batch and sum the loss over the rows.
        fast: of new rows, whose numbers need not be those of the run to the last digit: on CPUs,
            batches cut where padding would cost more than another pass, and `fast_products`.
        others: the same model on other devices; batches go to all in turn.
        alone: this rank predicts all rows, without the others.
    """
    import torch

    from toolkit.evaluation.products import fast_products

    tight = fast and next(model.parameters()).device.type == "cpu"
    lanes = [(one, batch_maker(plugin, one, with_loss)) for one in (model, *others)]
    starts = chunks.bounds(prepared, len(raw))
    work = _Work(plugin, lanes, raw, prepared, starts, fast_products if tight else nullcontext)
    with evaluating(model), torch.inference_mode():
        for first, last in chunks.windows(starts, WINDOW):
            rows = range(int(starts[first]), int(starts[last]))
            batches = list(by_length(prepared, rows, batch_size, tight=tight))
            place = (0, 1) if alone else (distributed.rank(), distributed.size())
            own = work.share(batches, *place)
            shares = [own] if alone else distributed.gather_object(own)
            if shares is not None:
                yield work.joined(first, last, shares)


@dataclass(frozen=True)
class _Work:
    """A split, what predicts it, and where the prepared chunks of each raw row start."""

    plugin: Plugin[Any]
    lanes: Sequence[Lane]
    raw: datasets.Dataset
    prepared: datasets.Dataset
    starts: Ints
    products: Callable[[], AbstractContextManager[Any]]

    def share(self, batches: Sequence[list[int]], rank: int, ranks: int) -> Share:
        """Return this rank's share of a window: predictions by row number, and sums of losses.

        For rows in chunks, what the plugin keeps of each takes the place of the predictions.
        """
        found: dict[int, Any] = {}
        losses: list[float] = []
        places = range(rank, len(batches) + rank, ranks)
        # Past the end a batch is repeated, as a sharded model needs all ranks in step.
        turns = [batches[min(place, len(batches) - 1)] for place in places]
        outputs_of = self._outputs(records(self.prepared, chosen) for chosen in turns)
        for place, chosen, (inputs, batch, outputs) in zip(places, turns, outputs_of, strict=True):
            if place >= len(batches):
                continue
            loss = loss_of(self.plugin, outputs, batch) if "labels" in batch else None
            if loss is not None:
                losses.append(loss * len(chosen))
            if chunks.given(self.prepared):
                made = self.plugin.reduce_chunk(outputs, inputs)
                self._check_count("reduce_chunk", made, len(chosen))
            else:
                made = self.plugin.decode(outputs, records(self.raw, chosen), inputs)
                self._check_count("decode", made, len(chosen))
            found.update(zip(chosen, made, strict=True))
        return found, losses

    def _outputs(
        self, given: Iterable[list[dict[str, Any]]]
    ) -> Iterator[tuple[list[dict[str, Any]], Mapping[str, Any], Any]]:
        """Yield prepared rows, their batch and the model's outputs; lanes work at once.

        Only `infer` is called in other threads.
        """
        import torch

        def infer(model: Any, batch: Mapping[str, Any]) -> Any:
            with torch.inference_mode(), self.products():  # both are a thread's own
                return self.plugin.infer(model, batch)

        if len(self.lanes) == 1:
            model, make = self.lanes[0]
            for rows in given:
                batch = make(rows)
                yield rows, batch, infer(model, batch)
            return
        with ExitStack() as stack:
            threads = [stack.enter_context(ThreadPoolExecutor(1, "device")) for _ in self.lanes]
            waiting: deque[tuple[Any, Any, Future[Any]]] = deque()
            turns = cycle(zip(self.lanes, threads, strict=True))
            for rows, ((model, make), thread) in zip(given, turns, strict=False):
                batch = make(rows)
                waiting.append((rows, batch, thread.submit(infer, model, batch)))
                if len(waiting) > AHEAD * len(self.lanes):
                    before, made, future = waiting.popleft()
                    yield before, made, future.result()
            for before, made, future in waiting:
                yield before, made, future.result()

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
    model.eval()
    try:
        yield
    finally:
        model.train(training)
