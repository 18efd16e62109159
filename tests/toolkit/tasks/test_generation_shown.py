"""Which words of an output and of its reference are marked as different."""

import pytest

from toolkit.plugin_types import MarkedText
from toolkit.tasks.generation.shown import side_by_side


def _marked(shown):
    return [shown.text[span.start : span.end] for span in shown.spans]


@pytest.mark.parametrize(
    ("output", "reference", "wrong", "missing"),
    [
        ("Der Hund sah die Katze.", "Der Hund sieht eine Katze!", ["sah die", "."],
         ["sieht eine", "!"]),
        ("ein Hund", "ein Hund", [], []),
        ("", "ein Hund", [], ["ein Hund"]),
        ("猫が座る", "猫は座る", ["が"], ["は"]),
        ("दूध गरम", "दूध ठंडा", ["गरम"], ["ठंडा"]),
        ("חתול גדול", "כלב גדול", ["חתול"], ["כלב"]),
        ("Haus haus", "haus", ["Haus"], []),
    ],
    ids=["words", "equal", "empty", "no spaces", "vowel signs", "right to left", "case"],
)  # fmt: skip
def test_what_differs_is_marked_on_both_sides(output, reference, wrong, missing):
    shown = side_by_side("source", output, [reference])
    assert list(shown.texts) == ["source", "output", "reference"]
    assert (_marked(shown.texts["output"]), _marked(shown.texts["reference"])) == (wrong, missing)
    assert all(span.actual for span in shown.texts["reference"].spans)


def test_of_several_references_the_nearest_is_shown():
    shown = side_by_side("s", "a b c d", ["x y z", "a b c", "a"])
    assert shown.texts["reference"] == MarkedText("a b c", [])


def test_without_a_reference_nothing_is_marked():
    assert side_by_side("s", "a b", None).texts == {"source": "s", "output": "a b"}
    assert side_by_side("s", "a b", []).texts == {"source": "s", "output": "a b"}


def test_very_long_texts_are_compared_up_to_what_is_shown():
    shown = side_by_side("s", "word " * 10_000, ["Wort " * 10_000])
    assert len(shown.texts["output"].text) <= 2000
