"""Rows that stand in more than one split: counted to the letter, and normalised."""

from __future__ import annotations

import datasets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.data import overlap, row_hashes


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_normalised_twice_is_normalised(text):
    once = row_hashes.normalised(text)
    assert row_hashes.normalised(once) == once
    assert bool(once) == bool(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Where is\tmy ORDER?! ", "where is my order"),
        ("a_b-c", "a b c"),
        ("Straße", "strasse"),
        ("7 € off", "7 off"),
        ("?!", "?!"),
        ("", ""),
    ],
)
def test_case_points_and_spaces_do_not_count(text, expected):
    assert row_hashes.normalised(text) == expected


@pytest.mark.parametrize(("one", "other"), [("की", "का"), ("שָׁלוֹם", "שִׁלוּם"), ("résumé", "resume")])
def test_signs_that_tell_words_apart_count(one, other):
    assert row_hashes.normalised(one) != row_hashes.normalised(other)


def made(**splits):
    return {name: datasets.Dataset.from_dict(columns) for name, columns in splits.items()}


def test_every_pair_and_every_split_is_counted():
    found = overlap.measure_overlap(
        made(
            train={"x": ["a b", "A b!", "c", "c"]},
            validation={"x": ["c", "d"]},
            test={"x": ["A B", "c", "e", "d.", "c"]},
        ),
        ["x"],
        None,
    )
    assert found.overlap == {
        "train-validation": {"exact": 1, "normalised": 1, "near": 1},
        "train-test": {"exact": 2, "normalised": 3, "near": 3},
        "validation-test": {"exact": 2, "normalised": 3, "near": 3},
    }
    assert found.duplicates == {
        "train": {"exact": 1, "normalised": 2},
        "validation": {"exact": 0, "normalised": 0},
        "test": {"exact": 1, "normalised": 1},
    }
    assert found.overlapping is not None
    assert found.overlapping.tolist() == [True, True, False, True, True]
    assert found.notes == []


def test_all_inputs_of_a_row_count_together():
    found = overlap.measure_overlap(
        made(train={"x": ["a", "b"], "y": ["1", "2"]}, test={"x": ["a", "b"], "y": ["2", "2"]}),
        ["x", "y"],
        None,
    )
    assert found.overlap["train-test"] == {"exact": 1, "normalised": 1, "near": 1}


def test_equal_inputs_with_different_targets_are_told():
    columns = {"x": ["a", "A", "b", "b", "c", "c", "c"], "y": ["1", "2", "1", "1", "1", "2", "3"]}
    found = overlap.measure_overlap(made(train=columns, test={"x": ["z"], "y": ["1"]}), ["x"], "y")
    assert found.notes == ["train: 2 inputs occur with different targets"]


def test_targets_that_are_files_differ_by_their_contents():
    files = [{"bytes": None, "path": f"{n}.png", "digest": digest}
             for n, digest in enumerate("aabc")]  # fmt: skip
    held = [{"bytes": content, "path": None, "digest": None} for content in (b"x", b"x", b"y")]
    columns = {"x": ["1", "1", "2", "2", "3", "3", "3"], "y": [*files, *held]}
    found = overlap.measure_overlap(
        made(train=columns, test={"x": ["z"], "y": files[:1]}), ["x"], "y"
    )
    assert found.notes == ["train: 2 inputs occur with different targets"]


def test_images_are_compared_by_their_bytes():
    def images(*files):
        cells = [{"bytes": content, "path": name} for name, content in files]
        features = datasets.Features({"x": datasets.Image()})
        return datasets.Dataset.from_dict({"x": cells}).cast(features)

    found = overlap.measure_overlap(
        {
            "train": images(("a.png", b"one"), ("b.png", b"two")),
            "test": images(("c.png", b"two"), ("a.png", b"three")),
        },
        ["x"],
        None,
    )
    assert found.overlap["train-test"] == {"exact": 1, "normalised": 1, "near": None}


def test_more_rows_than_a_batch_keep_their_places():
    texts = [f"t{n}" for n in range(25_000)]
    found = overlap.measure_overlap(
        made(train={"x": texts}, test={"x": ["new", texts[-1]]}), ["x"], None
    )
    assert found.overlapping is not None
    assert found.overlapping.tolist() == [False, True]
