"""The bootstrap: draws that repeat and pair, intervals that cover, sizes that stay affordable."""

from __future__ import annotations

import math

import datasets
import evaluate
import numpy as np
import pytest

from toolkit.evaluation import scoring
from toolkit.evaluation.bootstrap import interval, resamples_for, weights


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


def test_interval_is_made_of_percentiles() -> None:
    assert interval(np.arange(101.0)) == pytest.approx((2.5, 97.5))
    assert interval(np.arange(101.0)[::-1], confidence=0.8) == pytest.approx((10.0, 90.0))


def test_interval_leaves_undefined_draws_out() -> None:
    assert interval([*np.arange(101.0), math.nan, math.nan]) == pytest.approx((2.5, 97.5))
    assert all(math.isnan(end) for end in interval([math.nan, math.nan]))
    assert all(math.isnan(end) for end in interval([]))


def test_interval_of_a_proportion_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    rows, truth, trials = 150, 0.7, 300
    draws = np.array(list(weights(rows, 400, seed=0))) / rows
    samples = (rng.random((trials, rows)) < truth).astype(float)
    ends = np.array([interval(draws @ sample) for sample in samples])
    covered = np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1]))
    assert 0.91 <= covered <= 0.98
    # Width of the normal approximation: 2 * 1.96 * sqrt(p (1 - p) / n) = 0.147.
    assert np.diff(ends).mean() == pytest.approx(0.147, abs=0.01)


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
