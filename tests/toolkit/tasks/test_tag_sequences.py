"""Tags and spans as seqeval reads them, and the best sequence that a scheme allows."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from seqeval import scheme as seqeval

from toolkit.tasks.tag_sequences import best_paths, bio, gone_on, scheme_of, spans_of, tags_of

SCHEMES = [("BIO", seqeval.IOB2, "BI"), ("BIOES", seqeval.IOBES, "BIES"),
           ("BIOES", seqeval.BILOU, "BILU")]  # fmt: skip


@pytest.mark.parametrize(("scheme", "reference", "prefixes"), SCHEMES)
def test_odd_sequences_are_read_as_seqeval_reads_them_strictly(scheme, reference, prefixes):
    rng, found = random.Random(0), 0
    choices = ["O", *(f"{prefix}-{label}" for prefix in prefixes for label in ("x", "y-z"))]
    for _ in range(2000):
        tags = rng.choices(choices, k=rng.randint(0, 8))
        (entities,) = seqeval.Entities([tags], reference).entities
        expected = sorted((one.start, one.end, one.tag) for one in entities)
        assert spans_of(tags, scheme) == expected, tags
        found += len(expected)
    assert found > 1000


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["I-x", "I-x", "O", "I-y"], [(0, 2, "x"), (3, 4, "y")]),
        (["I-x", "I-y", "I-y"], [(0, 1, "x"), (1, 3, "y")]),
        (["I-x", "B-x", "I-x"], [(0, 1, "x"), (1, 3, "x")]),  # IOB1
    ],
)
def test_runs_of_one_label_are_spans_of_io(tags, expected):
    assert spans_of(tags, "IO") == expected


@pytest.mark.parametrize("scheme", ["BIO", "BIOES", "IO"])
def test_spans_come_back_from_their_tags(scheme):
    spans = [(0, 1, "x"), (2, 5, "x"), (5, 6, "y"), (6, 8, "z"), (8, 9, "-a-"), (9, 11, "B-")]
    assert spans_of(tags_of(spans, 12, scheme), scheme) == spans


def test_words_without_their_own_tag_go_on_with_the_entity_before_them():
    tags = gone_on(["B-B-x", "I-B-x", "O", "B-y"], [True, False, True, True, False, True, False])
    assert tags == ["B-B-x", "I-B-x", "I-B-x", "O", "O", "B-y", "I-y"]


def test_a_scheme_is_known_by_its_prefixes():
    found = [scheme_of(prefixes) for prefixes in ("BIO", "BO", "BILOU", "SO", "IO", "O")]
    assert found == ["BIO", "BIO", "BIOES", "BIOES", "IO", "BIO"]


@pytest.mark.parametrize(("tags", "scheme"), [(["E-x"], "BIO"), (["X-x"], "BIO"), (["O-x"], "IO"),
                                              ([""], "BIO")])  # fmt: skip
def test_a_tag_that_the_scheme_lacks_is_refused(tags, scheme):
    with pytest.raises(ValueError, match="is no tag"):
        spans_of(tags, scheme)


def test_the_best_path_and_its_lead_are_those_of_all_allowed_paths():
    rng, tags = np.random.default_rng(0), ["I-y", "O", "B-y", "I-x", "B-x"]
    rows = [rng.normal(size=(length, 5)) for length in (3, 1, 0, 4, 2, 4)]
    rows[0][1, :] = [5, -9, -9, -9, -9]  # its own best tag, I-y, needs another before it
    for row, path in zip(rows, best_paths(rows, tags), strict=True):
        sums = sorted(
            (sum(row[word, tag] for word, tag in enumerate(one)), one)
            for one in itertools.product(range(5), repeat=len(row))
            if _is_allowed([tags[tag] for tag in one])
        )
        assert tuple(path.tags) == sums[-1][1]
        lead = sums[-1][0] - sums[-2][0] if len(row) else np.inf
        assert path.lead == pytest.approx(lead)


def test_no_scores_lead_to_a_sequence_with_a_fault():
    rng, tags = np.random.default_rng(1), bio("abcd")
    for path in best_paths([rng.normal(size=(30, 9)) * 9 for _ in range(100)], tags):
        assert _is_allowed([tags[tag] for tag in path.tags])


def _is_allowed(tags: list[str]) -> bool:
    return all(
        tag[0] != "I" or (before[0] in "BI" and before[1:] == tag[1:])
        for before, tag in itertools.pairwise(["O", *tags])
    )
