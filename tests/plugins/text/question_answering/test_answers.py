"""Answers as tables hold them, found in their contexts."""

import pytest
from toolkit_plugins.text.question_answering.answers import Layout, in_words, place, read

from toolkit.errors import DataError

CONTEXT = "The cat sat. A dog ran; the cat slept on the Mat. \U0001f600 caf\u00e9 mat"


@pytest.mark.parametrize(
    ("value", "start", "found"),
    [
        ({"text": ["a", "b"], "answer_start": [1, 2]}, None, [("a", 1), ("b", 2)]),
        ({"text": [], "answer_start": []}, None, []),
        ({"text": "a", "answer_start": 1}, None, [("a", 1)]),
        ({"text": ["a"]}, None, [("a", None)]),
        ({"text": None, "answer_start": None}, None, []),
        ([{"text": "a", "answer_start": 1}], None, [("a", 1)]),
        (["a", "b"], None, [("a", None), ("b", None)]),
        ("a", 3, [("a", 3)]),
        ("a", "3", [("a", 3)]),
        ("a", 3.0, [("a", 3)]),
        ("a", float("nan"), [("a", None)]),
        ("a", "", [("a", None)]),
        (1945, None, [("1945", None)]),
        ("", None, []),
        ("  ", None, []),
        (None, None, []),
    ],
)
def test_every_way_to_write_an_answer(value, start, found):
    assert read(value, start, "answers") == found


@pytest.mark.parametrize(
    ("value", "start"),
    [
        ({"start": [1]}, None),
        ({"text": ["a", "b"], "answer_start": [1]}, None),
        ({"text": [["a"]], "answer_start": [1]}, None),
        (b"a", None),
        ("{'text': ['a'], 'answer_start': [1]}", None),
        ("a", "three"),
        ("a", 1.5),
    ],
)
def test_what_is_no_answer_is_told(value, start):
    with pytest.raises(DataError, match="answers: holds"):
        read(value, start, "answers")


@pytest.mark.parametrize(
    ("text", "start", "found"),
    [
        ("cat", 4, ("cat", 4, "right")),
        ("dog", 14, ("dog", 15, "repaired")),  # stands once
        ("dog", -3, ("dog", 15, "repaired")),
        ("cat", 26, ("cat", 28, "repaired")),  # the nearer of two
        ("cat", 16, ("", 0, "not found")),  # as near to both
        ("cat", 500, ("", 0, "not found")),  # out of reach of both
        ("bird", 4, ("", 0, "not found")),
        ("dog", None, ("dog", 15, "right")),
        ("the  mat", 0, ("the Mat", 41, "repaired")),  # but for case and spaces
        ("caf\u00e9", 0, ("caf\u00e9", 52, "repaired")),
    ],
)
def test_an_answer_is_found_where_that_is_clear(text, start, found):
    place_ = place(text, start, CONTEXT, "Who sat?")
    assert (CONTEXT[place_.start : place_.end], place_.start, place_.state) == found


def test_of_several_places_the_one_near_to_the_questions_words():
    far = "x" * 120
    context = f"One cat sat here. {far} Another cat slept there."
    found = place("cat", None, context, "Who slept there?")
    assert (found.start, found.state) == (context.rindex("cat"), "first of several")


def test_what_was_done_is_counted_and_said():
    layout = Layout("question", "context", "answers", "answer_start")
    rows = [
        {"question": "?", "context": CONTEXT, "answers": {"text": [text], "answer_start": [start]}}
        for text, start in [("cat", 4), ("dog", 0), ("bird", 0)]
    ]
    rows += [{"question": "?", "context": CONTEXT, "answers": None}]
    rows += [{"question": "?", "context": CONTEXT, "answers": "cat"}]
    counts = layout.states(rows)
    assert dict(counts) == {
        "rows": 5, "unanswerable": 1, "lost": 1, "right": 1, "repaired": 1, "not found": 1,
        "first of several": 1,
    }  # fmt: skip
    said = in_words("train", counts)
    assert said[0] == "train: 1 of 5 questions have no answer"
    assert len(said) == 4
