"""Groups of rows: what they do to intervals, and rows and sums of metrics."""

from __future__ import annotations

import math

import datasets
import evaluate
import numpy as np
import pytest
from datasets import Features, Value

from toolkit.data import groups
from toolkit.evaluation.bootstrap import interval, unit_count, weights
from toolkit.evaluation.metrics import RowMetric, SumMetric, load
from toolkit.evaluation.scoring import by_row, draws, score


class Distance(RowMetric):
    """Mean distance; NaN where there is nothing to reach."""

    greater_is_better = False

    def stored(self):
        return Features(predictions=Value("float64"), references=Value("float64"))

    def rows(self, predictions, references):
        return np.abs(np.asarray(predictions) - np.asarray(references))


class WordErrors(SumMetric):
    """Errors per word, of the rows that have words."""

    def counts(self, prediction, reference):
        return (prediction["errors"], len(reference)) if reference else None


class SpanF1(SumMetric):
    """F1 of spans over all rows together."""

    def counts(self, prediction, reference):
        found, actual = set(prediction), set(reference)
        return len(found & actual), len(found), len(actual)

    def value(self, sums):
        hits, found, actual = sums
        return 2 * hits / (found + actual) if found + actual else 0.0


class Foreign(evaluate.Metric):
    """The mean, as another package has it."""

    def _info(self):
        features = Features(predictions=Value("float64"), references=Value("float64"))
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        return {"foreign": float(np.mean(predictions))}


def test_codes_follow_the_groups_and_a_row_without_one_is_its_own():
    assert groups.codes(["b", None, "a", "b", None, "a"]).tolist() == [0, 1, 2, 0, 3, 2]
    rows = datasets.Dataset.from_dict({"who": [3, 3, None, 5]})
    assert groups.of_rows(rows, "who") == ["3", "3", None, "5"]
    rows = datasets.Dataset.from_dict({"who": ["x", " ", None, "x"]})
    assert groups.of_rows(rows, "who") == ["x", None, None, "x"]
    rows = datasets.Dataset.from_dict({"who": ["Zo\u00eb  B", "zoe\u0308 b ", "Zoe B"]})
    assert len(set(groups.of_rows(rows, "who"))) == 2


def test_a_row_counts_as_often_as_its_group_was_drawn():
    units = np.array([7, 2, 7, 7, 9])
    found = np.array(list(weights(5, 300, 0, units)))
    assert (found[:, 0] == found[:, 2]).all()
    assert (found[:, 0] == found[:, 3]).all()
    assert (found[:, [0, 1, 4]].sum(axis=1) == 3).all()  # three groups are drawn of three
    # Whatever the order of rows, the same groups are drawn: pairs of models stay pairs.
    order = np.array([4, 1, 0, 3, 2])
    again = np.array(list(weights(5, 300, 0, units[order])))
    assert (again == found[:, order]).all()


def test_groups_of_one_row_each_are_rows():
    alone = groups.codes([None] * 9)
    for one, other in zip(weights(9, 50, 3), weights(9, 50, 3, alone), strict=True):
        assert one.tolist() == other.tolist()


def test_one_group_has_no_interval():
    found = score({"accuracy": load("accuracy")}, [([0, 1], [0, 0])], 0, np.array([4, 4]))
    assert found["accuracy"]["value"] == 0.5
    assert math.isnan(found["accuracy"]["low"])
    assert math.isnan(found["accuracy"]["high"])


def test_every_metric_resamples_the_same_groups():
    rng = np.random.default_rng(0)
    values, units = rng.normal(size=40), np.repeat(np.arange(10), 4)
    modules = {"own": Distance(), "foreign": Foreign()}
    found = draws(modules, [(np.abs(values), np.zeros(40))], 5, units)
    assert found["own"][:200] == pytest.approx(found["foreign"])
    by_rows = draws({"own": Distance()}, [(np.abs(values), np.zeros(40))], 5)
    assert by_rows["own"] != found["own"]


def test_intervals_over_groups_cover_what_they_should_and_those_over_rows_do_not():
    """The mean of 30 groups of 8 rows that are nearly equal; its true value is 0."""
    covered = np.zeros(2)
    units, worlds = np.repeat(np.arange(30), 8), 200
    for world in range(worlds):
        rng = np.random.default_rng(world)
        rows = rng.normal(size=30)[units] + 0.3 * rng.normal(size=240)
        for place, of in enumerate((None, units)):
            values = [w @ rows / w.sum() for w in weights(240, 200, 0, of)]
            count, bounds = unit_count(240, of), (-100.0, 100.0)
            low, high, *_ = interval(float(rows.mean()), values, count, bounds, 240)
            covered[place] += low <= 0 <= high
    over_rows, over_groups = covered / worlds
    assert over_rows < 0.7
    assert 0.9 < over_groups < 0.98


def test_a_row_without_a_value_is_left_out_and_counted():
    nan = float("nan")
    given = {"predictions": [1.0, 5.0, 3.0] * 30, "references": [0.0, nan, 0.0] * 30}
    found = Distance().compute(**given, resamples=None, seed=0)
    assert (found["distance"], found["rows"]) == (2.0, 60)
    assert 1.0 <= found["low"] < found["high"] <= 3.0
    alone = by_row(Distance(), given["predictions"], given["references"])
    assert alone.tolist()[:3:2] == [1.0, 3.0]
    assert math.isnan(alone[1])
    assert "rows" not in Distance().compute(predictions=[1.0], references=[0.0])
    nothing = Distance().compute(predictions=[1.0], references=[nan], resamples=None)
    assert nothing["rows"] == 0
    assert all(math.isnan(nothing[key]) for key in ("distance", "low", "high"))


def test_a_metric_of_sums():
    rows = [({"errors": 2}, ["a", "b", "c"]), ({"errors": 9}, []), ({"errors": 0}, ["d"])]
    pairs = [tuple(zip(*rows[:1], strict=True)), tuple(zip(*rows[1:], strict=True))]
    found = score({"errors": WordErrors()}, pairs, 0)["errors"]
    assert (found["value"], found["rows"]) == (0.5, 2)
    assert found["no_interval"] == "under 50 rows"
    nothing = score({"errors": WordErrors()}, [([{"errors": 1}], [[]])], 0)["errors"]
    assert math.isnan(nothing["value"])
    assert nothing["rows"] == 0


def test_f1_over_all_rows_is_that_of_the_counts():
    predictions, references = [["a", "b"], [], ["c"]] * 20, [["a"], ["d"], ["c", "e"]] * 20
    found = SpanF1().compute(predictions=predictions, references=references, resamples=None)
    assert found["span_f1"] == pytest.approx(2 * 2 / (3 + 4))
    assert found["low"] < found["span_f1"] < found["high"]
