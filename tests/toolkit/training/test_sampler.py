"""Batches of like length, in random order."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.training.sampler import LengthGroupedBatches


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=400), st.integers(1, 40))
def test_every_row_comes_once_and_the_longest_first(lengths, size):
    order = list(LengthGroupedBatches(np.array(lengths), size))
    assert sorted(order) == list(range(len(lengths)))
    if len(lengths) >= size:
        assert max(lengths) in [lengths[row] for row in order[:size]]


def test_batches_are_alike_in_length_and_shuffled():
    lengths = np.random.default_rng(0).integers(1, 100, 5000)
    order = np.array(list(LengthGroupedBatches(lengths, 50)))
    means = lengths[order].reshape(-1, 50).mean(axis=1)
    spread = lengths[order].reshape(-1, 50).std(axis=1).mean()
    assert spread < lengths.std() / 10
    # Sorted windows, handed out in order, would correlate by about -1.
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3


def test_seed_and_epoch_give_the_order():
    lengths = np.arange(100) % 7
    orders = []
    for seed, epoch in ((1, 0), (1, 0), (2, 0), (1, 3)):
        torch.rand(seed)  # what else draws from the global generator moves nothing
        orders.append(list(LengthGroupedBatches(lengths, 8, seed, lambda epoch=epoch: epoch)))
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != orders[3]
