"""Where batches of rows sorted by length are cut."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from datasets import Dataset

from toolkit.evaluation import batches


def cost(lengths, ends):
    return sum(
        batches.PASS + lengths[first] * (last - first) for first, last in pairwise([0, *ends])
    )


@pytest.mark.parametrize(
    "lengths",
    [[5], [60, 60, 60], [200, 10, 10, 10], [90, 80, 40, 12, 9, 9, 8, 3], list(range(100, 0, -9))],
)
def test_no_other_cuts_cost_less(lengths):
    found = batches.cuts(np.array(lengths))
    count = len(lengths)
    assert found[-1] == count
    assert found == sorted(set(found))
    best = min(
        cost(lengths, [*chosen, count])
        for many in range(count)
        for chosen in combinations(range(1, count), many)
    )
    assert cost(lengths, found) == best


def test_long_rows_go_by_themselves():
    assert batches.cuts(np.array([200, 10, 10, 10])) == [1, 4]
    assert batches.cuts(np.array([12, 11, 10, 10])) == [4]


def test_a_batch_has_few_long_rows_or_many_short_ones():
    lengths = [100, 3, 50, 4, 5, 90, 2, 2, 5, 5]
    rows = Dataset.from_dict({"length": lengths})
    found = list(batches.by_length(rows, range(10), 2, tokens=200))
    assert [[lengths[row] for row in batch] for batch in found] == [
        [100, 90], [50, 5, 5, 5], [4, 3, 2, 2]
    ]  # fmt: skip
    assert sorted(row for batch in found for row in batch) == list(range(10))
    without = Dataset.from_dict({"pixels": lengths})
    assert [len(b) for b in batches.by_length(without, range(10), 4, tokens=200)] == [4, 4, 2]
