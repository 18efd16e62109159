"""Exact match and F1: equal to what the published scripts give, worked out by hand."""

import math

import pytest
from toolkit_plugins.text.question_answering import metrics

from toolkit.errors import UserError

CASES = [
    # prediction, golds, exact, F1 by the script of 1.1, F1 by that of 2.0
    ("The Eiffel Tower", ["eiffel tower"], 1.0, 1.0, 1.0),
    ("a  tower,", ["Tower!"], 1.0, 1.0, 1.0),
    ("in the year 1912", ["1912"], 0.0, 0.5, 0.5),  # in year 1912: 1 of 3, 1 of 1
    ("red red blue", ["red blue blue"], 0.0, 2 / 3, 2 / 3),  # each word as often as in both
    ("Paris", ["London", "Paris, France", "paris"], 1.0, 1.0, 1.0),
    ("Paris", ["London", "Paris, France"], 0.0, 2 / 3, 2 / 3),
    ("Berlin", ["Paris"], 0.0, 0.0, 0.0),
    ("state-of-the-art", ["stateoftheart"], 1.0, 1.0, 1.0),  # punctuation leaves no gap
    ("theatre", ["the atre"], 0.0, 0.0, 0.0),  # an article is a word of its own
    ("$5.00", ["500"], 1.0, 1.0, 1.0),
    ("Citro\u00ebn", ["citroen"], 0.0, 0.0, 0.0),  # accents count
    ("\u201cyes\u201d", ["yes"], 0.0, 0.0, 0.0),  # only ASCII punctuation is removed
    ("\u6771\u4eac", ["\u6771\u4eac"], 1.0, 1.0, 1.0),
    ("", [], 1.0, 0.0, 1.0),
    ("something", [], 0.0, 0.0, 0.0),
    ("", ["something"], 0.0, 0.0, 0.0),
    ("", [""], 1.0, 0.0, 1.0),
    ("word", ["the", "word"], 1.0, 1.0, 1.0),  # a gold answer that is nothing is no answer
    ("the", ["a"], 1.0, 0.0, 1.0),
]


@pytest.mark.parametrize(("prediction", "golds", "exact", "first", "second"), CASES)
def test_a_question_is_scored_as_by_the_published_scripts(prediction, golds, exact, first, second):
    assert metrics.best(metrics.exact, prediction, golds) == exact
    assert metrics.best(metrics.f1, prediction, golds, second=False) == pytest.approx(first)
    assert metrics.best(metrics.f1, prediction, golds) == pytest.approx(second)


def test_means_over_all_questions_and_over_those_with_and_without_an_answer():
    predictions = ["red", {"answer": "in the blue"}, "", "green"]
    references = [["red"], ["blue"], [], []]
    found = {}
    for name in metrics.CLASSES:
        module = metrics.load(name, second=True)
        module.add_batch(predictions=predictions[:3], references=references[:3])
        module.add_batch(predictions=predictions[3:], references=references[3:])
        found |= {name: module.compute(resamples=None, seed=1)}
    values = {name: scores[name] for name, scores in found.items()}
    assert values == pytest.approx({
        "f1": (1 + 2 / 3 + 1 + 0) / 4,
        "exact_match": 0.5,
        "has_answer_f1": (1 + 2 / 3) / 2,
        "has_answer_exact_match": 0.5,
        "no_answer_f1": 0.5,
    })  # fmt: skip
    for name, scores in found.items():  # shares of four questions, and means of too few
        if name in ("f1", "has_answer_f1"):
            assert "under" in scores["no_interval"]
        else:
            assert scores["low"] <= scores[name] <= scores["high"]


def test_no_question_without_an_answer_leaves_its_part_undefined():
    module = metrics.load("no_answer_f1", second=True)
    assert math.isnan(module.compute(predictions=["x"], references=[["x"]])["no_answer_f1"])


def test_a_metric_that_is_none():
    with pytest.raises(UserError, match="there is no metric 'exact'. Did you mean 'exact_match'?"):
        metrics.load("exact", second=True)
