"""Explanations: what is planted comes first, what is not read counts nothing, weights matter."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from text_rows import WORDS

from toolkit.errors import UserError
from toolkit.evaluation.explanations import explain, require_explained
from toolkit.plugin_types import Occlusion, RowPart
from toolkit.plugin_types.occlusion import MOST, score_log_odds, text_occlusions
from toolkit.runs.predictor import load_predictor

TOLD = {word: label for label, words in WORDS.items() for word in words}
# Not of birds, which the model takes texts for that have no such word: nothing speaks for these.
TEXTS = ["the old hammer is here", "my red cherry", "a new plum is there", "one chisel",
         "there is the drill here", "here is a grape"]  # fmt: skip


@pytest.fixture(scope="module")
def predictor(finished):
    return load_predictor(finished("text-classification").path)


def explained(predictor, texts, model=None, **settings):
    raw = predictor.dataset([{"text": text} for text in texts])
    plugin = predictor.plugin
    return list(explain(plugin, model or plugin.model, raw, predictor.predictions(raw), 8,
                        **settings))  # fmt: skip


def test_the_word_that_tells_the_class_comes_first(predictor):
    for text, found in zip(TEXTS, predictor.explain([{"text": t} for t in TEXTS]), strict=True):
        first, *rest = found["explanation"]
        assert first["text"] in TOLD
        assert first["of"] == found["prediction"]["label"] == TOLD[first["text"]]
        assert text[first["start"] : first["end"]] == first["text"]
        sizes = [abs(part["contribution"]) for part in found["explanation"]]
        assert sizes == sorted(sizes, reverse=True)
        assert first["contribution"] > 0
        assert len(rest) == len(text.split()) - 1


def test_a_contribution_is_what_the_log_odds_lose_without_the_word(predictor):
    (found,) = predictor.explain([{"text": TEXTS[0]}], top=1)
    (part,) = found["explanation"]
    without = TEXTS[0][: part["start"]] + TEXTS[0][part["end"] :]
    scores = [score_log_odds(one)[part["of"]]
              for one in predictor.predict([{"text": TEXTS[0]}, {"text": without}])]  # fmt: skip
    assert part["contribution"] == pytest.approx(scores[0] - scores[1], abs=1e-3)


def test_random_weights_have_another_explanation(predictor):
    """Adebayo et al. 2018, "Sanity Checks for Saliency Maps": the model randomization test."""
    other = copy.deepcopy(predictor.plugin.model)
    torch.manual_seed(0)
    for weight in other.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    trained, drawn = explained(predictor, TEXTS), explained(predictor, TEXTS, other)

    def first(found):
        return [one.largest(1)[0]["text"] for one in found]

    assert all(word in TOLD for word in first(trained))
    assert sum(word in TOLD for word in first(drawn)) < len(TEXTS)
    same = [torch.corrcoef(torch.tensor([next(iter(a.contributions.values())),
                                         next(iter(b.contributions.values()))]))[0, 1]
            for a, b in zip(trained, drawn, strict=True) if len(a.parts) > 2]  # fmt: skip
    assert torch.stack(same).abs().mean() < 0.8


def test_explanations_do_not_depend_on_the_batch_and_are_repeated(predictor):
    one, other = explained(predictor, TEXTS), explained(predictor, TEXTS, at_once=1)
    again = explained(predictor, TEXTS)
    for first, second, third in zip(one, other, again, strict=True):
        assert first == third
        assert first.parts == second.parts
        for name in first.scores:
            assert first.contributions[name] == pytest.approx(second.contributions[name], abs=1e-4)


def test_what_is_beyond_the_longest_input_counts_nothing(predictor):
    text = " ".join(["hammer", *["the"] * 300])
    (found,) = explained(predictor, [text])
    assert len(found.parts) <= MOST
    values = found.contributions["tool"]
    assert max(values) == values[0] > 0
    # In batches of other sizes a product of matrices has other last digits.
    assert all(abs(value) < 1e-5 for part, value in zip(found.parts, values, strict=True)
               if part.start > len("hammer") + 4 * 150)  # fmt: skip


@pytest.mark.parametrize("text", ["...", "robin"])
def test_short_texts(predictor, text):
    (found,) = explained(predictor, [text])
    assert [part.text for part in found.parts] == [text]


def test_an_actual_class_is_explained_beside_the_predicted_one(predictor):
    (found,) = explained(predictor, ["the old hammer"], also=[["bird"]])
    assert list(found.scores) == ["tool", "bird"]
    (against,) = found.largest(1, "bird")
    assert against["contribution"] < 0


def test_parts_of_a_text():
    def words(text, **kept):
        return [one.part.text for one in text_occlusions("t", text, **kept)]

    assert words("Don't pay 3€, now!") == ["Don't", "pay", "3", "€,", "now", "!"]
    assert words("") == words("  ") == words(None) == []
    assert words("今日は cold") == ["今", "日", "は", "cold"]
    assert words("who was it in May", kept=(8, 10)) == ["who", "was", "in", "May"]
    long = " ".join(map(str, range(1000)))
    assert len(words(long)) == MOST - 1
    assert " ".join(words(long)) == long
    kept = words(long, kept=(2000, 2003))
    assert not any(one.part.start < 2003 and one.part.end > 2000
                   for one in text_occlusions("t", long, (2000, 2003)))  # fmt: skip
    assert len(kept) <= MOST + 1
    (first, *_) = text_occlusions("t", "a b")
    assert first == Occlusion(RowPart("t", "a", 0, 1), {"t": " b"})


def test_log_odds_are_those_of_the_logits_however_sure_a_model_is():
    logits = torch.tensor([40.0, 0.0, -5.0])
    scores = dict(zip("abc", logits.softmax(-1).tolist(), strict=True))
    found = score_log_odds({"label": "a", "scores": scores})
    for place, name in enumerate("abc"):
        others = torch.cat([logits[:place], logits[place + 1 :]]).logsumexp(0)
        assert found[name] == pytest.approx(float(logits[place] - others), abs=1e-2)
    several = score_log_odds({"labels": ["a"], "scores": {"a": 0.9, "b": 0.1}})
    assert several["a"] == pytest.approx(math.log(9))
    assert score_log_odds({"value": 3}) == {"value": 3.0}
    assert score_log_odds({"answer": "x"}) == score_log_odds("x") == {}


def test_predictions_without_scores_are_refused_with_the_hook_that_is_missing(predictor):
    with pytest.raises(UserError, match="explained_scores"):
        require_explained(predictor.plugin, [{"summary": "x"}])
