"""Words of texts in many scripts."""

import pytest
from toolkit_plugins.text.token_classification.words import joined, split


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't pay 10kg.", ["Don", "'", "t", "pay", "10kg", "."]),
        ("a_b e-mail", ["a_b", "e", "-", "mail"]),
        ("cafe\u0301 \u0301x", ["cafe\u0301", "\u0301", "x"]),  # a mark belongs to its letter
        ("\u0928\u092e\u0938\u094d\u0924\u0947 x", ["\u0928\u092e\u0938\u094d\u0924\u0947", "x"]),
        ("\u6771\u4eac\u3078 go", ["\u6771", "\u4eac", "\u3078", "go"]),
        ("\u0e44\u0e17\u0e22", ["\u0e44", "\u0e17", "\u0e22"]),
        ("\uc11c\uc6b8 \uc2dc\uccad", ["\uc11c\uc6b8", "\uc2dc\uccad"]),  # has spaces
        (
            "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
            ["\u05e9\u05dc\u05d5\u05dd", "\u05e2\u05d5\u05dc\u05dd"],
        ),
        ("\u0645\u06cc\u200c\u062e", ["\u0645\u06cc\u200c\u062e"]),
        ("\U0001f469\u200d\U0001f467\U0001f1e9\U0001f1ea",
         ["\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea"]),
        ("a\u200bb \ufeffc\u2028d\xa0e\r\n", ["a", "b", "c", "d", "e"]),
        ("", []),
    ],
)  # fmt: skip
def test_words_are_runs_of_letters_and_single_marks(text, words):
    assert [text[start:end] for start, end in split(text)] == words


def test_tokens_are_joined_by_single_spaces():
    text, spans = joined(["New York", "\xa0", "\u2028x"])
    assert text == "New York \xa0 \u2028x"
    assert [text[start:end] for start, end in spans] == ["New York", "\xa0", "\u2028x"]
