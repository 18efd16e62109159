"""BLEU, chrF and TER are sacrebleu's to the last digit; figures of length, copies and repeats."""

import json

import numpy as np
import pytest
import sacrebleu

from toolkit.errors import UserError
from toolkit.evaluation.metrics import generation
from toolkit.evaluation.metrics.translation import Bleu, Chrf, Ter
from toolkit.evaluation.scoring import by_row, draws, score

OUTPUTS = ["The cat sat on the mat.", "", "A dog , it said ,  runs", "yes", "nur dies hier",
           "猫が座る"]  # fmt: skip
SEVERAL = [
    ["The cat is on the mat.", "There is a cat on the mat."], ["nothing at all"],
    ["A dog, it says, is running", "The dog runs", "A dog ran"], ["Yes."],
    ["only this here", "nur dies"], ["猫が座っている"],
]  # fmt: skip
SINGLE = [references[0] for references in SEVERAL]


def _streams(references):
    most = max(map(len, references))
    padded = [[*given, *[None] * (most - len(given))] for given in references]
    return [list(stream) for stream in zip(*padded, strict=True)]


def _scored(metric, references, outputs=OUTPUTS):
    pairs = [([{"output": text} for text in outputs], references)]
    return score({"it": metric}, pairs, seed=0)["it"]


@pytest.mark.parametrize("references", [SEVERAL, [[one] for one in SINGLE]], ids=["many", "one"])
@pytest.mark.parametrize(
    ("own", "theirs"),
    [(Bleu, sacrebleu.BLEU), (Chrf, sacrebleu.CHRF), (Ter, sacrebleu.TER)],
    ids=["bleu", "chrf", "ter"],
)
def test_the_score_and_signature_are_those_of_sacrebleu(own, theirs, references):
    library = theirs()
    wanted = library.corpus_score(OUTPUTS, _streams(references)).score
    found = _scored(own("output"), references)
    assert found["value"] == pytest.approx(wanted, abs=1e-12)
    if own is not Ter:  # whose mean lengths are no whole numbers
        assert found["value"] == wanted
    assert found["signature"] == library.get_signature().format()


def test_a_reference_may_be_a_plain_text_and_rows_without_any_have_no_value():
    wanted = sacrebleu.BLEU().corpus_score(OUTPUTS[:2], [SINGLE[:2]]).score
    assert _scored(Bleu("output"), SINGLE[:2], OUTPUTS[:2])["value"] == wanted
    found = _scored(Bleu("output"), [*SINGLE[:2], None, []], [*OUTPUTS[:2], "x", "y"])
    assert (found["value"], found["rows"]) == (wanted, 2)


def test_upper_case_counts_and_the_tokenizer_is_in_the_signature():
    assert _scored(Bleu("output"), ["a b c d e"], ["A B C D E"])["value"] == 0
    found = _scored(Bleu("output", tokenize="zh"), ["猫が座っている"], ["猫が座っている"])
    assert found["value"] == pytest.approx(100)
    assert "tok:zh" in found["signature"]
    assert "case:mixed" in found["signature"]


def test_a_missing_tokenizer_is_one_message():
    with pytest.raises(UserError, match=r"sacrebleu\[ja\]"):
        _scored(Bleu("output", tokenize="ja-mecab"), SINGLE)


def test_resamples_are_those_of_the_library_on_the_drawn_rows():
    rng = np.random.default_rng(3)
    words = ["ein", "zwei", "drei", "vier", "fünf", "sechs"]
    references = [" ".join(rng.choice(words, 8)) for _ in range(60)]
    outputs = [" ".join(rng.choice(words, 8)) for _ in range(60)]
    pairs = [([{"output": text} for text in outputs], references)]
    drawn = draws({"bleu": Bleu("output")}, pairs, seed=7)["bleu"]
    places = np.random.default_rng(7).integers(0, 60, 60)  # the first resample
    again = sacrebleu.BLEU().corpus_score(
        [outputs[place] for place in places], [[references[place] for place in places]]
    )
    assert drawn[0] == pytest.approx(again.score, abs=1e-9)
    found = _scored(Bleu("output"), references, outputs)
    assert 0 < found["low"] < found["value"] < found["high"] < 100


def test_a_single_row_is_scored_by_the_runs_it_has():
    outputs = [{"output": text} for text in ("Yes.", "two words", "all is wrong here")]
    found = by_row(Bleu("output"), outputs, ["Yes.", "two words", "nichts davon stimmt"])
    assert found.tolist() == pytest.approx([100, 100, 0])


def test_figures_of_length_copies_repeats_and_empty_outputs():
    outputs = [
        {"output": "a b c d a b c d"}, {"output": ""}, {"output": "Berlin!", "copied": True},
        {"output": "今日は"},
    ]  # fmt: skip
    references = ["one two three four", ["a", "b c"], "Berlin", "今日は晴れ"]
    made = {name: make("output") for name, make in generation.FIGURES.items()}
    found = score(made, [(outputs, references)], seed=0)
    assert found["length_ratio"]["value"] == (8 + 0 + 1 + 3) / (4 + 1 + 1 + 5)
    assert found["copy_share"]["value"] == 0.25
    assert found["empty_share"]["value"] == 0.25
    assert found["repetition"]["value"] == 1 / 5
    assert found["repetition"]["of_references"] == 0
    json.dumps(found)


@pytest.mark.parametrize(
    ("text", "source", "copied"),
    [("ein Hund .", "Ein Hund.", True), ("", "", False), ("?!", "?!", True), ("?!", "…", False),
     ("Haus", "house", False), ("שלום", "שלום.", True)],
)  # fmt: skip
def test_copies(text, source, copied):
    assert generation.is_copy(text, source) is copied
