"""Where batches of rows sorted by length are cut."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

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
