"""The optimizer steps of a run: how many, of which rows, and which of them represent all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.columns import numbers
from toolkit.evaluation.batches import padding_step

if TYPE_CHECKING:
    import datasets
    import transformers

STRATA = 12  # sizes of step in a sample

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class StepPlan:
    """The optimizer steps of a run.

    groups: the rows of each step of one epoch of one process. sizes: tokens of each with its
    padding, or rows where lengths are not known, shape (steps,). peaks: the same of the largest
    forward pass of each. steps: of the whole run. evaluations, saves: in between.
    """

    groups: list[Ints]
    sizes: Floats
    peaks: Floats
    steps: int
    evaluations: int
    saves: int


def plan_steps(
    arguments: transformers.TrainingArguments,
    train: datasets.Dataset,
    processes: int = 1,
    tokens: int | None = None,
) -> StepPlan:
    """Return the steps of a run with such arguments on such rows, batched as the Trainer will.

    Args:
        processes: of the run; they share the groups of an epoch out, and each step takes as many.
        tokens: of a pass, at most.
    """
    batches = _batches(arguments, train)
    accumulated = arguments.gradient_accumulation_steps
    groups, sizes, peaks = [], [], []
    for start in range(0, len(batches), accumulated):
        part = batches[start : start + accumulated]
        groups.append(np.concatenate([rows for rows, _ in part]))
        sizes.append(sum(size for _, size in part))
        peaks.append(max(_pass(size, len(rows), tokens) for rows, size in part))
    whole, epoch = arguments.max_steps, math.ceil(len(groups) / processes)
    steps = whole if whole > 0 else math.ceil(arguments.num_train_epochs * epoch)

    def times(strategy: Any, every: float | None) -> int:
        name = str(getattr(strategy, "value", strategy))
        if name == "steps" and every:
            return steps // max(1, math.ceil(every * steps) if every < 1 else int(every))
        return math.ceil(steps / epoch) if name in ("epoch", "best") else 0

    return StepPlan(
        groups,
        np.array(sizes, np.float64),
        np.array(peaks, np.float64),
        steps,
        times(arguments.eval_strategy, arguments.eval_steps),
        times(arguments.save_strategy, arguments.save_steps),
    )


def _pass(size: float, rows: int, tokens: int | None) -> float:
    """Return the size of the largest pass of a batch; one row is never divided."""
    return size if tokens is None else min(size, max(tokens, size / rows))


def _batches(
    arguments: transformers.TrainingArguments, train: datasets.Dataset
) -> list[tuple[Ints, float]]:
    """Return (rows, size) of each forward pass of an epoch."""
    from toolkit.training.sampler import LengthGroupedBatches

    step, size = padding_step(), arguments.train_batch_size
    order = np.random.default_rng(0).permutation(len(train))
    lengths = None
    if arguments.length_column_name in train.column_names:
        lengths = numbers(train, arguments.length_column_name)
        if arguments.train_sampling_strategy == "group_by_length":
            order = np.fromiter(LengthGroupedBatches(lengths, size), np.int64, len(train))
    found = []
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        width = 1 if lengths is None else step * math.ceil(float(lengths[rows].max()) / step)
        found.append((rows, float(len(rows) * width)))
    whole = [batch for batch in found if len(batch[0]) == size]
    return whole if arguments.dataloader_drop_last else found


def sample_steps(plan: StepPlan) -> tuple[list[int], Ints]:
    """Return steps of an epoch, first two and then all sizes twice, and their rows.

    Any beginning of them holds small and large ones: measuring may stop at any step. The second has
    the largest forward pass: memory is at its peak where that meets what the optimizer keeps, which
    the first step makes. It comes again at the end, as a size counts as measured the second time.
    """
    if len(plan.groups) == 1:
        return [0, 0, 0, 0], plan.groups[0]
    # A last step of fewer rows would shift the bounds of all that come after it.
    whole = [n for n, rows in enumerate(plan.groups) if len(rows) == len(plan.groups[0])]
    order = np.array(whole)[np.argsort(plan.sizes[whole], kind="stable")]
    strata = [part[len(part) // 2] for part in np.array_split(order, min(STRATA, len(order)))]
    mixed = [int(strata[n]) for n in np.random.default_rng(0).permutation(len(strata))]
    largest = whole[int(plan.peaks[whole].argmax())]
    chosen = [mixed[-1], largest, *mixed, *mixed, largest]
    return chosen, np.concatenate([plan.groups[group] for group in chosen])
