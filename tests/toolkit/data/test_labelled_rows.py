"""New rows with their targets, in the form that the run's rows have."""

from __future__ import annotations

import datasets
import pytest

from toolkit.data.labelled_rows import like_train
from toolkit.errors import DataError

TEXT = datasets.Value("string")


def rows(cells, feature):
    return datasets.Dataset.from_dict({"y": cells}, datasets.Features({"y": feature}))


def coded(*names):
    return datasets.ClassLabel(names=list(names))


@pytest.mark.parametrize(
    ("cells", "feature", "train", "found"),
    [
        ([0, 1], coded("a", "b"), coded("a", "b"), [0, 1]),
        ([0, 1], coded("b", "a"), coded("a", "b"), [1, 0]),
        (["a", "b", None], TEXT, coded("a", "b"), [0, 1, None]),
        ([0, 1, -1], coded("b", "a"), TEXT, ["b", "a", None]),
        ([0, 1], coded("b", "a"), None, ["b", "a"]),
        (["a"], TEXT, None, ["a"]),
        ([[0, 1], []], datasets.List(coded("b", "a")), None, [["b", "a"], []]),
        ([["a"], ["a", "b"]], datasets.List(TEXT), datasets.List(coded("a", "b")), [[0], [0, 1]]),
    ],
)
def test_classes_take_the_form_of_train(cells, feature, train, found):
    made = like_train(rows(cells, feature), "y", train)
    assert made["y"] == found
    if train is not None:
        assert made.features["y"] == train


def test_a_class_that_the_codes_of_train_lack_is_named():
    with pytest.raises(DataError, match="y: holds 'c', 'd'; the run's classes are a, b"):
        like_train(rows(["c", "a", "d"], TEXT), "y", coded("a", "b"))
