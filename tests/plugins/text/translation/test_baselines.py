"""What the baselines of translation answer, and that they keep to their rows and to any script."""

import datasets
import numpy as np
import pytest
from toolkit_plugins.text.translation import baselines

from toolkit.plugin_types import BaselineData

NOUNS = {"dog": "Hund", "bird": "Vogel", "man": "Mann", "tree": "Baum"}
VERBS = {"sees": "sieht", "hears": "hört", "finds": "findet"}
PAIRS = [
    (f"The {a} {verb} the {b}.", f"Der {NOUNS[a]} {VERBS[verb]} den {NOUNS[b]}.")
    for a in NOUNS for b in NOUNS for verb in VERBS if a != b
]  # fmt: skip


def _pairs_of(rows):
    return [(row["source"], row["target"]) for row in rows]


def _data(train, test):
    made = [datasets.Dataset.from_dict({"source": [a for a, _ in pairs],
                                        "target": [b for _, b in pairs]})
            for pairs in (train, test)]  # fmt: skip
    orders = (np.arange(len(rows)) for rows in made)
    return BaselineData(made[0], made[0], made[1], made[1], *orders)


def _answers(kind, train, test):
    found = kind(_pairs_of, "output").run(_data(train, [(text, "") for text in test]), 20.0)
    return [row["output"] for row in found.predictions], found


def test_a_copy_is_marked_as_one():
    made = baselines.CopySource(_pairs_of, "output").run(_data(PAIRS, [("Berlin!", "x")]), 1.0)
    assert made.predictions == [{"output": "Berlin!", "copied": True}]
    assert made.train_rows == 0


def test_the_nearest_neighbour_gives_the_translation_of_the_most_similar_source():
    texts, found = _answers(baselines.NearestNeighbour, PAIRS, ["the man HEARS the tree", "xyz"])
    assert texts == ["Der Mann hört den Baum.", PAIRS[0][1]]
    assert found.train_rows == len(PAIRS)


def test_model_1_finds_words_that_always_go_together():
    table, rows = baselines.dictionary(*zip(*PAIRS, strict=True))
    assert table | {**NOUNS, **VERBS} == table
    assert rows == len(PAIRS)


def test_word_by_word_keeps_order_punctuation_and_unknown_words():
    texts, _ = _answers(baselines.WordByWord, PAIRS, ["Dog, «bird» Zoe;  hears!", "the man"])
    assert texts[0] == "Hund, «Vogel» Zoe;  hört!"
    assert texts[1] in ("der Mann", "den Mann")


def test_an_empty_training_text_and_very_long_ones_are_read():
    train = [*PAIRS, ("", ""), ("word " * 20_000, "Wort " * 20_000)]
    table, rows = baselines.dictionary(*zip(*train, strict=True))
    assert (table["word"], rows) == ("Wort", len(train))


def test_of_too_many_rows_the_first_are_read_and_the_number_is_true(monkeypatch):
    monkeypatch.setattr(baselines, "MOST", 300)
    _, found = _answers(baselines.WordByWord, PAIRS, ["the dog"])
    assert found.train_rows == 300 // (6 * 5)


@pytest.mark.parametrize(
    ("train", "source", "wanted"),
    [
        ([("我 爱 你", "i love you"), ("我 爱 猫", "i love cats"), ("你 爱 猫", "you love cats"),
          ("我 看 猫", "i see cats")], "你看我", "you see i"),
        ([("i love you", "我爱你"), ("i love cats", "我爱猫"), ("you love cats", "你爱猫"),
          ("i see cats", "我看猫")], "you see cats", "你看猫"),
        ([("पानी ठंडा", "water cold"), ("पानी गरम", "water hot"), ("दूध ठंडा", "milk cold")],
         "दूध गरम", "milk hot"),
        ([("כלב גדול", "dog big"), ("כלב קטן", "dog small"), ("חתול גדול", "cat big")],
         "חתול קטן", "cat small"),
    ],
    ids=["chinese", "into chinese", "hindi", "hebrew"],
)  # fmt: skip
def test_scripts_without_spaces_from_right_to_left_and_with_vowel_signs(train, source, wanted):
    texts, _ = _answers(baselines.WordByWord, train, [source])
    assert texts == [wanted]
