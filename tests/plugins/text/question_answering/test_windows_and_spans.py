"""Long contexts in windows, and the best spans over all of them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from toolkit_plugins.text.question_answering import spans
from toolkit_plugins.text.question_answering.answers import Place
from toolkit_plugins.text.question_answering.windows import IGNORED, Windows

from toolkit.evaluation.padding import Collator, Padding


@pytest.fixture(scope="module")
def tokenizer(qa_model):
    return transformers.AutoTokenizer.from_pretrained(qa_model)


def cut(tokenizer, question, context, places=None, limit=24, stride=6):
    windows = Windows.fitting(tokenizer, limit, stride, 8)
    return list(windows.of([question], [context], None if places is None else [places]))


@given(count=st.integers(1, 90), limit=st.integers(16, 40), stride=st.integers(0, 30))
@settings(max_examples=40, deadline=None)
def test_each_token_of_the_context_is_owned_once(tokenizer, count, limit, stride):
    context = " ".join(["red", "cup", "old"] * 30)[: 4 * count]
    found = cut(tokenizer, "what is red ?", context, limit=limit, stride=stride)
    owned = [
        (start, end)
        for window in found
        for start, end in zip(window["token_starts"], window["token_ends"], strict=True)
    ]
    own = []
    for window in found:
        assert len(window["input_ids"]) == window["length"] <= limit
        place = slice(*window["own"])
        own += zip(window["token_starts"][place], window["token_ends"][place], strict=True)
    assert own == sorted(set(owned))


@pytest.mark.parametrize("answer", ["red", "red cup", "old", "white"])
def test_labels_are_the_answers_tokens_in_every_window_that_holds_it(tokenizer, answer):
    context = "the old hat is red . " + "a " * 30 + answer + " " + "b " * 30
    start = context.rindex(f" {answer} ") + 1
    place = Place(start, start + len(answer), "right")
    found = cut(tokenizer, "what ?", context, [place])
    hits = 0
    for window in found:
        begin, end, first, last, nothing = window["labels"]
        assert (first, nothing) == (window["first"], 0)
        assert last - first == len(window["token_starts"])
        if (begin, end) != (0, 0):
            hits += 1
            span = window["token_starts"][begin - first], window["token_ends"][end - first]
            assert context[slice(*span)] == answer
    assert len(found) > 3
    assert hits >= 1


def test_a_row_without_answer_points_to_none_and_one_that_is_lost_counts_nowhere(tokenizer):
    (window,) = cut(tokenizer, "what ?", "the hat is red .", [])
    assert window["labels"][:2] == [0, 0]
    (window,) = cut(tokenizer, "what ?", "the hat is red .", [Place(0, 0, "not found")])
    assert window["labels"] == [IGNORED] * 5


def test_a_long_question_leaves_half_of_the_window_to_the_context(tokenizer):
    found = cut(tokenizer, "what " * 500, "the hat is red . " * 20)
    assert all(len(window["token_starts"]) >= 10 for window in found[:-1])


def test_an_empty_context_has_one_window_and_no_answer(tokenizer):
    (window,) = cut(tokenizer, "what ?", "")
    assert window["own"] == [0, 0]
    logits = torch.zeros(1, window["length"])
    kept = spans.best(SimpleNamespace(start_logits=logits, end_logits=logits), [window], 5, 3)
    found = spans.answer(kept, "", 3, threshold=1.0)
    assert (found["answer"], found["start"], found["n_best"]) == ("", None, [])
    assert found["score"] == 1.0


ODD = "Caf\u00e9\r\n\U0001f600 ein\u0308 red\u200b cup \u6771\u4eac"


@given(st.text(alphabet="ab\u00e9\u0308\U0001f600 \r\n\t.\u6771\u200b\u0130\ufdfa", max_size=60))
@settings(max_examples=60, deadline=None)
def test_answers_are_verbatim_whatever_the_text(tokenizer, context):
    windows = cut(tokenizer, "what ?", ODD + context)
    random = torch.Generator().manual_seed(len(context))
    width = max(window["length"] for window in windows)
    start, end = torch.randn((2, len(windows), width), generator=random)
    kept = spans.best(SimpleNamespace(start_logits=start, end_logits=end), windows, 5, 8)
    found = spans.answer(kept, ODD + context, 8, threshold=1.0)
    assert (
        found["answer"] == (ODD + context)[found["start"] : found["end"]] == found["answer"].strip()
    )
    scores = [one["score"] for one in found["n_best"]]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) <= 1 + 1e-6
    assert len({(one["start"], one["end"]) for one in found["n_best"]}) == len(scores)
    for one in found["n_best"]:
        assert one["text"] == (ODD + context)[one["start"] : one["end"]]


def test_the_best_spans_are_those_of_a_plain_search(tokenizer):
    context = "the old hat is red . the new cup is blue and it was green . " * 3
    windows = cut(tokenizer, "what ?", context)
    width, longest, count = max(window["length"] for window in windows), 4, 6
    random = torch.Generator().manual_seed(0)
    start, end = torch.randn((2, len(windows), width), generator=random)
    kept = spans.best(SimpleNamespace(start_logits=start, end_logits=end), windows, longest, count)
    found = spans.answer(kept, context, count, threshold=1.0)
    plain = []
    for number, window in enumerate(windows):
        for i in range(*window["own"]):
            for j in range(i, min(i + longest, len(window["token_starts"]))):
                score = start[number, window["first"] + i] + end[number, window["first"] + j]
                plain.append((float(score), window["token_starts"][i], window["token_ends"][j]))
    plain.sort(reverse=True)
    nothing = min(float(start[n, 0] + end[n, 0]) for n in range(len(windows)))
    total = np.logaddexp.reduce([nothing, *(score for score, *_ in plain)])
    assert len(windows) > 2
    for one, (score, begin, last) in zip(found["n_best"], plain, strict=False):
        assert (one["start"], one["end"]) == (begin, last)
        assert one["score"] == pytest.approx(np.exp(score - total), rel=1e-4)
    odds = np.exp(nothing - plain[0][0])
    assert found["no_answer_score"] == pytest.approx(odds / (1 + odds), rel=1e-4)
    silent = spans.answer(kept, context, count, threshold=found["no_answer_score"] - 1e-6)
    assert (silent["answer"], silent["start"]) == ("", None)
    assert silent["n_best"] == found["n_best"]


def test_the_loss_does_not_hang_on_padding_nor_on_how_a_batch_is_cut():
    random = torch.Generator().manual_seed(0)
    labels = torch.tensor([[4, 5, 3, 8, 0], [0, 0, 3, 6, 0], [IGNORED] * 5, [3, 3, 3, 4, 0]])
    start, end = torch.randn((2, 4, 8), generator=random)

    def loss(rows, width, count=None):
        outputs = SimpleNamespace(start_logits=start[rows, :width], end_logits=end[rows, :width])
        return float(spans.loss(outputs, labels[rows], count))

    whole = loss([0, 1, 2, 3], 8)
    # By hand: cross-entropy among the context's tokens and the place of no answer.
    parts = []
    for row in (0, 1, 3):
        begin, last, first, end_, nothing = labels[row].tolist()
        open_ = [nothing, *range(first, end_)]
        for logits, label in ((start[row], begin), (end[row], last)):
            parts.append(float(torch.logsumexp(logits[open_], 0) - logits[label]))
    assert whole == pytest.approx(sum(parts) / 6, rel=1e-5)
    assert loss([1], 6) == pytest.approx(loss([1], 8))
    # Accumulated: parts of a step, each divided by the labels of the whole step.
    assert loss([0, 1], 8, 15) + loss([2, 3], 8, 15) == pytest.approx(whole, rel=1e-5)
    assert loss([2], 8) == 0.0


def test_a_batch_is_padded_on_its_right():
    rows = [{"input_ids": [5, 6], "attention_mask": [1, 1], "labels": [1] * 5, "feature": 3},
            {"input_ids": [7], "attention_mask": [1], "labels": [2] * 5, "feature": 4}]  # fmt: skip
    batch = Collator(Padding({"input_ids": 9, "attention_mask": 0}, step=4))(rows)
    assert batch["input_ids"].tolist() == [[5, 6, 9, 9], [7, 9, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0, 0], [1, 0, 0, 0]]
    assert batch["labels"].shape == (2, 5)
    assert batch["feature"].tolist() == [3, 4]
