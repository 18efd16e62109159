"""The bootstrap: draws that repeat and pair, intervals that cover, sizes that stay affordable."""

from __future__ import annotations

import math

import datasets
import evaluate
import numpy as np
import pytest

from toolkit.evaluation import scoring
from toolkit.evaluation.bootstrap import (
    against_zero,
    deciding,
    interval,
    resamples_for,
    unit_count,
    weights,
)
from toolkit.evaluation.shares import share_interval, wilson


def test_a_draw_counts_every_row_as_often_as_it_was_drawn() -> None:
    drawn = list(weights(50, 400, seed=3))
    assert len(drawn) == 400
    assert all(draw.shape == (50,) and draw.sum() == 50 for draw in drawn)
    assert all(np.issubdtype(draw.dtype, np.integer) and draw.min() >= 0 for draw in drawn)
    counts = np.array(drawn)
    # Each count is binomial(50, 1/50): mean 1, variance 0.98, and no row is favoured.
    assert counts.mean(axis=0) == pytest.approx(np.ones(50), abs=0.25)
    assert counts.var() == pytest.approx(0.98, abs=0.05)


def test_equal_seeds_draw_equal_rows_whatever_the_number_of_resamples() -> None:
    few, many = list(weights(20, 5, seed=7)), list(weights(20, 30, seed=7))
    np.testing.assert_array_equal(few, many[:5])
    assert not np.array_equal(few, list(weights(20, 5, seed=8)))
    assert not np.array_equal(few[0], few[1])


def test_no_rows_can_be_drawn_from() -> None:
    assert [len(draw) for draw in weights(0, 3, seed=0)] == [0, 0, 0]


NORMAL = np.random.default_rng(0).normal(0.7, 0.05, 4000)


def test_an_interval_is_that_of_student_on_the_scale_of_its_bounds() -> None:
    """With many units: 0.7 with 1.96 deviations of 0.05, on the logit or the logarithm."""
    half = 1.96 * NORMAL.std()
    plain = interval(0.7, NORMAL.tolist(), 10**6, (-math.inf, math.inf))
    assert plain[:2] == pytest.approx((0.7 - half, 0.7 + half), abs=1e-4)
    odds = [math.log(0.7 / 0.3) + sign * half / 0.21 for sign in (-1, 1)]
    expected = [1 / (1 + math.exp(-end)) for end in odds]
    assert interval(0.7, NORMAL.tolist(), 10**6, (0, 1))[:2] == pytest.approx(expected, abs=1e-4)
    above = interval(0.7, NORMAL.tolist(), 10**6, (0, math.inf))
    expected = [0.7 * math.exp(sign * half / 0.7) for sign in (-1, 1)]
    assert above[:2] == pytest.approx(expected, abs=1e-4)
    below = interval(-0.7, NORMAL.tolist(), 10**6, (-math.inf, 0))
    assert below[:2] == pytest.approx((-above.high, -above.low))
    assert interval(0.7, NORMAL.tolist(), 10**6)[:2] == pytest.approx(
        tuple(np.percentile(NORMAL, [2.5, 97.5])), abs=1e-4
    )


def test_few_units_make_it_wider() -> None:
    """The 97.5% quantile of Student's t with 9 degrees of freedom is 2.262, and draws of ten groups
    vary by nine tenths of the variance."""
    found = interval(0.0, NORMAL.tolist(), 10, (-math.inf, math.inf), 60)
    assert found.high == pytest.approx(2.262 * math.sqrt(10 / 9) * NORMAL.std(), abs=1e-4)


@pytest.mark.parametrize(
    ("value", "draws", "units", "bounds", "reason"),
    [
        (0.7, [], 100, (0, 1), "undefined"),
        (0.7, [math.nan] * 5, 100, (0, 1), "undefined"),
        (math.nan, [0.5, 0.6], 100, (0, 1), "undefined"),
        (0.7, [0.5, 0.6], 49, (0, 1), "under 50 rows"),
        (0.7, [0.5, 0.6], 49, None, "under 50 rows"),
        (1.0, [1.0] * 9, 100, (0, 1), "the same score"),
        (1.0, [0.9, 1.0], 100, (0, 1), "at its bound"),
    ],
)
def test_no_interval_where_it_would_say_too_much(value, draws, units, bounds, reason) -> None:
    found = interval(value, draws, units, bounds)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert reason in found.reason


def test_of_many_rows_ten_groups_are_needed_and_fifty_without_a_bound() -> None:
    draws = NORMAL.tolist()
    assert "under 10 groups" in interval(0.7, draws, 9, (0, 1), 400).reason
    assert not interval(0.7, draws, 10, (0, 1), 400).reason
    assert "under 50 groups" in interval(0.7, draws, 49, (0, math.inf), 400).reason


def test_undefined_draws_are_left_out() -> None:
    draws = NORMAL.tolist()
    assert interval(0.7, [*draws, math.nan], 50, (0, 1)) == interval(0.7, draws, 50, (0, 1))


