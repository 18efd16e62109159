"""Regression of whatever input: loss, metrics, baselines, and a stranger's plugin on them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn.metrics
import torch
from walkthrough import page_file

import toolkit
from toolkit.errors import RecipeError, UserError
from toolkit.tasks import regression

PLUGIN = """
from transformers import AutoModelForSequenceClassification

from toolkit import InputColumn, Options, TargetColumn, pretrained
from toolkit.tasks.regression import LossName, RegressionPlugin


class DiceOptions(Options):
    dice: InputColumn = "dice"
    total: TargetColumn = "total"
    loss: LossName = "huber"


class Dice(RegressionPlugin[DiceOptions]):
    Options = DiceOptions

    def encode(self, rows):
        return {"input_ids": rows[self.options.dice]}

    def load_model(self):
        auto = AutoModelForSequenceClassification
        return self.scaled(pretrained.model(auto, self.model_path, **self.head))
"""
TINY = {
    "model_type": "bert", "vocab_size": 8, "hidden_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 8,
}  # fmt: skip


@pytest.fixture
def dice(scenario):
    """A recipe for the scenario, installed."""
    draws = np.random.default_rng(0).integers(1, 7, (80, 2)).tolist()
    rows = [{"dice": both, "total": 1000 + 50 * sum(both)} for both in draws]
    training = {"num_train_epochs": 5, "learning_rate": 0.02}
    return scenario("dice", PLUGIN, "Dice", rows, model={"from_config": TINY}, training=training)


def test_label_smoothing_is_refused_for_numbers(dice, tmp_path):
    """It was read by nothing."""
    settings = {"training.label_smoothing_factor": 0.1}
    with pytest.raises(RecipeError, match="label_smoothing_factor: is for classes, and the target"):
        toolkit.run(dice, out=tmp_path / "run", settings=settings)


def test_a_stranger_writes_inputs_and_model_alone(dice, tmp_path):
    run = toolkit.run(dice, out=tmp_path / "run")
    scores, baselines = run.record["metrics"]["test"], run.record["baselines"]
    assert list(scores) == ["mae", "rmse", "r2"]
    assert scores["mae"]["no_interval"].startswith("under 50 rows")  # of 16
    assert scores["mae"]["value"] < baselines["train_median"]["mae"]["value"]
    assert scores["rmse"]["value"] < baselines["train_mean"]["rmse"]["value"]
    assert run.record["reload"]["different"] == 0
    [found] = run.predict([{"dice": [6, 6]}])
    assert list(found) == ["value"]
    assert found["value"] > 1350  # in the unit of the column, out of the middle


@pytest.mark.slow
def test_the_plugin_for_texts_of_the_page(scenario, tiny_model, tmp_path):
    code = page_file("docs/plugins/tasks.md", "hours_of_work.py")
    rows = [{"text": " ".join(["w1"] * n), "hours": n} for n in range(1, 9) for _ in range(6)]
    recipe = scenario("hours_of_work", code, "HoursOfWork", rows, model=str(tiny_model))
    run = toolkit.run(recipe, out=tmp_path / "run")
    assert run.record["reload"]["different"] == 0
    assert list(run.predict([{"text": "w1 w2"}])[0]) == ["value"]


def test_targets_and_metrics_that_are_none_are_named(dice, tmp_path):
    rows = [{"dice": [1, 2], "total": "three"}] * 20
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(UserError, match="total.*'three'.*a finite number is expected"):
        toolkit.run(dice, out=tmp_path / "run")
    with pytest.raises(UserError, match="no metric 'rsme'.*'rmse'"):
        toolkit.run(dice, out=tmp_path / "run", settings={"report.metrics": ["rsme"]})


@pytest.mark.parametrize(
    ("name", "rows"), [("mse", [4.0, 0.0]), ("mae", [2.0, 0.0]), ("huber", [1.5, 0.0])]
)
def test_losses_are_means_over_rows(name, rows):
    outputs, labels = SimpleNamespace(logits=torch.tensor([[3.0], [1.0]])), torch.ones(2)
    loss = regression.loss(name)
    assert float(loss(outputs, labels)) == pytest.approx(sum(rows) / 2)
    assert float(loss(outputs, labels, num_items_in_batch=torch.tensor(8))) == pytest.approx(
        sum(rows) / 8
    )


def test_metrics_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    actual, predicted = rng.normal(size=200), rng.normal(size=200)
    expected = {
        "mae": sklearn.metrics.mean_absolute_error,
        "rmse": sklearn.metrics.root_mean_squared_error,
        "r2": sklearn.metrics.r2_score,
    }
    for name, metric in regression.METRICS.items():
        module = metric()
        module.add_batch(
            predictions=[{"value": value} for value in predicted], references=actual.tolist()
        )
        found = module.compute(resamples=None)
        assert found[module.name] == pytest.approx(expected[name](actual, predicted))
        assert found["low"] < found[module.name] < found["high"]
