"""Predictions of a split, streamed in row order; rows are sorted by length within a window."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import HookError
from toolkit.evaluation import chunks
from toolkit.evaluation.batches import batch_maker, by_length, records
from toolkit.utils import distributed

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin import Plugin
    from toolkit.plugin_types import Prediction

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
    tight: bool = False,
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
        tight: cut batches where padding would cost more than another pass (on CPUs).
        others: the same model on other devices; batches go to all in turn.
        alone: this rank predicts all rows, without the others.
    """
    import torch

    tight = tight and next(model.parameters()).device.type == "cpu"

    lanes = [(one, batch_maker(plugin, one, with_loss)) for one in (model, *others)]
    starts = chunks.bounds(prepared, len(raw))
    with evaluating(model), torch.inference_mode():
        for first, last in chunks.windows(starts, WINDOW):
            rows = range(int(starts[first]), int(starts[last]))
            batches = list(by_length(prepared, rows, batch_size, tight=tight))
            place = (0, 1) if alone else (distributed.rank(), distributed.size())
            own = _window(plugin, lanes, raw, prepared, batches, *place)
            shares = [own] if alone else distributed.gather_object(own)
            if shares is not None:
                yield _joined(plugin, raw, prepared, starts[first : last + 1], first, shares)


def _window(
    plugin: Plugin[Any],
    lanes: Sequence[Lane],
    raw: datasets.Dataset,
    prepared: datasets.Dataset,
    batches: Sequence[list[int]],
    rank: int,
    ranks: int,
) -> Share:
    """Return this rank's share of a window: predictions by row number, and sums of losses.

    For rows in chunks, what the plugin keeps of each chunk takes the place of the predictions.
    """
    found: dict[int, Any] = {}
    in_chunks = chunks.given(prepared)
    losses: list[float] = []
    places = range(rank, len(batches) + rank, ranks)
    # Past the end a batch is repeated, as a sharded model needs all ranks in step.
    turns = [batches[min(place, len(batches) - 1)] for place in places]
    given = (records(prepared, chosen) for chosen in turns)
    for place, chosen, found_of in zip(places, turns, _outputs(plugin, lanes, given), strict=True):
        inputs, batch, outputs = found_of
        if place >= len(batches):
            continue
        loss = loss_of(plugin, outputs, batch) if "labels" in batch else None
        if loss is not None:
            losses.append(loss * len(chosen))
        if in_chunks:
            made = plugin.reduce_chunk(outputs, inputs)
            _check_count(plugin, "reduce_chunk", made, len(chosen))
        else:
            made = plugin.decode(outputs, records(raw, chosen), inputs)
            _check_count(plugin, "decode", made, len(chosen))
        found.update(zip(chosen, made, strict=True))
    return found, losses


def _outputs(
    plugin: Plugin[Any], lanes: Sequence[Lane], given: Iterable[list[dict[str, Any]]]
) -> Iterator[tuple[list[dict[str, Any]], Mapping[str, Any], Any]]:
    """Yield prepared rows, their batch and the model's outputs, in order; lanes work at once.

    Only `infer` is called in other threads.
    """
    import torch

    def infer(model: Any, batch: Mapping[str, Any]) -> Any:
        with torch.inference_mode():  # a thread's own
            return plugin.infer(model, batch)

    if len(lanes) == 1:
        model, make = lanes[0]
        for rows in given:
            batch = make(rows)
            yield rows, batch, infer(model, batch)
        return
    with ExitStack() as stack:
        threads = [stack.enter_context(ThreadPoolExecutor(1, "device")) for _ in lanes]
        waiting: deque[tuple[Any, Any, Future[Any]]] = deque()
        for number, rows in enumerate(given):
            model, make = lanes[number % len(lanes)]
            batch = make(rows)
            future = threads[number % len(lanes)].submit(infer, model, batch)
            waiting.append((rows, batch, future))
            if len(waiting) > AHEAD * len(lanes):
                before, made, future = waiting.popleft()
                yield before, made, future.result()
        for before, made, future in waiting:
            yield before, made, future.result()


def _check_count(plugin: Plugin[Any], hook: str, made: Sequence[Any], rows: int) -> None:
    if len(made) != rows:
        raise HookError(
            f"{type(plugin).__name__}.{hook} gave {len(made)} predictions for {rows} rows"
        )


def _joined(
    plugin: Plugin[Any],
    raw: datasets.Dataset,
    prepared: datasets.Dataset,
    starts: np.ndarray[Any, Any],
    first: int,
    shares: Sequence[Share],
) -> Batch:
    """Return the predictions of the raw rows from `first` on, whose chunks begin at `starts`."""
    found = {row: made for share, _ in shares for row, made in share.items()}
    losses = [loss for _, share in shares for loss in share]
    total = float(np.nansum(losses)) if losses else None
    if not chunks.given(prepared):
        return Batch(first, [found[row] for row in range(starts[0], starts[-1])], total)
    kept = [
        [found[chunk] for chunk in range(start, end)]
        for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    ]
    rows = records(raw, range(first, first + len(kept)))
    parts = iter(records(prepared, range(int(starts[0]), int(starts[-1]))))
    prepared_rows = [list(islice(parts, len(chunks_of))) for chunks_of in kept]
    predictions = plugin.decode(kept, rows, prepared_rows)
    _check_count(plugin, "decode", predictions, len(kept))
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
