"""Where the threshold of two classes is put."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk
from toolkit_plugins.vision.classification import operating_points
from toolkit_plugins.vision.classification.options import ImageOptions


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    positive = rng.random(400) < 0.6
    return np.clip(rng.normal(0.4 + 0.25 * positive, 0.2), 0, 1).round(2), positive


def test_shares_are_those_of_scikit_learn(rows):
    scores, positive = rows
    for threshold, sensitivity, specificity in zip(
        *operating_points.shares(scores, positive), strict=True
    ):
        called = scores >= threshold
        assert sensitivity == pytest.approx(sk.recall_score(positive, called))
        assert specificity == pytest.approx(sk.recall_score(positive, called, pos_label=0))


@pytest.mark.parametrize("wanted", [0.8, 0.95, 1.0])
def test_a_share_is_kept_at_the_least_cost(rows, wanted):
    scores, positive = rows
    found = operating_points.choose(f"sensitivity >= {wanted}", scores, positive)
    assert found["validation_sensitivity"] >= wanted
    every = operating_points.shares(scores, positive)
    assert found["validation_specificity"] == max(every[2][every[1] >= wanted])
    found = operating_points.choose(f"specificity >= {wanted}", scores, positive)
    assert found["validation_specificity"] >= wanted
    assert found["validation_sensitivity"] == max(every[1][every[2] >= wanted])


def test_youden_has_the_largest_sum(rows):
    found = operating_points.choose("youden", *rows)
    _, sensitivity, specificity = operating_points.shares(*rows)
    assert found["validation_sensitivity"] + found["validation_specificity"] == pytest.approx(
        (sensitivity + specificity).max()
    )


def test_curves_mark_what_was_chosen(rows):
    curves = operating_points.curves("ill", *rows, threshold=0.5)
    sensitivity = sk.recall_score(rows[1], rows[0] >= 0.5)
    mark = curves["threshold"].marks["current threshold 0.5"]
    assert mark[1] == pytest.approx(sensitivity, abs=0.01)
    x, y = np.array(curves["roc"].lines["model"]).T
    assert -np.trapezoid(y, x) == pytest.approx(sk.roc_auc_score(rows[1], rows[0]))


@pytest.mark.parametrize("text", ["recall >= 0.9", "sensitivity > 0.9", "sensitivity >= 2", "0.5"])
def test_other_rules_are_refused(text):
    with pytest.raises(ValueError, match="write youden"):
        ImageOptions(operating_point=text)
