"""Windows of documents, what is learned of their sentences, and what is chosen."""

import numpy as np
import pytest
import torch
from datasets import Dataset
from rouge_score.rouge_scorer import RougeScorer
from summary_rows import documents, tiny_reader
from toolkit_plugins.text.summarization import extracts, windows
from toolkit_plugins.text.summarization.baselines import Centroid, Lead, RandomSentences
from toolkit_plugins.text.summarization.reading import Layout
from toolkit_plugins.text.summarization.sentences import split
from toolkit_plugins.text.summarization.targets import gains
from transformers.modeling_outputs import TokenClassifierOutput

from toolkit.evaluation.padding import Padding
from toolkit.models import pretrained
from toolkit.plugin_types import BaselineData


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return pretrained.tokenizer(tiny_reader(tmp_path_factory.mktemp("model")))


LONG = " ".join(row["document"] for row in documents(40))
TEXTS = {
    "short": "The crow is here. A saw.",
    "long": LONG,
    "one endless sentence": " ".join(["crow"] * 300) + ". A saw.",
    "no token at all": "\u200b\u200b",
    "empty": "",
    "without spaces": "今日は晴れ。明日は雨。",
    "right to left": "هل وصل؟ نعم.",
}


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize(("limit", "overlap"), [(16, 4), (32, 100), (64, 0)])
def test_windows_hold_each_sentence_once(tokenizer, kind, limit, overlap):
    text = TEXTS[kind]
    found = list(windows.Windows(tokenizer, limit, overlap).of([text]))
    numbers = [number for window in found for number in window["sentences"]]
    with_tokens = [n for n, (a, b) in enumerate(split(text)) if tokenizer.tokenize(text[a:b])]
    assert numbers == with_tokens
    assert found
    for window in found:
        assert window["length"] == len(window["input_ids"]) <= limit
        pairs = list(zip(window["places"][::2], window["places"][1::2], strict=True))
        assert all(1 <= a < b < window["length"] for a, b in pairs)
        for number, (first, last) in zip(window["sentences"], pairs, strict=True):
            start, end = split(text)[number]
            whole = tokenizer(text[start:end], add_special_tokens=False)["input_ids"]
            assert window["input_ids"][first:last] == whole[: last - first]
            assert last - first == len(whole) or len(window["sentences"]) == 1
    if overlap and kind == "long":  # a later window begins with what it does not judge
        assert all(window["places"][0] > 1 for window in found[1:])


def test_a_sentence_has_the_same_score_in_a_batch_as_alone(tokenizer):
    parts = list(windows.Windows(tokenizer, 64, 0).of([LONG]))
    logits = torch.randn(len(parts), 64, 1, generator=torch.Generator().manual_seed(0))
    together = extracts.scores(TokenClassifierOutput(logits=logits), parts)
    for row, part in enumerate(parts):
        for number, score in together[row]:
            place = part["sentences"].index(number)
            first, last = part["places"][2 * place : 2 * place + 2]
            assert score == pytest.approx(float(logits[row, first:last, 0].mean()), abs=1e-5)


def test_the_loss_is_that_of_each_sentence():
    logits = torch.tensor([[[9.0], [1.0], [3.0], [-1.0]], [[0.0], [2.0], [0.0], [0.0]]])
    labels = torch.tensor([[1, 3, 5000, 3, 4, 0], [1, 2, 10000, -100, -100, -100]])
    scores, goals = torch.tensor([2.0, -1.0, 2.0]), torch.tensor([0.5, 0.0, 1.0])
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(scores, goals)
    assert float(windows.loss(TokenClassifierOutput(logits=logits), labels)) == pytest.approx(
        float(wanted)
    )
    halves = [
        float(windows.loss(TokenClassifierOutput(logits=logits[i : i + 1]), labels[i : i + 1],
                           torch.tensor(9)))
        for i in (0, 1)
    ]  # fmt: skip
    assert sum(halves) == pytest.approx(float(wanted))
    nothing = windows.loss(TokenClassifierOutput(logits=logits), torch.full((2, 3), -100))
    assert float(nothing) == 0


