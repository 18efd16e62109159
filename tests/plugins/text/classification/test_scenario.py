"""Text classification: several labels, pairs of texts, decoders, and classes that train lacks."""

from __future__ import annotations

import json

import pytest
from finished import TEXTS as QUICK
from text_rows import csv_of, sentences

import toolkit
from toolkit.errors import RecipeError


def test_several_labels_with_pairs_and_weights(tmp_path, tiny_model):
    rows = []
    for (one, a), (two, b) in zip(sentences(120, 1), sentences(120, 2), strict=True):
        rows.append({"first": one, "second": two, "topics": sorted({a, b})})
    rows[5]["topics"] = []
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    run = toolkit.run(
        "text-classification",
        data=path,
        model=tiny_model,
        out=tmp_path / "out",
        settings={
            **QUICK,
            "options": {
                "text": "first",
                "text_pair": "second",
                "label": "topics",
                "multi_label": True,
                "class_weights": "balanced",
            },
            "data.split.stratify": False,
            "report.metrics": ["f1_micro", "f1_macro", "average_precision", "roc_auc"],
        },
    )
    assert run.status == "finished"
    assert run.metrics["test"]["f1_micro"]["value"] > 0.6
    with (run.path / "predictions.jsonl").open(encoding="utf-8") as file:
        line = json.loads(next(file))
    assert set(line["prediction"]) == {"labels", "scores"}
    assert isinstance(line["reference"], list)


def test_a_decoder_without_pad_token(tmp_path, table, tiny_model):
    import transformers

    folder = tmp_path / "decoder"
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, eos_token="[SEP]", unk_token="[UNK]"
    )
    assert tokenizer.pad_token is None
    tokenizer.save_pretrained(folder)
    transformers.set_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2, n_positions=64
    )
    transformers.GPT2Model(config).save_pretrained(folder)
    run = toolkit.run(
        "text-classification",
        data=table,
        model=folder,
        out=tmp_path / "out",
        settings={**QUICK, "training.max_steps": 20},
    )
    assert run.status == "finished"


def test_a_class_that_train_lacks_is_counted_as_wrong(tmp_path, tiny_model):
    rows = sentences(80)
    (tmp_path / "train.csv").write_text("text,label\n" + "\n".join(map(",".join, rows[:60])))
    odd = [*rows[60:], ("one old thing", "mineral")]
    (tmp_path / "test.csv").write_text("text,label\n" + "\n".join(map(",".join, odd)))
    run = toolkit.run(
        "text-classification",
        data=tmp_path,
        model=tiny_model,
        out=tmp_path / "out",
        settings={**QUICK, "training.max_steps": 2},
    )
    assert any("'mineral' (1)" in note for note in run.record["data"]["notes"])
    assert run.metrics["test"]["log_loss"]["left_out"] == 1
    told = "1 test rows of classes that training lacks are not in log loss"
    for page in ("README.md", "report.html"):
        assert told in (tmp_path / "out" / page).read_text()


def test_texts_that_are_cut_are_counted_and_told(tmp_path, tiny_model):
    rows = sentences(60)
    lines = [f"{'is here ' * (20 * (n % 3 == 0))}{text},{label}"
             for n, (text, label) in enumerate(rows)]  # fmt: skip
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *lines]))
    settings = {**QUICK, "options.max_length": 16, "training.max_steps": 1}
    run = toolkit.run("text-classification", data=tmp_path / "rows.csv", model=tiny_model,
                      out=tmp_path / "run", settings=settings)  # fmt: skip
    notes = [note for note in run.record["data"]["notes"] if "tokens and are cut" in note]
    counts = [int(note.split(": ")[1].split(" of ")[0]) for note in notes]
    assert sum(counts) == 20
    assert "longer than 16 tokens" in notes[0]
    assert "the baseline on TF-IDF reads them whole" in notes[0]
    for page in ("README.md", "report.html"):
        assert "longer than 16 tokens" in (run.path / page).read_text(encoding="utf-8")


def test_the_positive_one_of_two_classes_is_chosen(tmp_path, tiny_model):
    rows = [(text, label) for text, label in sentences(240) if label != "tool"]
    path = tmp_path / "rows.csv"
    path.write_text(csv_of(rows))
    more = {"training.num_train_epochs": 1, "report.metrics": ["recall", "roc_auc"]}
    asked = {"data": path, "model": tiny_model}
    made = {}
    for positive in ("bird", None):
        settings = {**QUICK, **more, "options.positive": positive}
        run = toolkit.run("text-classification", **asked, out=tmp_path / str(positive),
                          settings=settings)  # fmt: skip
        lines = (run.path / "predictions.jsonl").read_text().splitlines()
        pairs = [(one["reference"], one["prediction"]["label"]) for one in map(json.loads, lines)]
        own = [label for actual, label in pairs if actual == (positive or "fruit")]
        recall = own.count(positive or "fruit") / len(own)
        assert run.metrics["test"]["recall"]["value"] == pytest.approx(recall)
        made[positive] = run
    assert made["bird"].record["positive"] == "bird"
    assert "ROC of “bird”" in made["bird"].report.read_text(encoding="utf-8")
    assert "ROC of “fruit”" in made[None].report.read_text(encoding="utf-8")

    for options, message in (
        ({"positive": "brid"}, r"positive: is 'brid'. Did you mean 'bird'\? Classes: bird, fruit"),
        (
            {"positive": "bird", "multi_label": True, "label_separator": ";"},
            "is for one label per row",
        ),
    ):
        settings = {f"options.{name}": value for name, value in options.items()}
        with pytest.raises(RecipeError, match=message):
            toolkit.run("text-classification", **asked, out=tmp_path / "no", settings=settings)
    path.write_text(csv_of(sentences(120)))
    with pytest.raises(RecipeError, match="positive: is for two classes, and there are 3"):
        toolkit.run("text-classification", **asked, out=tmp_path / "no",
                    settings={"options.positive": "bird"})  # fmt: skip
