# ruff: noqa: RUF001 - letters of other scripts are what is tested
"""ROUGE: equal to rouge_score, best of several references, words of any script."""

import io
import logging.config
import random
import sys

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer

from toolkit.errors import UserError
from toolkit.evaluation.metrics.rouge import NAMES, Bag, Rouge, kind_of, library, words

TEXT = "the cats cat sat running runs on a mats, happily 3.5 Café end-to-end\n U.S."
VOCABULARY = TEXT.split(" ")


def texts(count, seed, most=30):
    rng = random.Random(seed)
    return [" ".join(rng.choices(VOCABULARY, k=rng.randrange(most))) for _ in range(count)]


@pytest.mark.parametrize("which", NAMES)
def test_scores_are_those_of_the_library(which):
    predictions = [*texts(55, 1), "", "???", "same words here"]
    references = [texts(n % 3 + 1, n + 2) for n in range(57)] + [["same words here"]]
    scorer = RougeScorer([which], use_stemmer=True)
    each = [scorer.score_multi(golds, text)[which].fmeasure
            for golds, text in zip(references, predictions, strict=True)]  # fmt: skip
    metric = Rouge(which)
    metric.add_batch(predictions=predictions[:20], references=references[:20])
    metric.add_batch(
        predictions=[{"summary": text} for text in predictions[20:]], references=references[20:]
    )
    found = metric.compute(resamples=None)
    assert found[which] == pytest.approx(np.mean(each), abs=1e-12)
    assert found["low"] < found[which] < found["high"]
    assert each[-1] == 1.0


def test_a_row_without_a_reference_has_no_score():
    found = Rouge("rouge1").compute(predictions=["a b", "a"], references=[[], "a"], resamples=10)
    assert (found["rouge1"], found["rows"]) == (1.0, 1)


def test_pairs_and_words_are_counted_as_the_library_counts_them():
    one, other = texts(2, 7)
    scorer = RougeScorer(["rouge1", "rouge2"], use_stemmer=True)
    wanted = scorer.score(other, one)
    bags = Bag.of(one, "english"), Bag.of(other, "english")
    for size in (1, 2):
        assert bags[0].overlap(bags[1], size) == pytest.approx(wanted[f"rouge{size}"].fmeasure)


OTHERS = {
    "Größe für Straßen": ["größe", "für", "straßen"],
    "今日は晴れ": ["今", "日", "は", "晴", "れ"],
    "تم افتتاح المكتبة": ["تم", "افتتاح", "المكتبة"],
    "यह एक": ["यह", "एक"],
    "ＡＢＣ 1２": ["abc", "12"],
}


@pytest.mark.parametrize("text", OTHERS)
def test_words_of_other_scripts(text):
    assert list(words(text, "unicode")) == OTHERS[text]
    assert kind_of([text] * 3) == "unicode"
    for which in NAMES:
        assert Rouge(which, "unicode").compute(predictions=[text], references=[text])[which] == (
            0.0 if which == "rouge2" and len(OTHERS[text]) < 2 else 1.0
        )


def test_english_with_a_foreign_name_stays_english():
    assert kind_of(["The café of Anaïs opens."] + ["It is a plain text of many words."] * 40) == (
        "english"
    )
    assert kind_of([]) == kind_of(["12 34"]) == "english"


def test_an_unknown_metric_is_refused():
    with pytest.raises(UserError, match=r"no metric 'rouge3'.*Metrics: rouge1"):
        Rouge("rouge3")


def test_a_stream_that_stands_for_stderr_is_not_closed_later(monkeypatch):
    """absl closes the one that it has found, when a server sets logging up anew."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("absl", "rouge_score")]:
        monkeypatch.delitem(sys.modules, name)
    library.cache_clear()
    own = io.StringIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", own)
        library()
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    assert not own.closed
