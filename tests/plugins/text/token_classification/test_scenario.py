"""The scenario from end to end: learned, scored as by seqeval, saved, reloaded; its faults."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest
import torch
import transformers
from entity_rows import as_spans, sentences, tiny_tagger, unspaced, unspaced_tagger, written
from seqeval import metrics as seqeval
from seqeval.scheme import IOB2

from toolkit.cli.main import outcome
from toolkit.deployment.serving.fields import Fields
from toolkit.deployment.serving.samples import samples
from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import prepare
from toolkit.runs.predictor import plugin_of

RECIPE = "token-classification/wnut17"


@pytest.fixture(scope="module")
def run(finished):
    return finished("token-classification")


@pytest.fixture(scope="module")
def model(shared):
    return shared("tiny-tagger", tiny_tagger)


def lines(run, name="predictions.jsonl"):
    return [json.loads(line) for line in (run.path / name).read_text().splitlines()]


def job(data, model, **settings):
    given = {"data.source": str(data), "model": str(model), "data.split": {}, **settings}
    return prepare(find_recipe(RECIPE, [(tuple(k.split(".")), v) for k, v in given.items()]))


def test_a_tiny_model_learns_to_find_names(run):
    scores = {name: score["value"] for name, score in run.metrics["test"].items()}
    assert run.record["headline"]["metric"] == "entity_f1"
    assert scores["entity_f1"] > 0.8
    assert {"unseen_entity_f1", "boundary_error_share", "type_error_share"} <= scores.keys()
    assert run.record["reload"]["different"] == 0
    assert run.metrics["test"]["entity_f1"]["low"] < scores["entity_f1"]


def test_scores_are_those_of_seqeval_on_the_saved_predictions(run):
    rows = lines(run)
    actual = [row["reference"]["tags"] for row in rows]
    predicted = [row["prediction"]["tags"] for row in rows]
    for name in ("f1", "precision", "recall"):
        expected = getattr(seqeval, f"{name}_score")(actual, predicted, mode="strict", scheme=IOB2)
        assert run.metrics["test"][f"entity_{name}"]["value"] == pytest.approx(expected)


def test_predictions_are_spans_of_the_text_and_tags_of_its_words(run):
    text = "the carla stone went to Mill town and it"
    (found,) = run.predict([{"text": text}])
    assert len(found["tags"]) == len(text.split())
    assert found.keys() == {"entities", "tags", "confidence"}
    assert {one["text"]: one["label"] for one in found["entities"]} == {
        "Mill town": "LOC", "carla stone": "PER",
    }  # fmt: skip
    for one in found["entities"]:
        assert text[one["start"] : one["end"]] == one["text"]
        assert 0 < one["score"] <= 1
    assert 0 < found["confidence"] <= 1


def test_odd_texts_are_predicted(run):
    texts = ["", " ", "\u200b", "\U0001f600 " * 40, "anna " * 500, "went to kirkby\r\n\tand"]
    for text, found in zip(texts, run.predict([{"text": t} for t in texts]), strict=True):
        assert all(text[e["start"] : e["end"]] == e["text"] != "" for e in found["entities"])
    (long,) = run.predict([{"text": "went to kirkby . " * 300}])
    assert len(long["entities"]) > 240


def test_the_page_to_try_it_says_what_is_true_of_a_row(run):
    found = samples(run, Fields(plugin_of(run.path)))
    assert len(found) >= 3
    assert all(one.actual.startswith("entities: ") and "(PER)" in one.actual for one in found)


def test_words_around_an_entity_explain_it(run):
    row = {"tokens": ["the", "carla", "went", "to", "kirkby", "and"], "text": "the carla went to "
           "kirkby and"}  # fmt: skip
    (found,) = run.explain([row], top=100)
    best = max(found["prediction"]["entities"], key=lambda one: one["score"])
    parts = found["explanation"]
    assert {part["of"] for part in parts} == {f"{best['text']} ({best['label']})"}
    assert best["text"] not in {part["text"] for part in parts}
    assert any(abs(part["contribution"]) > 0.01 for part in parts)


def test_spans_are_learned_as_tags_are(tmp_path, model):
    rows = sentences(40)
    one = job(written(tmp_path / "tags.jsonl", rows), model).prepared["train"]
    spans = written(tmp_path / "spans.jsonl", [as_spans(row) for row in rows])
    other = job(spans, model).prepared["train"]
    for column in ("input_ids", "labels", "places"):
        assert one[column] == other[column], column


@pytest.mark.parametrize(
    "tokens",
    [
        ["carla", ",", "went", "\u0120to", "kirkby"],  # of another text, or of a model
        [{"text": "carla", "start": 0, "end": 5, "id": 0}],  # Prodigy, Doc.to_json()
        "carla|,|went",
    ],
)
def test_words_beside_a_text_with_spans_are_not_read(tmp_path, model, tokens):
    row = {"text": "carla, who went", "entities": [{"start": 0, "end": 5, "label": "PER"}]}
    rows = [{**row, "text": f"{row['text']} {n}", "tokens": tokens} for n in range(40)]
    found = job(written(tmp_path / "rows.jsonl", rows), model)
    for one in found.loaded.splits["train"]:
        words = [one["text"][start:end] for start, end in found.plugin.words_of(one)]
        assert words == ["carla", ",", "who", "went", one["text"].split()[-1]]
    assert found.prepared["train"].num_rows


@pytest.mark.parametrize(
    ("document", "kept"),
    [(str, True), (int, True), (lambda n: {"id": n}, False), (lambda n: [n], False)],
)
def test_documents_are_named_by_texts_or_numbers(tmp_path, model, document, kept):
    rows = [{**row, "document": document(n // 4)} for n, row in enumerate(sentences(40))]
    found = job(written(tmp_path / "rows.jsonl", rows), model)
    assert bool(found.plugin.clusters()) is kept


def test_labels_stand_on_the_first_token_of_each_word(tmp_path, model):
    found = job(written(tmp_path / "rows.jsonl", sentences(40)), model)
    tokenizer, tags = found.plugin.processor, found.plugin.tags
    for row, raw in zip(found.prepared["train"], found.loaded.splits["train"], strict=True):
        told = [tags[label] for label in row["labels"] if label >= 0]
        assert told == raw["tags"]
        first = [tokenizer.convert_ids_to_tokens(row["input_ids"][n]) for n in row["places"]]
        assert not any(token.startswith("##") for token in first)


def test_entities_of_characters_that_share_a_token_are_learned_and_found(tmp_path, shared):
    rows, model = unspaced(40), shared("unspaced-tagger", unspaced_tagger)
    found = job(written(tmp_path / "rows.jsonl", rows), model)
    raw, plugin = found.loaded.splits["train"], found.plugin
    told = []
    for window in found.prepared["train"]:
        assert len(set(window["places"])) < len(window["places"])
        logits = torch.eye(len(plugin.tags))[torch.tensor(window["labels"]).clamp(min=0)]
        outputs = SimpleNamespace(logits=99 * logits[None])
        told.append(plugin.reduce_chunk(outputs, [window]))
    for row, one in zip(
        plugin.references(raw.to_list()), plugin.decode(told, raw, []), strict=True
    ):
        assert one["tags"] == row["tags"]
        entities = [{k: v for k, v in e.items() if k != "score"} for e in one["entities"]]
        assert entities == row["entities"]
    notes = " ".join(found.loaded.notes)
    assert re.search(r"train: \d+ of \d+ words share the token of the word before them", notes)
    assert "have no token" not in notes


def test_what_does_not_fit_the_words_or_train_is_told(tmp_path, model):
    rows = [as_spans(row) for row in sentences(40)]
    entity = rows[0]["entities"][0]
    entity["end"] -= 1
    (tmp_path / "in").mkdir()
    written(tmp_path / "in" / "train.jsonl", rows[:30])
    rows[30]["entities"][0]["label"] = "GPE"
    written(tmp_path / "in" / "test.jsonl", rows[30:])
    found = job(tmp_path / "in", model)
    notes = " ".join(found.loaded.notes)
    assert "1 entities begin or end within a word" in notes
    assert "test: labels that train lacks, and no prediction has: GPE (1)" in notes


def test_a_model_that_has_the_same_tags_keeps_its_order(tmp_path, model):
    tags = ["I-PER", "B-PER", "O", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]
    tagger = transformers.AutoModelForTokenClassification.from_pretrained(
        model, num_labels=7, id2label=dict(enumerate(tags))
    )
    tagger.save_pretrained(tmp_path / "tagger")
    transformers.AutoTokenizer.from_pretrained(model).save_pretrained(tmp_path / "tagger")
    found = job(written(tmp_path / "rows.jsonl", sentences(40)), tmp_path / "tagger")
    assert found.plugin.tags == tags
    assert found.plugin.model.classifier.weight.equal(tagger.classifier.weight)


@pytest.mark.parametrize(
    "name", ["default", "wnut17", "conll2003", "snips-slots", "character-spans"]
)
def test_other_data_are_not_described_as_those_of_the_recipe(tmp_path, name):
    data = (("data", "source"), str(tmp_path))
    assert find_recipe(f"token-classification/{name}").values["description"]
    assert "description" not in find_recipe(f"token-classification/{name}", [data]).values


@pytest.mark.parametrize(
    ("row", "settings", "message"),
    [
        ({"text": "a b", "entities": []}, [], "the training rows have no entity"),
        ({"text": "a b", "entities": [{"start": 0, "end": 1, "label": "X"}]},
         ["report.metrics=[entity_f]"], "there is no metric 'entity_f'. Did you mean 'entity_f1'"),
        ({"text": "a b", "entities": [{"start": 0, "end": 1, "label": "X"}]},
         ["options.max_length=4"], "options.max_length"),
        ({"text": "a b", "entities": [{"start": 0, "end": 1, "label": "X"}]},
         ["options.text=body"], "options.text: there is no column with the text ('body')"),
        ({"text": "a b", "entities": [{"start": 0, "end": 1, "label": "X"}]},
         ["options.entities=names"], "options.entities: there is no column with the entities"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_training(tmp_path, model, capsys, row, settings, message):
    data = written(tmp_path / "rows.jsonl", [{**row, "text": f"a b {n}"} for n in range(40)])
    arguments = [part for text in settings for part in ("--set", text)]
    done = outcome(["check", RECIPE, "--data", str(data), "--model", str(model), *arguments])
    assert done == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_tokenizer_without_places_is_refused(tmp_path, capsys):
    transformers.CanineTokenizer().save_pretrained(tmp_path / "slow")
    config = transformers.CanineConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                                       intermediate_size=16)  # fmt: skip
    transformers.CanineModel(config).save_pretrained(tmp_path / "slow")
    data = written(tmp_path / "rows.jsonl", sentences(40))
    assert outcome(["check", RECIPE, "--data", str(data), "--model", str(tmp_path / "slow")]) == 2
    assert "choose a model with a fast tokenizer" in " ".join(capsys.readouterr().err.split())
