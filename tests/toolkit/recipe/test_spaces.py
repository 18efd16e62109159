"""Search spaces: as they are written, what they hold, and what is wrong with them."""

from __future__ import annotations

import random

import pytest

from toolkit.errors import RecipeError
from toolkit.recipe import spaces


def faults(error):
    return [str(fault) for fault in error.value.faults]


@pytest.mark.parametrize(
    ("text", "low", "high", "values"),
    [
        ("uniform(0, 0.3)", 0, 0.3, None),
        ("uniform(0, 0.3, 0.1)", 0, 0.3, [0, 0.1, 0.2, 0.3]),
        ("loguniform(1e-5,1e-3)", 1e-5, 1e-3, None),
        ("int(2, 5)", 2, 5, [2, 3, 4, 5]),
        ("int(8, 24, 8)", 8, 24, [8, 16, 24]),
        (" logint( 4 , 64 ) ", 4, 64, None),
    ],
)
def test_ranges(text, low, high, values):
    space = spaces.parse(text)
    assert (space.low, space.high, space.values) == (low, high, values)
    chance = random.Random(1)
    drawn = [space.draw(chance) for _ in range(300)]
    assert all(space.holds(value) for value in drawn)
    assert min(drawn) < max(drawn)
    assert values is None or {*drawn} == {*values}
    assert all(isinstance(value, int) for value in drawn) == space.whole
    assert spaces.parse(str(space)) == space  # as sweep.json keeps it


def test_choices_hold_what_yaml_does():
    space = spaces.parse("choice(full, lora, 3, 1e-4, true, null, [a, b])")
    assert space.values == ["full", "lora", 3, 1e-4, True, None, ["a", "b"]]
    assert space.holds(True)
    assert not space.holds(1)
    assert spaces.parse(str(space)) == space


def test_half_of_a_logarithmic_range_is_below_its_geometric_mean():
    chance, space = random.Random(0), spaces.parse("loguniform(1e-6, 1e-2)")
    below = sum(space.draw(chance) < 1e-4 for _ in range(1000))
    assert 430 < below < 570


def test_text_that_is_no_space_is_a_value():
    for text in ("full", "1e-4", "linear_with(warmup)", "[a, b]", ""):
        assert spaces.parse(text) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("logunifrom(1e-5, 1e-3)", "there is no space 'logunifrom'. Did you mean 'loguniform'?"),
        ("randint(1, 5)", "Did you mean 'int'?"),
        ("uniform(1)", "takes the lowest and the highest value and, if wanted, a step"),
        ("loguniform(1, 2, 3)", "loguniform takes the lowest and the highest value"),
        ("uniform(3, 1)", "the lowest value should be below the highest"),
        ("loguniform(0, 1)", "a logarithm needs a lowest value above 0"),
        ("int(1, 2.5)", "whole numbers are wanted, not 2.5"),
        ("uniform(0, one)", "the highest value should be a number, not 'one'"),
        ("uniform(0, 1, 2)", "the step should be above 0, and fit into the range"),
        ("choice()", "takes one value or more"),
        ("choice(1, 1)", "has a value twice"),
        ("choice([)", "is no list"),
        ("uniform(0, .inf)", "should be a number, not inf"),
    ],
)
def test_what_is_wrong_is_told(text, said):
    with pytest.raises(RecipeError) as error:
        spaces.parse(text)
    assert said in faults(error)[0]


def test_all_that_is_wrong_in_a_mapping_is_told_with_its_key():
    given = {"training": {"learning_rate": "loguniform(0, 1)", "weight_decay": 0.1},
             "method.name": ["full", "lora"]}  # fmt: skip
    with pytest.raises(RecipeError) as error:
        spaces.read(given, "spaces.yaml")
    first, second = faults(error)
    assert first.startswith("spaces.yaml training.learning_rate: ")
    assert second.startswith("spaces.yaml training.weight_decay: is no space: 0.1. Write one of")
