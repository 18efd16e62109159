"""Baselines: what they predict, and that they keep to their time."""

from __future__ import annotations

import time

import numpy as np
import pytest

from toolkit.evaluation.baselines import FIRST, fit_within, score_baselines
from toolkit.plugin_types import BaselineData
from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import prepare


@pytest.fixture(scope="module")
def job(tmp_path_factory, tiny_model):
    from text_rows import sentences

    folder = tmp_path_factory.mktemp("baselines")
    lines = "\n".join(f"{text},{label}" for text, label in sentences(900))
    (folder / "rows.csv").write_text(f"text,label\n{lines}\n")
    return prepare(
        find_recipe(
            "text-classification",
            [(("data", "source"), str(folder / "rows.csv")), (("model",), str(tiny_model))],
        )
    )


def test_all_rows_where_there_is_time(job):
    scores, used = score_baselines(job.plugin, job.prepared, job.plugin.metrics, 60.0, 0)
    rows = {"train": len(job.prepared["train"]), "test": len(job.prepared["test"])}
    assert list(scores) == ["majority", "tfidf_logistic_regression", "frozen_linear"]
    assert all(count == rows for count in used.values())
    # One word tells the class, so TF-IDF must find it, and the majority must not.
    assert scores["tfidf_logistic_regression"]["accuracy"]["value"] > 0.95
    assert scores["majority"]["accuracy"]["value"] < 0.5


def test_fewer_rows_where_there_is_not(job):
    start = time.monotonic()
    _, used = score_baselines(job.plugin, job.prepared, job.plugin.metrics, 0.0, 0)
    assert time.monotonic() - start < 20
    assert used["frozen_linear"]["train"] < len(job.prepared["train"])
    assert used["tfidf_logistic_regression"]["train"] == FIRST


def test_the_majority_baseline_gives_the_shares_of_the_classes(job):
    baseline = next(iter(job.plugin.baselines()))
    raw = job.plugin.data
    order = np.arange(3)
    data = BaselineData(
        raw["train"], job.prepared["train"], raw["test"].select(order),
        job.prepared["test"].select(order), np.arange(len(raw["train"])), order,
    )  # fmt: skip
    found = baseline.run(data, 1.0).predictions
    labels = raw["train"]["label"]
    for name, share in found[0]["scores"].items():
        assert share == pytest.approx(labels.count(name) / len(labels), abs=1e-5)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("cost", "seconds", "expected"),
    [(0.0, 10.0, 10_000), (0.001, 0.0, FIRST), (1e-5, 0.02, 1000)],
)
def test_fitting_within_a_time(cost, seconds, expected):
    calls = []

    def fit(count):
        calls.append(count)
        time.sleep(cost * count)
        return count

    model, count = fit_within(fit, 10_000, seconds)
    assert model == count == calls[-1]
    if cost == 1e-5:
        assert FIRST <= count < 10_000
    else:
        assert count == expected
