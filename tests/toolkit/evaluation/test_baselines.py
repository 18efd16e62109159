"""Baselines: what they predict, and that they keep to their time."""

from __future__ import annotations

import time
from contextlib import contextmanager

import numpy as np
import pytest

from toolkit import FittedBaseline
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
    scores, used, _ = score_baselines(job.plugin, job.prepared, job.plugin.metrics, 60.0, 0)
    rows = {"train": len(job.prepared["train"]), "test": len(job.prepared["test"])}
    assert list(scores) == ["majority", "tfidf_logistic_regression", "frozen_linear"]
    assert all(count == rows for count in used.values())
    # One word tells the class, so TF-IDF must find it, and the majority must not.
    assert scores["tfidf_logistic_regression"]["accuracy"]["value"] > 0.95
    assert scores["majority"]["accuracy"]["value"] < 0.5


def test_fewer_rows_where_there_is_not(job):
    start = time.monotonic()
    _, used, _ = score_baselines(job.plugin, job.prepared, job.plugin.metrics, 0.0, 0)
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


class Nearest(FittedBaseline):
    """The label of the training text with most of the same words; notes what it is given."""

    name = "nearest"

    def __init__(self, labels):
        self.labels, self.fitted = labels, []

    def fit(self, rows, prepared):
        assert [len(ids) for ids in prepared["input_ids"]] == prepared["length"]
        self.fitted.append(len(rows))
        return [(set(text.split()), label) for text, label in zip(*rows[:].values(), strict=True)]

    def predict(self, model, rows, prepared):
        assert len(rows) == len(prepared)
        found = [max(model, key=lambda one: len(one[0] & set(text.split())))[1]
                 for text in rows["text"]]  # fmt: skip
        return [{"label": label, "scores": {n: float(n == label) for n in self.labels}}
                for label in found]  # fmt: skip


class Broken(Nearest):
    """Fails as its predictions lack what the metrics need."""

    name = "broken"

    def predict(self, model, rows, prepared):
        raise RuntimeError("no neighbours")


def scored(job, own, seconds, **how):
    plugin = job.plugin.with_()
    plugin.baselines = lambda: own
    return score_baselines(plugin, job.prepared, plugin.metrics, seconds, 0, **how)


def test_a_model_as_baseline_is_fitted_on_all_rows_within_its_time(job):
    own = Nearest(job.plugin.data["train"].unique("label"))
    rows = {name: len(job.prepared[name]) for name in ("train", "test")}
    scores, used, _ = scored(job, [own], 60.0)
    assert used == {"nearest": rows}
    assert own.fitted == [FIRST, rows["train"]]
    assert scores["nearest"]["accuracy"]["value"] > 0.6
    scores, used, _ = scored(job, [own], 0.0)
    assert used["nearest"]["train"] == FIRST


def test_a_baseline_that_fails_leaves_the_others(job):
    failed = []

    @contextmanager
    def attempt(*what):
        try:
            yield
        except RuntimeError as error:
            failed.append((*what, str(error)))

    labels = job.plugin.data["train"].unique("label")
    scores, used, _ = scored(job, [Broken(labels), Nearest(labels)], 60.0, attempt=attempt)
    assert list(scores) == list(used) == ["nearest"]
    assert failed == [("baseline", "broken", "no neighbours")]


def test_baselines_resample_groups(job):
    own = [Nearest(job.plugin.data["train"].unique("label"))]
    units = np.arange(len(job.prepared["test"])) // 15
    by_rows, by_groups = (scored(job, own, 60.0, groups=g)[0]["nearest"] for g in (None, units))
    assert by_rows["accuracy"]["value"] == by_groups["accuracy"]["value"]
    assert by_rows["accuracy"]["low"] != by_groups["accuracy"]["low"]
