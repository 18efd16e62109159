"""A model over a split, streamed: length-sorted windows in, predictions in row order out."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluation import chunks
from toolkit.utils import distributed

if TYPE_CHECKING:
    import datasets
    import torch

    from toolkit.plugin import Plugin
    from toolkit.plugin_types import Prediction

PASS = 64  # tokens for which a pass of MiniLM through two cores takes as long as for none
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
) -> Iterator[Batch]:
    """Yield the predictions of a split in row order, a window at a time.

    Several ranks share the batches of each window, which are those of one process; rank 0 yields
    what all of them found, and the others, which must go through it too, yield nothing.

    The model runs in its own precision, so that a row's prediction does not hang on its batch.

    Args:
        raw, prepared: the same rows, as read and as the model takes them (see `parts`).
        batch_size: prepared rows per forward pass.
        with_loss: keep the labels in the batch and sum the loss over the rows.
        tight: cut batches where padding would cost more than a further pass (on CPUs).
        others: the same model on further devices; batches go to all of them in turn.
    """
    import torch

    tight = tight and next(model.parameters()).device.type == "cpu"

    lanes = [(one, batch_maker(plugin, one, with_loss)) for one in (model, *others)]
    starts = chunks.bounds(prepared, len(raw))
    with evaluating(model), torch.inference_mode():
        for first, last in chunks.windows(starts, WINDOW):
            rows = range(int(starts[first]), int(starts[last]))
            batches = list(by_length(prepared, rows, batch_size, tight=tight))
            own = _window(plugin, lanes, raw, prepared, batches)
            shares = distributed.gather_object(own)
            if shares is not None:
                yield _joined(plugin, raw, prepared, starts[first : last + 1], first, shares)


def _window(
    plugin: Plugin[Any],
    lanes: Sequence[Lane],
    raw: datasets.Dataset,
    prepared: datasets.Dataset,
    batches: Sequence[list[int]],
) -> Share:
    """Return this rank's share of a window: predictions by row number, and sums of losses.

    Of rows in parts, what the plugin keeps of each part stands in the place of the predictions.
    """
    found: dict[int, Any] = {}
    in_parts = chunks.given(prepared)
    losses: list[float] = []
    places = range(distributed.rank(), len(batches) + distributed.rank(), distributed.size())
    # Past the end a batch is run again for nothing: a model in shards needs all ranks in step.
    turns = [batches[min(place, len(batches) - 1)] for place in places]
    given = (records(prepared, chosen) for chosen in turns)
    for place, chosen, found_of in zip(places, turns, _outputs(plugin, lanes, given), strict=True):
        inputs, batch, outputs = found_of
        if place >= len(batches):
            continue
        loss = _loss(plugin, outputs, batch)
        if loss is not None:
            losses.append(loss * len(chosen))
        if in_parts:
            made = plugin.keep(outputs, inputs)
            _check_count(plugin, "keep", made, len(chosen))
        else:
            made = plugin.decode(outputs, records(raw, chosen))
            _check_count(plugin, "decode", made, len(chosen))
        found.update(zip(chosen, made, strict=True))
    return found, losses


def _outputs(
    plugin: Plugin[Any], lanes: Sequence[Lane], given: Iterable[list[dict[str, Any]]]
) -> Iterator[tuple[list[dict[str, Any]], Mapping[str, Any], Any]]:
    """Yield prepared rows, their batch and the model's outputs, in order; lanes work at once.

    What else plugins do with a batch stays in this thread: only `infer` is called in others.
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
        raise ValueError(
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
    """Return the predictions of the raw rows from `first` on, whose parts begin at `starts`."""
    found = {row: made for share, _ in shares for row, made in share.items()}
    losses = [loss for _, share in shares for loss in share]
    total = float(np.nansum(losses)) if losses else None
    if not chunks.given(prepared):
        return Batch(first, [found[row] for row in range(starts[0], starts[-1])], total)
    kept = [
        [found[part] for part in range(start, end)]
        for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    ]
    predictions = plugin.decode(kept, records(raw, range(first, first + len(kept))))
    _check_count(plugin, "decode", predictions, len(kept))
    return Batch(first, predictions, total)


def _loss(plugin: Plugin[Any], outputs: Any, batch: Mapping[str, Any]) -> float | None:
    if "labels" not in batch:
        return None
    custom = plugin.loss()
    if custom is not None:
        return float(custom(outputs, batch["labels"]))
    found = getattr(outputs, "loss", None)
    return None if found is None else float(found)


def by_length(
    prepared: datasets.Dataset, rows: range, batch_size: int, *, tight: bool = False
) -> Iterator[list[int]]:
    """Yield batches of row numbers, the longest first, so that little is padded."""
    lengths = lengths_of(prepared, rows)
    order = np.argsort(-lengths, kind="stable") if lengths is not None else np.arange(len(rows))
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        ends = cuts(lengths[places]) if tight and lengths is not None else [len(places)]
        for first, last in pairwise([0, *ends]):
            yield [rows[place] for place in places[first:last]]


def cuts(lengths: np.ndarray[Any, Any]) -> list[int]:
    """Return where falling lengths are best cut: ends of batches, the last one of all rows.

    A batch costs its rows times its longest, and PASS for going through the model at all; the sum
    is the least that any cuts have (dynamic programming over the first n rows).
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


def lengths_of(prepared: datasets.Dataset, rows: range) -> np.ndarray[Any, Any] | None:
    """Return the `length` column of some rows, or None where the plugin gives none."""
    if "length" not in prepared.column_names:
        return None
    table = prepared.select_columns(["length"]).with_format("numpy")
    found: np.ndarray[Any, Any] = table[rows.start : rows.stop]["length"]
    return found


def records(split: datasets.Dataset, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Return rows as a list of dicts."""
    columns = split[list(rows)]
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def batch_maker(
    plugin: Plugin[Any], model: Any, with_labels: bool
) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
    """Return a function from prepared rows to a batch on the model's device.

    Columns that the model's forward does not name are left out, as Trainer does.
    """
    collate = plugin.collator() or default_collator(plugin)
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    wanted = set(inspect.signature(inner.forward).parameters) - {"labels"}
    if with_labels:
        wanted.add("labels")
    device: torch.device = next(model.parameters()).device

    def make(rows: list[dict[str, Any]]) -> Mapping[str, Any]:
        batch = collate([{k: v for k, v in row.items() if k in wanted} for row in rows])
        # Some collators give `labels: None` where there are none.
        given = {k: v for k, v in batch.items() if v is not None}
        return {k: v.to(device) if hasattr(v, "to") else v for k, v in given.items()}

    return make


def default_collator(plugin: Plugin[Any]) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
    """Return what Trainer would take: padding by a tokenizer, plain stacking without one."""
    from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase, default_data_collator

    if isinstance(plugin.processor, PreTrainedTokenizerBase):
        return DataCollatorWithPadding(plugin.processor, pad_to_multiple_of=padding_step())
    return default_data_collator


def padding_step() -> int:
    """Return the multiple to which batches of text are padded: tensor cores want eights."""
    import torch

    return 8 if torch.cuda.is_available() else 1


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Put a model into eval mode, and back into the mode it was in."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