@pytest.mark.parametrize("sentences", [1, 2, 3, 5, 8])
def test_the_loss_is_the_same_however_batches_are_padded(sentences):
    fillers = {"input_ids": 0, "labels": windows.IGNORED}
    most, one = ([n for k in range(count) for n in (k + 1, k + 2, 7000 - 900 * k)]
                 for count in (sentences, 1))  # fmt: skip
    rows = [{"input_ids": [9] * (sentences + 2), "labels": most},
            {"input_ids": [7] * 3, "labels": one}]  # fmt: skip
    found = []
    for step in (1, 8):  # the steps of the processor, and of GPUs
        batch = windows.Collator(Padding(fillers, step))(rows)
        logits = batch["input_ids"].float().sin() + torch.arange(batch["input_ids"].shape[1]) / 5
        outputs = TokenClassifierOutput(logits=logits[..., None])
        found.append(float(windows.loss(outputs, batch["labels"])))
    assert found[0] == pytest.approx(found[1])


def test_targets_are_what_sentences_add():
    sentences = ["The crow sings.", "A red saw and a drill.", "The crow sings.", "Nothing new."]
    target, chosen = gains(sentences, ["the crow sings and a red saw"], 3, "english")
    assert chosen == [1, 0]  # the third says nothing new
    assert sum(target) == pytest.approx(1)
    assert min(target[0], target[1]) > target[3]
    assert gains(sentences, [], 3, "english") == ([0.0] * 4, [])
    assert gains([], ["a"], 3, "english") == ([], [])
    one, _ = gains(sentences, ["a red hat", "nothing new"], 1, "english")
    assert one.index(max(one)) == 3  # of several references the best counts


def test_the_number_of_sentences_is_the_one_that_scores_best():
    texts = ["The crow sings. A red saw. An old drill. It rains."] * 3
    golds = [["the crow sings and an old drill"]] * 3
    predictions = [{"ranked": [2, 0, 1, 3]}, {"ranked": [0, 2, 1]}, {"ranked": [0, 2]}]
    count = extracts.best_count(predictions, texts, golds, "english")
    scorer = RougeScorer(["rouge1"], use_stemmer=True)

    def score(number):
        total = 0
        for prediction, text, (gold,) in zip(predictions, texts, golds, strict=True):
            spans = split(text)
            chosen = " ".join(text[slice(*spans[n])] for n in prediction["ranked"][:number])
            total += scorer.score(gold, chosen)["rouge1"].fmeasure
        return total

    assert count == max(range(1, 5), key=score) == 2


def test_baselines_are_held_to_copies_as_models_are():
    layout = Layout("document", "summary", "references")
    texts = ["The crow is here.", "The crow is here. It sings."]
    rows = Dataset.from_dict({"document": texts, "summary": ["Bird.", "Bird."]})
    data = BaselineData(rows, rows, rows, rows, np.arange(2), np.arange(2))
    for baseline in (Lead(layout, 1), Centroid(layout, 1), RandomSentences(layout, 1, 0)):
        found = baseline.run(data, 10).predictions
        assert [one.get("copied", False) for one in found] == [True, False]


def test_extracts_are_in_the_order_of_the_document():
    text = "One. Two\nthree. Four."
    found = extracts.extract(text, split(text), [(2, 0.9), (0, 0.7), (1, 0.4)], 2)
    assert found["summary"] == "One.\nFour."
    assert found["margin"] == pytest.approx(0.3)
    assert [text[s["start"] : s["end"]] for s in found["sentences"]] == ["One.", "Four."]
    assert extracts.extract("", [], [], 2) == {"summary": "", "sentences": [], "margin": 1.0}
    other = extracts.extract(text, split(text), [(2, 0.9), (1, 0.5), (0, 0.4)], 2)
    assert not extracts.same(found, other, 0.001)
    assert extracts.same(found, {**other, "margin": 0.0005}, 0.001)
    assert not extracts.same(found, {**found, "sentences": [{"score": 0.1}] * 2}, 0.001)
