"""Metrics of fraud detection against scikit-learn and against cases by hand."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from toolkit_plugins.tabular.fraud_detection import metrics
from toolkit_plugins.tabular.fraud_detection.threshold import cheapest, probability, weights

from toolkit.evaluation.scoring import score


def pairs(scores, frauds, days=None, cards=None, amounts=None, scored=None, threshold=0.5):
    count = len(scores)
    predictions = [{"score": s, "alarm": s >= threshold, "scores": {"0": 1 - s, "1": s}}
                   for s in scores]  # fmt: skip
    references = [
        {"label": str(f), "fraud": f, "day": (days or [0] * count)[n],
         "card": (cards or range(count))[n], "amount": (amounts or [1.0] * count)[n],
         "scored": scored is None or scored[n]}
        for n, f in enumerate(frauds)
    ]  # fmt: skip
    return predictions, references


def value(metric, *rows):
    return score({"m": metric}, [rows])["m"]["value"]


def test_as_scikit_learn_has_them():
    rng = np.random.default_rng(0)
    frauds = (rng.random(400) < 0.1).astype(int)
    scores = (rng.random(400) + 0.4 * frauds).round(2) / 1.4
    rows = pairs(scores.tolist(), frauds.tolist())
    ap = value(metrics.FraudAveragePrecision(labels=["0", "1"]), *rows)
    assert ap == pytest.approx(average_precision_score(frauds, scores))
    auc = value(metrics.FraudRocAuc(labels=["0", "1"]), *rows)
    assert auc == pytest.approx(roc_auc_score(frauds, scores))
    false, true, _ = roc_curve(frauds, scores, drop_intermediate=False)
    recall = value(metrics.RecallAtFalsePositiveRate(0.05), *rows)
    assert recall == pytest.approx(true[false <= 0.05].max())


def test_cards_are_counted_once_a_day_by_their_highest_transaction():
    rows = pairs(
        scores=[0.9, 0.8, 0.7, 0.1, 0.6, 0.5],
        frauds=[0, 0, 1, 1, 0, 1],
        days=[1, 1, 1, 1, 2, 2],
        cards=[7, 8, 9, 7, 7, 8],
    )
    # Day 1: 7 (defrauded by a transaction that scores low) and 8. Day 2: 8, as 7 is blocked.
    assert value(metrics.CardPrecision(2), *rows) == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert value(metrics.CardPrecision(1), *rows) == pytest.approx((1 + 1) / 2)


def test_a_card_that_was_found_is_not_looked_at_again():
    rows = pairs([0.9, 0.5, 0.9, 0.5], [1, 0, 1, 0], days=[1, 1, 2, 2], cards=[7, 8, 7, 8])
    assert value(metrics.CardPrecision(1), *rows) == pytest.approx((1 + 0) / 2)
    missed = pairs([0.1, 0.5, 0.9, 0.5], [1, 0, 1, 0], days=[1, 1, 2, 2], cards=[7, 8, 7, 8])
    assert value(metrics.CardPrecision(1), *missed) == pytest.approx((0 + 1) / 2)


def test_cards_known_as_defrauded_are_not_scored():
    rows = pairs([0.9, 0.8, 0.1], [0, 1, 0], scored=[False, True, True])
    assert value(metrics.FraudAveragePrecision(labels=["0", "1"]), *rows) == 1.0
    nothing = pairs([0.9], [1], scored=[False])
    assert np.isnan(value(metrics.ExpectedCost(5, 1), *nothing))


def test_the_cost_is_that_of_checks_and_of_what_is_missed():
    rows = pairs([0.9, 0.9, 0.1, 0.1], [1, 0, 1, 0], amounts=[100.0, 5.0, 40.0, 7.0])
    assert value(metrics.ExpectedCost(alarm=5, missed=0.5), *rows) == (5 + 5 + 20 + 0) / 4


def test_the_interval_holds_the_value():
    rng = np.random.default_rng(1)
    frauds = (rng.random(300) < 0.2).astype(int).tolist()
    rows = pairs(rng.random(300).tolist(), frauds, cards=list(range(300)))
    for metric in (metrics.CardPrecision(50), metrics.RecallAtFalsePositiveRate(0.1)):
        found = score({"m": metric}, [rows], seed=0)["m"]
        assert found["low"] < found["value"] < found["high"]


def test_the_threshold_is_where_alarms_cost_least():
    scores, frauds = np.array([0.9, 0.6, 0.6, 0.2]), np.array([1, 0, 1, 0])
    amounts = np.array([100.0, 1.0, 100.0, 1.0])
    threshold, bounds, costs = cheapest(scores, frauds, amounts, alarm=5, missed=1)
    assert 0.2 < threshold < 0.6
    assert dict(zip(bounds.round(2), costs, strict=True))[0.75] == (5 + 100) / 4
    assert cheapest(scores, frauds, amounts, alarm=500, missed=1)[0] == 1  # nobody


def test_weights_make_log_odds_probabilities_and_turn_no_ranking_around():
    rng = np.random.default_rng(2)
    truth = (rng.random(4000) < 0.1).astype(int)
    noise = rng.normal(0, 1, 4000)
    good = 3 * truth + noise
    found = weights(good[:, None], truth)
    assert found["slope"] > 0
    assert probability(good[:, None], found).mean() == pytest.approx(truth.mean(), abs=0.005)
    other = weights(np.column_stack([good, 3 * truth + rng.normal(0, 1, 4000)]), truth)
    assert min(other["slope"], other["boosting"]) > 0.5  # each knows what the other does not
    # Freely fitted, the second would be subtracted from the first.
    wrong = weights(np.column_stack([good, noise]), truth)
    assert wrong["boosting"] == 0.0
    assert wrong["slope"] == pytest.approx(found["slope"])
    few = weights(np.array([[2.0, 1.0], [0.0, 3.0]]), np.array([1, 0]))
    assert few == {"slope": 0.5, "boosting": 0.5, "shift": 0.0}
    assert probability(np.array([[2.0, 0.0]]), {}) == pytest.approx(1 / (1 + np.exp(-1)))


def test_a_card_keeps_its_best_row_and_counts_as_often_as_its_frauds():
    predictions, references = pairs(
        [0.9, 0.1, 0.5, 0.4], [0, 1, 0, 0], days=[1, 1, 1, 1], cards=[7, 7, 8, 8]
    )
    metric = metrics.CardPrecision(1)
    found, truth = metric.taken(predictions, references)
    rows = metric.rows(found, truth)
    assert metric.statistic(rows, np.ones(4)) == 1.0
    # The best row of card 7 was not drawn, its fraud was: the card still comes first.
    assert metric.statistic(rows, np.array([0, 2, 1, 1])) == 1.0
    # Its fraud was not drawn: the check goes to card 8, of which half was drawn.
    assert metric.statistic(rows, np.array([1, 0, 1, 0])) == 0.0
    fractions = np.array([0, 0.5, 1, 1])
    assert metric.statistic(rows, fractions) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["ranking", "cost"])
def test_groups_are_those_of_the_rows_that_count(name):
    rng = np.random.default_rng(5)
    frauds, scores = (rng.random(300) < 0.3).astype(int), rng.random(300)
    kept, groups = np.arange(300) % 3 > 0, rng.integers(0, 80, (300, 2))
    make = {
        "ranking": lambda: metrics.FraudAveragePrecision(labels=["0", "1"]),
        "cost": lambda: metrics.ExpectedCost(5, 1),
    }[name]
    whole = pairs(scores.tolist(), frauds.tolist(), scored=kept.tolist())
    part = pairs(scores[kept].tolist(), frauds[kept].tolist())
    found = score({"m": make()}, [whole], seed=0, groups=groups)["m"]
    assert found == score({"m": make()}, [part], seed=0, groups=groups[kept])["m"]
    assert found["low"] < found["value"] < found["high"]
