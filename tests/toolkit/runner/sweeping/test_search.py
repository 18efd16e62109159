"""What a sweep tries next, and what it stops: without a model."""

from __future__ import annotations

import json
import random

import pytest

from toolkit.recipe import spaces
from toolkit.runner.sweeping import prune, suggest

SPACES = {
    "training.learning_rate": spaces.loguniform(1e-5, 1e-1),
    "method.name": spaces.choice("full", "lora"),
    "method.rank": spaces.choice(2, 4),
}


def trial(number, values, score, state="validated"):
    line = {"step": 1, "epoch": 1.0, "value": score}
    return {"number": number, "values": values, "score": score, "state": state,
            "evaluations": [line]}  # fmt: skip


def searched(search, space, count, score=lambda values: 0.5, trials=()):
    """Return the trials that a search makes one after another."""
    trials = list(trials)
    while len(trials) < count:
        values = suggest.following(search, space, trials, 7, True)
        if values is None:
            break
        trials.append(trial(len(trials), values, score(values)))
    return trials


def values_of(trials):
    return [one["values"] for one in trials]


@pytest.mark.parametrize("search", ["random", "tpe"])
def test_a_search_that_is_cut_off_goes_on_as_it_would_have(search):
    def score(values):
        return -abs(values["training.learning_rate"] - 0.01)

    whole = searched(search, SPACES, 12, score)
    again = searched(search, SPACES, 12, score, json.loads(json.dumps(whole[:7])))
    assert values_of(again) == values_of(whole)
    assert len({json.dumps(values) for values in values_of(whole)}) == 12


def test_settings_of_a_method_are_left_out_where_it_lacks_them():
    found = values_of(searched("random", SPACES, 30))
    assert {"method.rank" in values for values in found if values["method.name"] == "lora"} == {
        True
    }
    assert not any("method.rank" in values for values in found if values["method.name"] == "full")


def test_a_grid_has_each_combination_once():
    space = {"training.weight_decay": spaces.uniform(0, 0.2, 0.1), **SPACES}
    del space["training.learning_rate"]
    found = values_of(searched("grid", space, 100))
    assert len(found) == 9  # of rank and method 3: full, lora 2, lora 4
    assert found[0] == {"training.weight_decay": 0, "method.name": "full"}


def test_nothing_is_tried_twice_and_an_exhausted_space_ends_the_search():
    space = {"method.name": spaces.choice("full", "lora", "head")}
    for search in suggest.SEARCHES:
        found = values_of(searched(search, space, 10))
        assert sorted(values["method.name"] for values in found) == ["full", "head", "lora"]


def test_tpe_finds_better_values_than_random_search_does():
    def score(values):
        return -((values["x"] - 0.7) ** 2) - (values["y"] - 0.2) ** 2

    space = {"x": spaces.uniform(0, 1), "y": spaces.uniform(0, 1)}
    late = {search: searched(search, space, 40, score)[20:] for search in ("tpe", "random")}
    means = {search: sum(one["score"] for one in found) / 20 for search, found in late.items()}
    assert means["tpe"] > means["random"] + 0.05


def curves(count, epochs, seed=0):
    """Return rising curves of trials, whose ends differ and can be foreseen."""
    chance = random.Random(seed)
    ends = [chance.random() for _ in range(count)]
    return [[{"step": e, "epoch": float(e), "value": end * (1 - 0.5**e) + chance.gauss(0, 0.01)}
             for e in range(1, epochs + 1)] for end in ends]  # fmt: skip


def pruned(kind, all_curves, more=True, grace=1):
    """Return what was seen of each curve by trials one after another."""
    seen = []
    for curve in all_curves:
        own = []
        for line in curve:
            own = [*own, line]
            if line is not curve[-1] and not prune.goes_on(kind, own, seen, grace, more):
                break
        seen.append(own)
    return seen


@pytest.mark.parametrize("kind", ["asha", "median"])
def test_pruning_spares_steps_and_keeps_the_best(kind):
    for seed in range(5):
        whole = curves(27, 9, seed)
        seen = pruned(kind, whole)
        best = max(range(27), key=lambda place, whole=whole: whole[place][-1]["value"])
        assert len(seen[best]) == 9
        share = sum(map(len, seen)) / (27 * 9)
        assert share < (0.5 if kind == "asha" else 0.75)
    assert pruned("none", whole) == whole


def test_where_less_is_better_the_others_are_kept():
    turned = [[{**line, "value": -line["value"]} for line in curve] for curve in curves(27, 9)]
    lengths = [list(map(len, pruned("asha", found, more))) for found, more in (
        (curves(27, 9), True), (turned, False))]  # fmt: skip
    assert lengths[0] == lengths[1]


def test_trials_are_compared_after_equally_many_epochs():
    slow = [{"step": 10 * e, "epoch": e / 2, "value": 0.1 * e} for e in range(1, 9)]
    fast = [{"step": e, "epoch": float(e), "value": 0.1 * e} for e in range(1, 5)]
    assert prune.best_until(slow, 2.0, True) == pytest.approx(0.4)
    assert prune.best_until(fast, 2.0, True) == pytest.approx(0.2)
    assert prune.best_until(fast[:1], 2.0, True) is None  # it did not get there


def test_grace_puts_the_first_decision_off():
    bad = [{"step": e, "epoch": float(e), "value": 0.0} for e in range(1, 5)]
    others = curves(9, 9)
    assert not prune.goes_on("asha", bad[:1], others, 1, True)
    assert all(prune.goes_on("asha", bad[:n], others, 3, True) for n in (1, 2))
    assert not prune.goes_on("asha", bad[:3], others, 3, True)


def test_an_undefined_score_is_the_worst():
    nothing = [{"step": 1, "epoch": 1.0, "value": None}]
    assert not prune.goes_on("asha", nothing, curves(3, 2), 1, True)
    assert prune.goes_on("asha", nothing, [], 1, True)
