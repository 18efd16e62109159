"""Words and their tokens, over the windows of long texts."""

from __future__ import annotations

import pytest
import transformers
from entity_rows import tiny_tagger
from toolkit_plugins.text.token_classification import words
from toolkit_plugins.text.token_classification.windows import Windows


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return transformers.AutoTokenizer.from_pretrained(
        tiny_tagger(tmp_path_factory.mktemp("windows"))
    )


def test_each_word_is_in_the_window_that_shows_most_around_it(tokenizer):
    text = " ".join(["the old road is long ashton ."] * 20)
    places = words.split(text)
    found = Windows.fitting(tokenizer, 32, 12).of([text, "the road"], [places, [(0, 3), (4, 8)]])
    assert found["chunk_of"] == [0] * found["chunk_of"].count(0) + [1]
    last = found["chunk_of"].count(0) - 1
    assert last >= 5
    owned = [number for window in found["words"][:-1] for number in window]
    assert owned == list(range(len(places)))
    assert found["words"][-1] == [0, 1]
    for number, (own, at) in enumerate(zip(found["words"], found["places"], strict=True)):
        ids, row = found["input_ids"][number], found["chunk_of"][number]
        for word, place in zip(own, at, strict=True):
            if row == 0:
                start, end = places[word]
                token = tokenizer.convert_ids_to_tokens(ids[place])
                assert token == ("a" if text[start:end] == "ashton" else text[start:end])
                # Half of what neighbours share, less the tokens of a word and special ones.
                assert number == 0 or place > 12 // 2 - 4
                assert number == last or len(ids) - 1 - place > 12 // 2 - 4


def test_windows_overlap_by_half_at_most(tokenizer):
    assert Windows.fitting(tokenizer, 32, 1000).stride == 15


@pytest.mark.parametrize(
    ("text", "places", "expected"),
    [
        ("", [], []),
        ("the road", [(0, 3), (4, 8)], [0, 1]),
        ("road\u200b the", [(0, 4), (4, 5), (6, 9)], [0, 2]),  # nothing is read of the second
        ("the  road", [(0, 3), (4, 4), (5, 9)], [0, 2]),  # an empty word
        ("ashton", [(0, 1), (1, 6)], [0, 1]),  # words that end in a token
        ("road the", [(0, 2), (2, 4), (5, 8)], [0, 1, 2]),  # the first two share a token
    ],
)
def test_words_that_no_token_covers_are_in_no_window(tokenizer, text, places, expected):
    (found,) = Windows.fitting(tokenizer, 32, 8).of([text], [places])["words"]
    assert found == expected


def test_words_within_one_token_have_its_place_in_the_same_window(tokenizer):
    text = " ".join(["road"] * 60)
    halves = [
        (start + half, start + half + 2) for start in range(0, len(text), 5) for half in (0, 2)
    ]
    found = Windows.fitting(tokenizer, 16, 6).of([text], [halves])
    assert len(found["words"]) > 5
    assert [word for window in found["words"] for word in window] == list(range(120))
    for words_, places in zip(found["words"], found["places"], strict=True):
        assert words_[::2] == [word - 1 for word in words_[1::2]]
        assert places[::2] == places[1::2]
        assert len(set(places)) == len(places) / 2
