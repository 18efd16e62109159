"""Batches of rows of similar length, in random order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import Sampler

WINDOW = 50  # batches that are sorted by length together


class LengthGroupedBatches(Sampler[int]):
    """Row numbers such that each `batch_size` in a row have about the same length.

    transformers' LengthGroupedSampler hands batches out from the longest to the shortest of a
    window, so that for thousands of rows the model sees long texts first and short ones after;
    where length goes with the class, that costs accuracy. Here the batches are shuffled. The
    batch with the longest row comes first: memory that does not suffice shows at once.

    The order depends on seed and epoch alone. torch's global generator would differ between
    processes (each draws dropout for batches of its own shapes), and rows would come twice or not
    at all.

    Args:
        lengths: shape (rows,). batch_size: rows per batch, over all processes.
        seed: of the order. epoch: returns the number of the epoch that begins.
    """

    def __init__(
        self,
        lengths: np.ndarray[Any, Any],
        batch_size: int,
        seed: int = 0,
        epoch: Callable[[], int] = lambda: 0,
    ) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size, self.seed, self.epoch = batch_size, seed, epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        """Yield the row numbers of one epoch."""
        # Mixed, not added: seed 1 in epoch 1 must not repeat seed 2 in epoch 0.
        mixed = np.random.SeedSequence((self.seed, self.epoch())).generate_state(1)
        random = torch.Generator().manual_seed(int(mixed[0]))
        rows = torch.randperm(len(self.lengths), generator=random).numpy()
        size = self.batch_size * WINDOW
        batches = []
        for start in range(0, len(rows), size):
            window = rows[start : start + size]
            window = window[np.argsort(-self.lengths[window], kind="stable")]
            batches += [
                window[i : i + self.batch_size] for i in range(0, len(window), self.batch_size)
            ]
        # A shorter batch anywhere but at the end would shift the bounds of all after it.
        last = [batches.pop()] if len(batches[-1]) < self.batch_size else []
        if batches:
            longest = max(range(len(batches)), key=lambda i: self.lengths[batches[i][0]])
            first = batches.pop(longest)
            order = torch.randperm(len(batches), generator=random).tolist()
            batches = [first, *(batches[i] for i in order)]
        for batch in [*batches, *last]:
            yield from batch.tolist()
