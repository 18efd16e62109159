"""The exact linear layer against scikit-learn's logistic and ridge regression."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from toolkit.models.linear_fit import LabelledFeatures, fit_linear, loss_for


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 12))
    classes = rng.integers(0, 4, 600)
    features = centres[classes] + rng.normal(size=(600, 12)) @ rng.normal(size=(12, 12)) * 0.5
    return features.astype(np.float32) * 3 + 1, classes


def labelled(features, labels, parts=1):
    pairs = zip(np.array_split(features, parts), np.array_split(labels, parts), strict=True)
    tensors = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in pairs]
    return LabelledFeatures(tensors, len(labels))


def scaled(features):
    centred = features - features.mean(0)
    return centred / centred.std()


@pytest.mark.parametrize("parts", [1, 3])
def test_multinomial_is_scikit_learns(points, parts):
    features, classes = points
    rows = labelled(features, classes, parts)
    found = fit_linear(rows, rows, 4, loss_for(torch.tensor([0, 1])), strengths=(0.3,))
    theirs = LogisticRegression(C=0.3, tol=1e-8, max_iter=5000).fit(scaled(features), classes)
    ours = (torch.from_numpy(features) @ found.weight.T + found.bias).softmax(-1).numpy()
    np.testing.assert_allclose(ours, theirs.predict_proba(scaled(features)), atol=3e-3)


def test_several_labels_are_a_regression_each(points):
    features, classes = points
    targets = np.stack([classes == 0, classes >= 2], 1).astype(np.float32)
    rows = labelled(features, targets)
    found = fit_linear(rows, rows, 2, loss_for(torch.from_numpy(targets)), strengths=(1.0,))
    ours = (torch.from_numpy(features) @ found.weight.T + found.bias).sigmoid().numpy()
    for place in range(2):
        # The mean over labels halves each label's share against the penalty.
        model = LogisticRegression(C=0.5, tol=1e-8, max_iter=5000)
        theirs = model.fit(scaled(features), targets[:, place]).predict_proba(scaled(features))
        np.testing.assert_allclose(ours[:, place], theirs[:, 1], atol=3e-3)


def test_numbers_get_a_ridge_regression(points):
    features, classes = points
    targets = (features @ np.arange(12) / 10 + classes).astype(np.float32)
    rows = labelled(features, targets)
    found = fit_linear(rows, rows, 1, loss_for(torch.from_numpy(targets)), strengths=(2.0,))
    ours = (torch.from_numpy(features) @ found.weight.T + found.bias)[:, 0].numpy()
    theirs = Ridge(alpha=1 / (2 * 2.0)).fit(scaled(features), targets).predict(scaled(features))
    np.testing.assert_allclose(ours, theirs, atol=0.02 * targets.std())


def test_the_penalty_is_the_one_that_predicts_other_rows_best(points):
    features, classes = points
    noise = np.random.default_rng(1).normal(size=(600, 60)).astype(np.float32) * 3
    wide = np.concatenate([features, noise], 1)
    found = fit_linear(
        labelled(wide[:100], classes[:100]),
        labelled(wide[100:], classes[100:]),
        4,
        loss_for(torch.tensor([0, 1])),
    )
    assert found.losses[found.strength] == min(found.losses.values())
    assert found.strength < max(found.losses)  # went on until weaker penalties predicted worse
