"""Spans of annotators: what they count, and what of them does not fit."""

import pytest
from toolkit_plugins.text.token_classification import spans
from toolkit_plugins.text.token_classification.spans import Counting, Given, counting_of, read

TEXT = "Zo\u00eb \U0001f600 met Jos\u00e9 in K\u00f6ln ."
NAMES = ["Zo\u00eb", "Jos\u00e9", "K\u00f6ln"]
UNITS = {
    "characters": len,
    "bytes of UTF-8": lambda text: len(text.encode()),
    "code units of UTF-16": lambda text: len(text.encode("utf-16-le")) // 2,
}


def given(unit, with_text, inclusive=False):
    count = UNITS[unit]
    for name in NAMES:
        start = TEXT.index(name)
        end = count(TEXT[: start + len(name)]) - inclusive
        yield Given(count(TEXT[:start]), end, "X", name if with_text else None)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("with_text", [True, False])
@pytest.mark.parametrize("inclusive", [True, False])
def test_what_offsets_count_shows_over_all_spans(unit, with_text, inclusive):
    marked = list(given(unit, with_text, inclusive))
    counting = counting_of([(TEXT, marked)])
    assert counting == Counting(unit, inclusive)
    assert [TEXT[a:b] for a, b, _ in read(TEXT, marked, counting).spans] == NAMES


def test_spans_within_words_are_no_sign_of_another_unit():
    text = "Autobahnen und Wagenhallen in K\u00f6ln"
    assert counting_of([(text, [Given(0, 4, "X"), Given(15, 20, "X")])]) == Counting()


@pytest.mark.parametrize("text", ["a\r\nAnn", "&amp; Ann", "\ufeffAnn", "  Ann"])
def test_offsets_are_those_of_the_text_as_it_stands(text):
    start = text.index("Ann")
    (found,) = read(text, [Given(start, start + 3, "PER")], Counting()).spans
    assert text[found[0] : found[1]] == "Ann"


@pytest.mark.parametrize(
    ("span", "why"),
    [
        (Given(0, 99, "X"), spans.BEYOND),
        (Given(4, 4, "X"), spans.REVERSED),
        (Given(9, 4, "X"), spans.REVERSED),
        (Given(-3, 4, "X"), spans.REVERSED),
        (Given(None, 4, "X"), spans.NO_NUMBER),
        (Given("a", 4, "X"), spans.NO_NUMBER),
        (Given(0.5, 4, "X"), spans.NO_NUMBER),
        (Given(0, float("inf"), "X"), spans.NO_NUMBER),
        (Given(3, 4, "X"), spans.BLANK),
        (Given(0, 3, ""), spans.NO_LABEL),
        (Given(0, 3, None), spans.NO_LABEL),
        (Given(0, 3, "X", "Bob"), spans.ELSEWHERE),
    ],
)
def test_a_span_that_does_not_fit_has_a_reason(span, why):
    assert read(TEXT, [Given(0, 3, "X"), span], Counting()).why == why


def test_edges_are_trimmed_and_repeats_taken_once():
    found = read(TEXT, [Given(0, 4, "X"), Given(0.0, "3", " X ")], Counting())
    assert list(found.spans) == [(0, 3, "X")]
    assert +found.counts == {spans.TRIMMED: 1, spans.TWICE: 1}


def test_a_span_is_moved_to_the_only_place_of_its_text():
    found = read(TEXT, [Given(0, 4, "X", "K\u00f6ln")], Counting())
    assert TEXT[found.spans[0][0] : found.spans[0][1]] == "K\u00f6ln"
    assert found.counts[spans.MOVED] == 1
    assert read("Ann Ann", [Given(1, 2, "X", "Ann")], Counting()).why == spans.ELSEWHERE


@pytest.mark.parametrize("other", [Given(1, 2, "X"), Given(0, 3, "Y"), Given(2, 8, "X")])
def test_nested_and_overlapping_spans_are_named(other):
    found = read(TEXT, [Given(0, 3, "X"), other], Counting())
    assert "'Zo\u00eb' [0, 3)" in found.overlap


def test_neighbours_do_not_overlap():
    assert not read(TEXT, [Given(0, 2, "X"), Given(2, 3, "X")], Counting()).overlap
