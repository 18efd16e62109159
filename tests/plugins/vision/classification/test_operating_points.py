"""Where the threshold of two classes is put."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, norm
from sklearn import metrics as sk
from toolkit_plugins.vision.classification import operating_points
from toolkit_plugins.vision.classification.options import ImageOptions


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    positive = rng.random(400) < 0.6
    return np.clip(rng.normal(0.4 + 0.25 * positive, 0.2), 0, 1).round(2), positive


def choose(rule, scores, positive, groups=None):
    found = operating_points.Validation(scores, positive, groups)
    assert operating_points.fault(rule, found) is None
    return operating_points.choose(rule, found)


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
    found = choose(f"sensitivity >= {wanted}", scores, positive)
    assert found["validation_sensitivity"] >= wanted
    every = operating_points.shares(scores, positive)
    assert found["validation_specificity"] == max(every[2][every[1] >= wanted])
    found = choose(f"specificity >= {wanted}", scores, positive)
    assert found["validation_specificity"] >= wanted
    assert found["validation_sensitivity"] == max(every[1][every[2] >= wanted])


def test_youden_has_the_largest_sum(rows):
    found = choose("youden", *rows)
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


def reached(rule, worlds, size=1):
    """Return how often 100 rows, or groups of `size` of them, lead to the share that is asked for.

    A group's rows have nearly the same score. Positive ones are normal, so the truth is known.
    """
    rng, hits = np.random.default_rng(1), 0
    for _ in range(worlds):
        groups = np.arange(200).repeat(size)
        positive, own = groups < 100, rng.normal(size=200).repeat(size)
        scores = own + 0.01 * rng.normal(size=len(own)) - 2 * ~positive
        at = choose(rule, norm.cdf(scores), positive, groups if size > 1 else None)["threshold"]
        passed = norm.cdf(norm.ppf(at) + (0 if rule.startswith("sens") else 2))
        hits += (1 - passed if rule.startswith("sens") else passed) >= 0.9
    return hits / worlds


@pytest.mark.parametrize("rule", ["sensitivity", "specificity"])
@pytest.mark.parametrize("size", [1, 4])
def test_a_lower_bound_is_kept_on_other_rows(rule, size):
    assert reached(f"{rule} >= 0.9", 80, size) < 0.75
    assert reached(f"{rule} >= 0.9 with confidence 0.95", 120, size) >= 0.9


def test_a_lower_bound_is_that_of_clopper_and_pearson(rows):
    scores, positive = rows
    found = choose("sensitivity >= 0.9 with confidence 0.9", scores, positive)
    count = round(found["validation_sensitivity"] * positive.sum())
    exact = beta.ppf(0.1, count, positive.sum() - count + 1)
    assert found["lower_bound"] == pytest.approx(exact)
    assert found["lower_bound"] >= 0.9
    plain = choose("sensitivity >= 0.9", scores, positive)
    assert found["threshold"] < plain["threshold"]


def test_what_validation_cannot_show_is_told_with_what_it_can():
    positive = np.arange(60) < 58
    found = operating_points.Validation(np.zeros(60), positive)
    rule = "sensitivity >= 0.95 with confidence 0.95"
    why = operating_points.fault(rule, found)
    assert "58 positive rows of validation show a sensitivity of 0.950 at best" in why
    assert "59 are needed for 0.95" in why
    assert operating_points.fault("sensitivity >= 0.95", found) is None
    grouped = operating_points.Validation(np.zeros(60), positive, np.arange(60) // 2)
    assert "29 groups with positive rows" in operating_points.fault(rule, grouped)
    one = operating_points.Validation(np.zeros(60), np.ones(60, bool))
    assert "one class only" in operating_points.fault("youden", one)
    assert "0.95 is the sensitivity on validation" in next(
        operating_points.note("sensitivity >= 0.95", found)
    )
    assert not list(operating_points.note("youden", found))


@pytest.mark.parametrize("text", ["sensitivity >= 1 with confidence 0.9",
                                  "sensitivity >= 0.9 with confidence 0.3",
                                  "specificity >= 0.9 with confidence 1"])  # fmt: skip
def test_what_no_rows_can_show_is_refused(text):
    with pytest.raises(ValueError, match="no rows can show that"):
        ImageOptions(operating_point=text)


@pytest.mark.parametrize("text", ["recall >= 0.9", "sensitivity > 0.9", "sensitivity >= 2", "0.5"])
def test_other_rules_are_refused(text):
    with pytest.raises(ValueError, match="write youden"):
        ImageOptions(operating_point=text)
