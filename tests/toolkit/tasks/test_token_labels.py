"""Labelled spans for any plugin: targets of words, loss, and what is decoded of windows."""

from __future__ import annotations

from types import SimpleNamespace

import datasets
import numpy as np
import pytest
import torch
from entity_rows import as_spans, sentences, tiny_tagger
from toolkit_plugins.text.token_classification.options import EntityOptions
from walkthrough import page_file

import toolkit
from toolkit.tasks import token_labels, word_spans
from toolkit.tasks.token_labels import KeptWords
from toolkit.tasks.word_spans import entities_of, words_touched

TEXT = "abc de, fgh"
WORDS = [(0, 3), (4, 6), (6, 7), (8, 11)]


@pytest.mark.parametrize(
    ("entities", "expected"),
    [
        ([(0, 3, "x")], [(0, 1, "x")]),
        ([(1, 5, "x")], [(0, 2, "x")]),  # within words: widened
        ([(3, 4, "x")], []),  # a blank
        ([(0, 5, "x"), (5, 7, "y")], [(0, 2, "x"), (2, 3, "y")]),  # "de" is the first's
        ([(4, 5, "x"), (5, 6, "y")], [(1, 2, "x")]),
        ([(8, 11, "y"), (0, 3, "x")], [(0, 1, "x"), (3, 4, "y")]),
    ],
)
def test_entities_are_widened_to_the_words_that_they_touch(entities, expected):
    rows = [{"start": start, "end": end, "label": label} for start, end, label in entities]
    assert words_touched(WORDS, rows) == expected


def test_entities_have_the_text_between_their_words_and_a_mean_score():
    (found,) = entities_of(TEXT, WORDS, [(1, 4, "x")], np.array([0, 0.5, 0.7, 0.9]))
    assert found.pop("score") == pytest.approx(0.7)
    assert found == {"start": 4, "end": 11, "text": "de, fgh", "label": "x"}


def test_the_loss_is_a_mean_over_all_labelled_tokens_of_a_step():
    torch.manual_seed(0)
    logits, labels = torch.randn(4, 6, 3), torch.full((4, 6), -100)
    labels[0, 1], labels[1, :3], labels[3, 5] = 2, 1, 0
    measure = token_labels._loss
    own = token_labels.cross_entropy(None, 0.1)
    whole = measure(own, SimpleNamespace(logits=logits), labels)
    parts = [
        measure(own, SimpleNamespace(logits=logits[part]), labels[part], torch.tensor(5))
        for part in (slice(0, 1), slice(1, 4))
    ]
    assert float(sum(parts)) == pytest.approx(float(whole))
    expected = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), label_smoothing=0.1
    )
    assert float(whole) == pytest.approx(float(expected))
    assert float(measure(own, SimpleNamespace(logits=logits[2:3]), labels[2:3])) == 0


def test_words_keep_the_scores_of_their_own_token_alone():
    plugin = token_labels.TokenLabelsPlugin
    logits = torch.zeros(1, 5, 3)
    logits[0, 2, 1] = 5.0
    (kept,) = plugin.reduce_chunk(
        None, SimpleNamespace(logits=logits), [{"places": [1, -1, 2, 2], "words": [4, 5, 6, 7]}]
    )
    assert isinstance(kept, KeptWords)
    assert kept.words == [4, 6]
    assert kept.sharing == [7]
    assert np.exp(kept.scores[1]).argmax() == 1
    assert np.exp(kept.scores).sum(1) == pytest.approx([1, 1])


@pytest.mark.slow
def test_the_plugin_for_mentions_of_the_page(scenario, shared, tmp_path):
    code = page_file("docs/plugins/tasks.md", "mentions.py")
    rows = [{"text": one["text"], "mentions": one["entities"]}
            for one in map(as_spans, sentences(280))]  # fmt: skip
    model = str(shared("tiny-tagger", tiny_tagger))
    training = {"num_train_epochs": 12, "learning_rate": 5e-3, "per_device_train_batch_size": 16}
    recipe = scenario("mentions", code, "Mentions", rows, model=model, training=training)
    run = toolkit.run(recipe, out=tmp_path / "run")
    assert run.metrics["test"]["entity_f1"]["value"] > 0.8
    assert run.record["reload"]["different"] == 0
    (found,) = run.predict([{"text": "saw Anna Stone, and it went to Kirkby"}])
    assert {one["text"]: one["label"] for one in found["entities"]}["Anna Stone"] == "PER"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a_b, e-mail", ["a_b", ",", "e", "-", "mail"]),
        ("Cafe\u0301 x", ["Cafe\u0301", "x"]),  # decomposed: a mark belongs to its letter
        ("\u0928\u092e\u0938\u094d\u0924\u0947 x", ["\u0928\u092e\u0938\u094d\u0924\u0947", "x"]),
        ("\u6771\u4eac", ["\u6771", "\u4eac"]),  # written without spaces
        (None, []),
    ],
)
def test_a_plugin_that_does_not_say_what_words_are_has_those_of_any_script(text, words):
    class Strangers(token_labels.TokenLabelsPlugin[EntityOptions]):
        Options = EntityOptions

        def load_model(self):
            raise NotImplementedError

    plugin = Strangers()
    plugin.options = EntityOptions()
    found = plugin.words_of({"text": text})
    assert [text[start:end] for start, end in found] == words


def test_entities_without_words_and_too_many_mentions_are_told(monkeypatch):
    monkeypatch.setattr(word_spans, "MOST_MENTIONS", 1)
    entities = [
        {"start": a, "end": b, "label": "x", "text": TEXT[a:b]} for a, b in ((0, 3), (3, 4))
    ]
    rows = datasets.Dataset.from_list([{"text": TEXT, "entities": entities}])
    found = word_spans.Found.of(rows, lambda _: WORDS, lambda rows: list(rows))
    assert found.known is None
    assert list(found.in_words("train", ["x"], None)) == [
        "train: 1 entities begin or end within a word: the model learns whole words, and cannot "
        "get these right",
        "train: 1 entities touch no word, or only words of others: not learned",
        "train: 2 different mentions, above the 1 that are kept: unseen_entity_f1 is unknown",
    ]
    assert not [line for line in found.in_words("test", ["x"], None) if "mentions" in line]
