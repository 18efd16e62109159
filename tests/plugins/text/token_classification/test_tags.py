"""Schemes of tags: found from the tags themselves, and read as the same spans."""

import pytest
from toolkit_plugins.text.token_classification.tags import Scheme, scheme_of

SPANS = [(0, 2, "PER"), (2, 3, "PER"), (4, 7, "LOC")]


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("BIO", "B-PER I-PER B-PER O B-LOC I-LOC I-LOC"),
        ("BIO", "B_PER I_PER B_PER o B_LOC I_LOC I_LOC"),
        ("IOB1", "I-PER I-PER B-PER O I-LOC I-LOC I-LOC"),
        ("BIOES", "B-PER E-PER S-PER O B-LOC I-LOC E-LOC"),
        ("BILOU", "B-PER L-PER U-PER O B-LOC I-LOC L-LOC"),
        ("BMES", "B-PER E-PER S-PER O B-LOC M-LOC E-LOC"),
    ],
)
def test_every_scheme_says_the_same(name, tags):
    scheme = scheme_of([tags.split()])
    assert (scheme.name, scheme.spans(tags.split())) == (name, SPANS)


@pytest.mark.parametrize(
    ("name", "tags", "spans"),
    [
        ("IO", "I-PER I-PER O I-LOC I-PER", [(0, 2, "PER"), (3, 4, "LOC"), (4, 5, "PER")]),
        ("IO (types without a prefix)", "PER PER O LOC", [(0, 2, "PER"), (3, 4, "LOC")]),
        ("IO (types without a prefix)", "E-mail O Name Name", [(0, 1, "E-mail"), (2, 4, "Name")]),
        ("no entities", "O O", []),
        ("BIO", "B-ORG O I-PER I-PER B-LOC I-LOC O",
         [(0, 1, "ORG"), (4, 6, "LOC")]),  # as seqeval's strict mode
        ("BIOES", "E-PER I-PER S-PER E-PER", [(2, 3, "PER")]),
    ],
)  # fmt: skip
def test_what_is_written_loosely_has_one_reading(name, tags, spans):
    scheme = scheme_of([tags.split()])
    assert (scheme.name, scheme.spans(tags.split())) == (name, spans)


def test_spans_of_bio_that_begin_with_i_are_counted():
    rows = [["O", "I-A", "I-A"], ["B-A", "I-B", "I-A"], ["B-A", "O", "B-B"]]
    assert scheme_of(rows) == Scheme("BIO", True, late=3)


def test_a_few_slips_do_not_make_another_scheme():
    begun, late = ["B-PER", "I-PER", "O"], ["I-PER", "I-PER", "O"]
    iob1 = scheme_of([late] * 9 + [["O", *begun]])
    assert iob1 == Scheme("IOB1", True)
    assert iob1.spans(late) == iob1.spans(begun) == [(0, 2, "PER")]
    assert scheme_of([begun] * 9 + [["O", *late]]) == Scheme("BIO", True, late=1)


def test_a_few_tags_without_a_prefix_are_none_of_the_scheme():
    scheme = scheme_of([["B-PER", "LOC"]])
    assert scheme.prefixed
    assert not scheme.knows("LOC")


@pytest.mark.parametrize(("tag", "known"), [("O", True), ("B-A", True), ("A", False), ("", False),
                                            ("X-A", False), ("-", False)])  # fmt: skip
def test_a_tag_of_no_scheme_is_known_as_such(tag, known):
    assert scheme_of([["B-A", "I-A", tag]]).knows(tag) is known
