"""Baselines of fraud detection on columns made by hand."""

import numpy as np
import pytest

from toolkit.plugin_types import BaselineData

pytest.importorskip("polars")

from toolkit_plugins.tabular.fraud_detection import baselines


def task(numbers, validation):
    """Return a task whose raw rows are pairs of columns and labels."""
    return baselines.Detection(
        lambda rows: rows.truth, lambda rows: np.arange(len(rows)), lambda rows: rows.columns,
        lambda scores, rows: 0.5,
        lambda scores, bound: [{"score": float(s), "alarm": bool(s >= bound)} for s in scores],
        numbers, validation,
    )  # fmt: skip


class Rows:
    """Columns and labels: the first number tells most of a label."""

    def __init__(self, count, numbers, kinds, seed):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(count, numbers))
        self.columns = np.hstack([values, rng.integers(0, 3, (count, kinds))])
        self.truth = (self.columns[:, 0] + rng.normal(0, 0.3, count) > 1).astype(int)

    def __len__(self):
        return len(self.truth)


@pytest.mark.parametrize(("numbers", "kinds"), [(2, 0), (2, 1), (0, 2)])
@pytest.mark.parametrize("cls", [baselines.Logistic, baselines.GradientBoosting])
def test_all_rows_are_used_whatever_the_time(cls, numbers, kinds):
    train, held, test = (Rows(n, numbers, kinds, seed) for seed, n in enumerate((1500, 400, 300)))
    order = np.arange(1500)
    data = BaselineData(
        train=train, train_prepared=None, test=test, test_prepared=None,
        train_order=order, test_order=np.arange(300),
    )  # fmt: skip
    found = cls(task(numbers, held)).run(data, seconds=0.0)
    assert found.train_rows == 1500
    assert found.test_rows.tolist() == list(range(300))
    assert "=" in found.setting
    scores = np.array([p["score"] for p in found.predictions])
    if numbers:
        assert scores[test.truth == 1].mean() > scores[test.truth == 0].mean() + 0.3
