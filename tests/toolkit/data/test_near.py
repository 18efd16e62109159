"""Rows that are nearly equal: texts with a word changed, images saved again."""

from __future__ import annotations

import random
import unicodedata

import datasets
import numpy as np
import pytest
from image_rows import as_bytes, bar
from near_duplicates import (
    CHANGES,
    digits,
    figures,
    found_images,
    found_texts,
    marked_images,
    marked_texts,
    sketches,
    templated,
    texts,
    thumbnails,
)
from PIL import Image

from toolkit.data import overlap
from toolkit.data.near_images import ImageSketches


def near(train, test, inputs=("x",)):
    made = {name: datasets.Dataset.from_dict(columns)
            for name, columns in {"train": train, "test": test}.items()}  # fmt: skip
    return overlap.measure_overlap(made, list(inputs), None)


@pytest.mark.parametrize("length", [10, 25, 60, 200])
@pytest.mark.parametrize("change", CHANGES)
def test_one_change_in_a_text_is_found(length, change):
    assert found_texts(texts(300, length), CHANGES[change]) >= 0.98


def test_different_texts_are_not_marked():
    for length in (10, 60):
        assert marked_texts(texts(2_000, length)) == 0
    assert marked_texts(templated(4_000)) <= 0.001


@pytest.mark.parametrize(
    ("one", "other", "is_near"),
    [
        ("The parcel that I ordered last week is late!", "the parcel I ordered last week is late",
         True),
        ("Your order 4711 has left our house today", "Your order 4712 has left our house today",
         False),
        ("cancel my card", "block my card", False),
        ("昨日注文した荷物はどこにありますか", "昨日注文した荷物はどこですありますか", False),
        ("昨日注文した荷物はどこにありますか", "昨日注文した荷物はそこにありますか", True),
    ],
)  # fmt: skip
def test_what_counts_as_nearly_equal(one, other, is_near):
    found = near({"x": [one, "something else"]}, {"x": [other]})
    assert found.overlap["train-test"] == {"exact": 0, "normalised": 0, "near": int(is_near)}
    assert found.overlapping.tolist() == [is_near]


def test_accents_in_either_form_are_the_same():
    text = "Wäre es möglich, die Lieferung früher zu bekommen?"
    found = near({"x": [text]}, {"x": [unicodedata.normalize("NFD", text)]})
    assert found.overlap["train-test"] == {"exact": 0, "normalised": 1, "near": 1}


def test_a_pair_the_other_way_round_is_nearly_equal():
    found = near({"x": ["a man eats", "he runs"], "y": ["a dog sleeps", "she sings"]},
                 {"x": ["a dog sleeps", "he runs"], "y": ["a man eats", "a dog sleeps"]},
                 ("x", "y"))  # fmt: skip
    assert found.overlap["train-test"] == {"exact": 0, "normalised": 0, "near": 1}
    assert found.overlapping.tolist() == [True, False]


def test_another_question_on_the_same_long_text_is_another_row():
    (context,) = texts(1, 150)
    rows = {"q": ["Who built the bridge?", "Who paid for it?"], "c": [context] * 2}
    changed = context.replace(context.split()[70], "zzz")
    asked = {"q": ["When was it opened?", "Who built the bridge?"], "c": [context, changed]}
    assert near(rows, asked, ("q", "c")).overlapping.tolist() == [False, True]


def test_the_order_of_rows_and_batches_changes_nothing():
    rows = [[text] for text in texts(400, 12)]
    changed = [[CHANGES["a typo"](text, random.Random(n))] for n, (text,) in enumerate(rows[::7])]
    first = sketches(changed).among(sketches(rows))
    assert first.tolist() == sketches(changed[::-1]).among(sketches(rows[::-1]))[::-1].tolist()
    assert first.all()


def test_of_very_many_rows_some_are_compared_and_it_says_so(monkeypatch):
    monkeypatch.setattr(overlap, "COMPARED", 50)
    rows = texts(120, 12)
    changed = [CHANGES["a word changed"](text, random.Random(1)) for text in rows]
    found = near({"x": rows}, {"x": changed[:40]})
    assert 5 < found.overlap["train-test"]["near"] < 40
    assert "train: nearly equal rows were looked for among 50 of 120 rows" in found.notes


def test_where_no_texts_are_near_is_not_measured():
    found = near({"x": [1.5, 2.5]}, {"x": [2.5]})
    assert found.overlap["train-test"] == {"exact": 1, "normalised": 1, "near": None}
    nothing = near({"x": ["a"]}, {"x": ["a"]}, ())
    assert nothing.overlap is None
    assert nothing.overlapping is None


def test_digits_that_are_saved_again_are_found_and_others_are_not():
    files = digits()[:600]
    assert found_images(files, 95) >= 0.98
    assert marked_images(files) <= 0.001


def test_photos_in_another_size_are_found():
    rng = np.random.default_rng(0)
    files = [as_bytes(Image.fromarray(rng.integers(0, 256, (7, 9, 3), np.uint8)).resize((180, 140)))
             for _ in range(60)]  # fmt: skip
    assert found_images(files, 75) == 1
    assert found_images(files, 90, 0.5) >= 0.95
    assert marked_images(files) == 0


def test_blank_and_alike_images_do_not_take_each_other_for_the_same():
    greys = [as_bytes(Image.new("L", (30, 30), value)) for value in (0, 60, 120, 250)]
    found = [[thumbnails([one]).among(thumbnails([other]))[0] for other in greys] for one in greys]
    assert np.array_equal(found, np.eye(4, dtype=bool))
    rng = np.random.default_rng(1)
    faint = ImageSketches(np.clip(rng.normal(120, 6, (600, 256)), 0, 255).astype(np.uint8))
    others = ImageSketches(np.clip(rng.normal(120, 6, (600, 256)), 0, 255).astype(np.uint8))
    assert not faint.among(others).any()
    bars = [as_bytes(bar("standing", rng)) for _ in range(80)]
    assert marked_images(bars) <= 0.05


def test_many_equal_thumbnails_cost_as_much_as_one():
    many = ImageSketches(np.zeros((50_000, 256), np.uint8))
    assert many.among(many).all()


@pytest.mark.nightly
def test_the_figures_of_the_page_on_tests():
    found = figures()
    assert all(value >= 0.9 for name, value in found.items()
               if "found" in name and "one of twenty" not in name)  # fmt: skip
    assert all(value <= 0.001 for name, value in found.items() if "marked" in name)
