"""Trees as tensors against scikit-learn, and the models that hold them."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from transformers import AutoModelForSequenceClassification

pytest.importorskip("polars")

from toolkit_plugins.tabular.boosting import SETTINGS, chosen, estimator
from toolkit_plugins.tabular.fraud_detection import (
    TransactionConfig,
    TransactionForSequenceClassification,
)
from toolkit_plugins.tabular.trees import Trees, tensors_of


def table(rows=600, seed=0):
    """Return float32 columns, the last one ids of a category, and labels that follow from them."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 3)).astype(np.float32)
    kinds = rng.integers(0, 5, (rows, 1))
    odds = 2 * numbers[:, 0] + np.where(numbers[:, 1] > 0.5, 2, 0) - 2 * (kinds[:, 0] == 2) - 1
    return numbers, kinds, (rng.random(rows) < 1 / (1 + np.exp(-odds))).astype(int)


def columns(numbers, kinds):
    return np.hstack([numbers, kinds]).astype(np.float32)


@pytest.mark.parametrize("setting", SETTINGS)
def test_they_score_as_scikit_learn_does(setting):
    numbers, kinds, truth = table()
    fitted = estimator(setting).fit(columns(numbers, kinds), truth)
    sizes, tensors = tensors_of(fitted)
    trees = Trees(**sizes)
    trees.load_state_dict(tensors)
    others = columns(*table(2000, seed=1)[:2])
    found = torch.sigmoid(trees(torch.from_numpy(others))).numpy()
    np.testing.assert_allclose(found, fitted.predict_proba(others)[:, 1], atol=1e-6)


def test_a_number_at_a_threshold_goes_the_same_way():
    # Between two neighbours of float32 the threshold is none of them: rounding must not move it.
    low = np.float32(1.0)
    high = np.nextafter(low, np.float32(2.0))
    values = np.array([low, high] * 100, np.float32)[:, None]
    fitted = HistGradientBoostingClassifier(max_iter=5, early_stopping=False)
    fitted.fit(values, (values[:, 0] > low).astype(int))
    sizes, tensors = tensors_of(fitted)
    trees = Trees(**sizes)
    trees.load_state_dict(tensors)
    found = torch.sigmoid(trees(torch.from_numpy(values[:2]))).numpy()
    np.testing.assert_allclose(found, fitted.predict_proba(values[:2])[:, 1], atol=1e-6)
    assert found[0] < 0.5 < found[1]


def model_with_trees(alone):
    numbers, kinds, truth = table()
    fitted = estimator(SETTINGS[1]).fit(columns(numbers, kinds), truth)
    sizes, tensors = tensors_of(fitted)
    config = TransactionConfig(
        edges=[[-1.0, 0.0, 1.0]] * 3, cardinalities=[5], hidden_size=8, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=8, trees=sizes, alone=alone,
    )  # fmt: skip
    found = TransactionForSequenceClassification(config).eval()
    found.trees.load_state_dict(tensors)
    return found, fitted


@pytest.mark.parametrize("alone", [False, True])
def test_a_saved_model_brings_its_trees(tmp_path, alone):
    model, fitted = model_with_trees(alone)
    model.save_pretrained(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    numbers, kinds, _ = table(50, seed=2)
    with torch.inference_mode():
        outputs = loaded(torch.from_numpy(numbers), torch.from_numpy(kinds))
    odds = outputs.logits[:, 1] - outputs.logits[:, 0] if alone else outputs.boosting
    wanted = fitted.decision_function(columns(numbers, kinds))
    np.testing.assert_allclose(odds.numpy(), wanted, atol=1e-5)
    assert (outputs.boosting is None) == alone


def test_training_leaves_trees_as_they_are():
    model, _ = model_with_trees(alone=False)
    before = {name: tensor.clone() for name, tensor in model.trees.state_dict().items()}
    numbers, kinds, truth = table(64)
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    outputs = model(torch.from_numpy(numbers), torch.from_numpy(kinds), torch.from_numpy(truth))
    outputs.loss.backward()
    optimizer.step()
    assert outputs.boosting is None
    assert all(torch.equal(before[name], now) for name, now in model.trees.state_dict().items())
    alone, _ = model_with_trees(alone=True)
    alone.requires_grad_(True)
    assert not any(parameter.requires_grad for parameter in alone.parameters())


def test_the_setting_is_that_of_least_log_loss_on_validation():
    numbers, kinds, truth = table(400)
    held, held_kinds, held_truth = table(400, seed=3)
    train, validation = (columns(numbers, kinds), truth), (columns(held, held_kinds), held_truth)
    weak, wild = {"max_iter": 20, "learning_rate": 0.1}, {"max_iter": 100, "learning_rate": 1.0}
    assert chosen(estimator, (wild, weak), train, validation).setting == weak
    assert chosen(estimator, (wild, weak), train, None).setting == wild
    legitimate = (validation[0], np.zeros(400, int))
    assert chosen(estimator, (wild, weak), train, legitimate).setting == wild