def test_wilson_is_that_of_scipy_but_where_nearly_all_are_right() -> None:
    from scipy.stats import binomtest

    for hits, trials in ((30, 30), (0, 7), (20, 30), (300, 1000)):
        ends = binomtest(hits, trials).proportion_ci(method="wilson")
        assert wilson(hits, trials) == pytest.approx((ends.low, ends.high))
    ends = binomtest(14, 15).proportion_ci(method="wilson")
    # 0.0513 is half the 5% quantile of chi-square with two degrees of freedom.
    assert wilson(14, 15) == pytest.approx((ends.low, 1 - 0.0513 / 15), abs=1e-4)
    assert wilson(1, 15)[0] == pytest.approx(0.0513 / 15, abs=1e-5)


@pytest.mark.parametrize(
    ("rows", "truth"), [(30, 0.99), (15, 0.98), (30, 0.8), (120, 0.95), (1000, 0.7)]
)
def test_the_interval_of_a_share_covers_it_as_often_as_it_says(rows: int, truth: float) -> None:
    """Percentiles of the bootstrap cover 26% of the time at 0.99 and 30 rows."""
    hits = np.random.default_rng(rows).binomial(rows, truth, 2000)
    found = {int(n): wilson(int(n), rows) for n in set(hits.tolist())}
    covered = np.mean([found[n][0] <= truth <= found[n][1] for n in hits.tolist()])
    assert 0.92 <= covered <= (0.98 if rows > 15 else 1)


def test_a_share_of_groups_that_agree_within_counts_groups() -> None:
    """Twenty groups of five rows, all right or all wrong: twenty trials, not a hundred."""
    units = np.repeat(np.arange(20), 5)
    hits = np.repeat(np.arange(20) % 4 > 0, 5).astype(float)
    draws = [float(w @ hits / w.sum()) for w in weights(100, 2000, 0, units)]
    found = share_interval(hits, np.ones(100), draws, units)
    assert found[:2] == pytest.approx(wilson(15, 20, units=20), abs=0.02)
    right = share_interval(np.ones(100), np.ones(100), [1.0] * 50, units)
    assert right[:2] == pytest.approx(wilson(20, 20, units=20))


def test_rows_of_two_columns_of_groups_count_the_product_of_both_draws() -> None:
    units = np.stack([np.repeat(np.arange(6), 5), np.tile(np.arange(5), 6)], axis=1)
    for drawn in weights(30, 50, 0, units):
        table = drawn.reshape(6, 5)
        assert table.sum() == 30
        assert np.linalg.matrix_rank(table) == 1
    assert unit_count(30, units) == 5


def test_a_difference_has_the_interval_and_p_of_one_test() -> None:
    draws = (0.1 + 0.05 * np.random.default_rng(1).normal(size=5000)).tolist()
    low, high, p = against_zero(0.1, draws, 10**6)
    assert (low, high) == pytest.approx((0.1 - 0.098, 0.1 + 0.098), abs=0.003)
    assert p == pytest.approx(0.0455, abs=0.005)
    assert against_zero(0.0, [0.0] * 9, 50) == (None, None, 1.0)
    assert against_zero(0.1, draws, 9) == (None, None, None)


@pytest.mark.parametrize(
    ("rows", "width", "expected"),
    [
        (3000, 77, 1000),
        (1_000_000, 1, 1000),
        (2_000_000, 1, 500),
        (40_000, 50, 500),
        (100_000, 77, 200),
        (0, 1, 1000),
    ],
)
def test_fewer_resamples_where_they_cost_more(rows: int, width: int, expected: int) -> None:
    assert resamples_for(rows, width) == expected


class ShareRight(evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """A metric as other packages bring it, without an interval of its own."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        features = datasets.Features({"predictions": {"label": text}, "references": text})
        return evaluate.MetricInfo(description="right", citation="", features=features)

    def _compute(
        self, predictions: list[dict[str, str]], references: list[str]
    ) -> dict[str, float]:
        right = [p["label"] == r for p, r in zip(predictions, references, strict=True)]
        return {"right": sum(right) / len(right)}


def test_draws_of_other_packages_metrics_are_of_the_same_rows() -> None:
    from toolkit.evaluation.metrics import load

    labels = ["a", "b"]
    predictions = [{"label": labels[n % 2], "scores": {"a": 0.5, "b": 0.5}} for n in range(30)]
    references = [labels[n % 3 == 0] for n in range(30)]
    modules = {"own": load("accuracy", labels=labels), "other": ShareRight()}
    found = scoring.draws(modules, [(predictions, references)], seed=3)
    assert len(found["other"]) == scoring.FOREIGN_RESAMPLES
    assert found["own"][: scoring.FOREIGN_RESAMPLES] == pytest.approx(found["other"])
    assert scoring.draws({"other": ShareRight()}, [], seed=3) == {}


def test_rows_that_decide_a_mean_are_counted() -> None:
    assert deciding(np.array([1.0, -1.0] * 20)) == pytest.approx(40)
    assert deciding(np.array([100.0, *[0.0] * 999])) < 5
    assert deciding(np.random.default_rng(0).normal(size=1000)) == pytest.approx(637, rel=0.05)
    units = np.repeat([0, 1], 20)
    assert deciding(np.repeat([1.0, -1.0], 20), units) == pytest.approx(2)
