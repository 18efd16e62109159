"""Scores of entities: equal to seqeval's, and what is said of wrong ones."""

from __future__ import annotations

import math
import random

import pytest
from seqeval import metrics as seqeval
from seqeval.scheme import IOB2

from toolkit.errors import UserError
from toolkit.evaluation.metrics import entities
from toolkit.tasks.tag_sequences import spans_of

LABELS = ("x", "y")


def row(*spans, text="abcdefghij"):
    return {"entities": [{"start": s, "end": e, "label": label, "text": text[s:e]}
                         for s, e, label in spans]}  # fmt: skip


def scored(name, pairs, known=None):
    metric = entities.load(name, known)
    predictions, references = zip(*pairs, strict=True)
    found = metric.compute(predictions=predictions, references=references, resamples=0)
    return found[name]


def test_scores_are_those_of_seqeval_for_odd_sequences_too():
    rng, choices = random.Random(0), ["O", "O", *(f"{p}-{n}" for p in "BI" for n in LABELS)]
    for _ in range(20):
        tags = [[rng.choices(choices, k=length) for _ in range(2)] for length in range(1, 12)]
        predicted, actual = ([pair[side] for pair in tags] for side in (0, 1))
        pairs = [(row(*spans_of(one, "BIO")), row(*spans_of(other, "BIO"))) for one, other in tags]
        for name in ("f1", "precision", "recall"):
            measure = getattr(seqeval, f"{name}_score")
            expected = measure(actual, predicted, mode="strict", scheme=IOB2, zero_division=0)
            assert scored(f"entity_{name}", pairs) == pytest.approx(expected)
        expected = seqeval.classification_report(
            actual, predicted, mode="strict", scheme=IOB2, output_dict=True, zero_division=0
        )
        for label, (right, found, true) in entities.by_label(pairs).items():
            assert true == expected[label]["support"]
            assert 2 * right / (found + true) == pytest.approx(expected[label]["f1-score"])


def test_unseen_entities_are_those_whose_label_and_text_training_lacks():
    known = {entities.mention({"label": "x", "text": " AB"})}
    pairs = [(row((0, 2, "x"), (4, 6, "x"), (7, 8, "y")), row((0, 2, "x"), (4, 6, "x"),
                                                              (0, 2, "y")))]  # fmt: skip
    # (0, 2, "x") is known, but for case; (0, 2, "y") has another label.
    assert scored("unseen_entity_f1", pairs, known) == pytest.approx(2 * 1 / (2 + 2))
    assert scored("entity_f1", pairs, known) == pytest.approx(2 * 2 / 6)
    assert math.isnan(scored("unseen_entity_f1", pairs))


def test_wrong_borders_and_wrong_labels_are_counted_apart():
    actual = row((0, 2, "x"), (3, 5, "x"), (6, 8, "y"), (8, 9, "y"))
    found = row((0, 2, "x"), (3, 4, "x"), (6, 8, "x"))
    assert scored("boundary_error_share", [(found, actual)]) == 1 / 4
    assert scored("type_error_share", [(found, actual)]) == 1 / 4
    assert entities.confusion([(found, actual)]) == {
        ("x", "x"): 2, ("y", "x"): 1, ("y", entities.MISSED): 1,
    }  # fmt: skip
    assert entities.confusion([(actual, row())]) == {
        (entities.INVENTED, "x"): 2, (entities.INVENTED, "y"): 2,
    }  # fmt: skip


def test_rows_without_entities_have_no_score():
    for name in entities.CLASSES:
        assert math.isnan(scored(name, [(row(), row())], known=()))
    assert scored("entity_precision", [(row(), row((0, 1, "x")))]) == 0


def test_an_unknown_metric_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="no metric 'entity_f'. Did you mean 'entity_f1'"):
        entities.load("entity_f")
