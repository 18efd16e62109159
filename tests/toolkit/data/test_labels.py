"""Class labels as people write them, and columns that are none."""

from __future__ import annotations

import datasets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.data import ClassLabels
from toolkit.data.labels import IGNORED
from toolkit.errors import DataError


def of(values, feature=None, **how):
    features = datasets.Features({"y": feature}) if feature else None
    return ClassLabels.of(datasets.Dataset.from_dict({"y": values}, features=features), "y", **how)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["spam", "ham", "spam"], ("ham", "spam")),
        ([" spam", "ham "], ("ham", "spam")),
        ([2, 10, 1], ("1", "2", "10")),
        ([1.0, 0.0], ("0", "1")),
        (["10", "9", "x", "-1"], ("-1", "9", "10", "x")),
        ([True, False], ("False", "True")),
        (["007", "7"], ("007", "7")),
        (["nan", "2", "1", "inf"], ("1", "2", "inf", "nan")),
    ],
)
def test_classes_are_texts_in_order_of_their_value(values, names):
    assert of(values).names == names
    assert of(values[::-1]).names == names


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(["nan", "inf", "-inf", "1", "2", "x", "1e3", "ä"]), min_size=2),
    st.randoms(),
)
def test_the_order_of_rows_does_not_change_the_classes(values, random):
    if len(set(values)) > 1:
        names = of(values).names
        random.shuffle(values)
        assert of(values).names == names


def test_ids_are_places_among_the_names():
    labels = of(["b", "a", "b"])
    assert labels.ids(["a", " b", "c"]) == [0, 1, IGNORED]
    assert labels.unseen(["a", "c", "c", "d"]) == {"c": 2, "d": 1}


def test_numbers_and_their_texts_are_the_same_class():
    assert of([1, 0]).ids(["1", 0.0, True]) == [1, 0, IGNORED]


def test_a_class_label_feature_brings_its_names_and_order():
    labels = of([1, 0], datasets.ClassLabel(names=["zebra", "ant", "bee"]))
    assert labels.names == ("zebra", "ant", "bee")
    assert labels.ids([0, 2]) == [0, 2]
    assert labels.texts(1) == ["ant"]


def test_several_labels_are_vectors():
    labels = of([["a", "b"], [], ["c"]], multilabel=True)
    assert labels.names == ("a", "b", "c")
    assert labels.ids([["c", "a", "new"], []]) == [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    assert labels.unseen([["new", "a"]]) == {"new": 1}


def test_several_labels_of_a_class_label_feature():
    feature = datasets.List(datasets.ClassLabel(names=["neg", "pos"]))
    assert of([[1], [0, 1]], feature, multilabel=True).ids([[0]]) == [[1.0, 0.0]]


def test_several_labels_in_one_text():
    labels = of(["a; b", "c;", ""], multilabel=True, separator=";")
    assert labels.names == ("a", "b", "c")
    assert labels.ids(["b ;a"]) == [[1.0, 1.0, 0.0]]


@pytest.mark.parametrize(
    ("values", "how", "what"),
    [
        ([0.5, 1.5], {}, "holds 0.5: a class is a text, a whole number or true/false"),
        ([{"a": 1}, {"a": 2}], {}, "holds {'a': 1}"),
        ([["a", None], ["b"]], {"multilabel": True}, "holds None"),
        ([["a", " "], ["b"]], {"multilabel": True}, "holds ' '"),
        (["a"] * 9, {}, "has one class only (a) in 9 rows"),
        ([["a"]], {}, "--set options.multi_label=true"),
        (["a;b"], {"separator": ";"}, "--set options.multi_label=true"),
        (["a", "b"], {"multilabel": True}, "options.label_separator"),
        ([[], []], {"multilabel": True}, "holds no label in any of the 2 rows"),
        ([f"id{n}" for n in range(200)], {}, "200 different values in 200 rows"),
    ],
)
def test_what_is_no_label_is_told(values, how, what):
    with pytest.raises(DataError) as caught:
        of(values, **how)
    assert caught.value.faults[0].where == "y"
    assert what in caught.value.faults[0].what


@pytest.mark.parametrize(
    ("cells", "names", "first"),
    [
        ([[0, 1, 1], [1, 0, 0]], ("0", "1", "2"), ["1", "2"]),
        ([[0.0, 1.0], [0.0, 0.0]], ("0", "1"), ["1"]),
        (["[0, 1, 1]", "[1, 0, 0]"], ("0", "1", "2"), ["1", "2"]),
        (["['a', 'b']", "['b']", "[]"], ("a", "b"), ["a", "b"]),
        (['["a", "b"]', '["c"]'], ("a", "b", "c"), ["a", "b"]),
        ([["0", "1"], ["1"]], ("0", "1"), ["0", "1"]),
        ([[0, 2], [1, 2]], ("0", "1", "2"), ["0", "2"]),
    ],
)
def test_labels_of_several_forms_are_recognised(cells, names, first):
    found = of(cells, multilabel=True)
    assert found.names == names
    assert found.texts(cells[0]) == first
    assert sum(found.ids(cells)[0]) == len(first)


def test_lists_written_out_are_no_single_classes():
    with pytest.raises(DataError, match="options.multi_label=true"):
        of(["['a', 'b']", "['a']"])


@pytest.mark.parametrize(
    "cells", [["1", "2"], ["1.0", "2"], ["1", "2.0"], [1.0, 2.0], ["1.00", "2"]]
)
def test_a_whole_number_is_one_class_however_it_is_written(cells):
    found = of(cells)
    assert found.names == ("1", "2")
    assert found.ids(["1", "1.0", 1, 1.0, "2.0"]) == [0, 0, 0, 0, 1]


@pytest.mark.parametrize("cells", [["007", "7"], ["1.0", "1.5"], ["1.0", "beta"]])
def test_codes_and_versions_stay_as_they_are(cells):
    assert set(of(cells).names) == set(cells)


def test_spellings_that_differ_a_little_are_told_with_their_counts():
    cells = ["Café", "Cafe\u0301", "café", "tea", "Tea ", "x", "x"]
    rows = {"train": datasets.Dataset.from_dict({"label": cells})}
    told = "classes differ in case, blanks or the form of accents only: "
    assert of(cells).notes(rows, "label") == [
        rf"{told}'Cafe\u0301' (1 rows), 'Caf\xe9' (1 rows), 'caf\xe9' (1 rows)",
        f"{told}'Tea' (1 rows), 'tea' (1 rows)",
    ]


def test_a_split_of_other_classes_is_refused():
    rows = {name: datasets.Dataset.from_dict({"label": cells}) for name, cells in
            {"train": ["0", "1"], "test": ["True", "False"]}.items()}  # fmt: skip
    with pytest.raises(DataError, match="test label: no label is a class of train: True, False"):
        of(["0", "1"]).notes(rows, "label")


def test_a_cell_that_is_no_list_among_written_ones_is_a_class_of_its_own():
    labels = of(["['a', 'b']", "['b']"], multilabel=True)
    assert labels.texts("['b']") == ["b"]
    assert labels.texts("[]") == []
    assert labels.unseen(["['a']", "c"]) == {"c": 1}
