"""method: head, from the command's door: exact, cached, pooled, or trained over features."""

from __future__ import annotations

import pytest
import torch
import transformers
from safetensors.torch import load_file
from text_rows import FILLERS, WORDS, sentences

import toolkit
from toolkit.errors import RecipeError

WORDS_ALL = [*FILLERS, *(word for group in WORDS.values() for word in group)]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS_ALL]
SMALL = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 70,
    "pad_token_id": 0,
}
CONFIGS = {
    "bert": transformers.BertConfig(**SMALL),
    "roberta": transformers.RobertaConfig(**SMALL),  # a dense layer and tanh before the logits
    "electra": transformers.ElectraConfig(**SMALL, embedding_size=32),  # the same with gelu
    "distilbert": transformers.DistilBertConfig(  # the same with relu, and other names
        vocab_size=len(VOCABULARY), dim=32, n_layers=2, n_heads=2, hidden_dim=64
    ),
    "modernbert": transformers.ModernBertConfig(**SMALL),  # norms come first
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    def make(name):
        folder = tmp_path_factory.mktemp(name)
        transformers.set_seed(0)
        transformers.AutoModel.from_config(CONFIGS[name]).save_pretrained(folder)
        vocabulary = {word: place for place, word in enumerate(VOCABULARY)}
        transformers.BertTokenizer(vocab=vocabulary, model_max_length=64).save_pretrained(folder)
        return folder

    return make


@pytest.fixture
def head(tmp_path, table, model):
    def go(name="bert", out="out", method=None, data=table, seed=None, **settings):
        return toolkit.run(
            "text-classification",
            data=data,
            model=model(name) if isinstance(name, str) else name,
            out=tmp_path / out,
            seed=seed,
            settings={
                "method": {"name": "head", **(method or {})},
                "training": {"num_train_epochs": 2},
                "report.metrics": ["accuracy"],
                **settings,
            },
        )

    return go


def weights(run):
    return load_file(run.path / "model" / "model.safetensors")


def test_the_encoder_stays_and_the_head_is_the_optimum(head, model):
    folder = model("bert")
    run = head(folder)
    before = load_file(folder / "model.safetensors")
    for name, tensor in weights(run).items():
        if "classifier" not in name:
            assert torch.equal(tensor, before[name.removeprefix("bert.")]), name
    assert run.status == "finished"
    assert run.record["method"]["head"] == "linear, exact optimum"
    assert run.record["speed"]["steps"] == 0
    other = head(folder, out="other", seed=99, **{"data.split.seed": run.record["seed"]})
    close = torch.allclose(
        weights(run)["classifier.weight"], weights(other)["classifier.weight"], atol=1e-3
    )
    assert close  # no seed in it: the head's random start is gone


def test_a_second_run_does_not_touch_the_encoder(head, model, monkeypatch):
    folder = model("bert")
    short = {"options.max_length": 40}  # not the inputs of another test
    first = head(folder, out="first", **short)
    assert first.record["method"]["features"] == "computed"

    def refuse(*_, **__):
        raise AssertionError("the encoder ran over rows whose features are kept")

    monkeypatch.setattr("toolkit.models.features._encode", refuse)
    second = head(folder, out="second", method={"C": [0.5]}, **short)
    assert second.record["method"]["features"] == "from the cache"
    assert second.record["method"]["C"] == 0.5
    with pytest.raises(AssertionError, match="features are kept"):
        head(folder, out="third", **{"options.max_length": 5})  # other inputs: other features


@pytest.mark.parametrize("name", ["bert", "roberta", "electra", "distilbert"])
def test_mean_pooling_is_built_into_a_plain_model(head, name):
    run = head(name, method={"pooling": "mean"})
    assert run.metrics["test"]["accuracy"]["value"] > 0.7
    assert run.record["reload"]["different"] == 0
    plain = transformers.AutoModelForSequenceClassification.from_pretrained(run.path / "model")
    assert plain.config.num_hidden_layers == 3
    tokenizer = transformers.AutoTokenizer.from_pretrained(run.path / "model")
    rows = [text for text, _ in sentences(8, seed=5)]
    with torch.inference_mode():
        logits = plain.eval()(**tokenizer(rows, padding=True, return_tensors="pt")).logits
    said = [plain.config.id2label[place] for place in logits.argmax(-1).tolist()]
    assert said == [p["label"] for p in run.predict([{"text": text} for text in rows])]


def test_a_model_that_cannot_hold_the_mean_is_told_so(head):
    with pytest.raises(RecipeError, match=r"method\.pooling: mean cannot be built.*pooling: model"):
        head("modernbert", method={"pooling": "mean"})


@pytest.mark.parametrize("name", ["roberta", "distilbert"])
def test_a_deeper_head_trains_on_features_as_on_the_frozen_model(head, model, name, monkeypatch):
    folder = model(name)
    settings = {"training": {"max_steps": 6, "learning_rate": 1e-2, "bf16": False}}
    # Dropout of the base model, which features are computed without, would tell them apart.
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, x: x)
    monkeypatch.setattr("toolkit.utils.hardware.bf16_supported", lambda: False)
    run = head(folder, **settings)
    assert run.record["method"]["head"] == "trained on features"
    assert run.record["speed"]["steps"] == 6
    monkeypatch.setattr("toolkit.models.feature_stand_in._only_states", lambda model, batch: False)
    whole = head(folder, out="whole", **settings)
    assert whole.record["method"]["features"].startswith("not kept")
    for tensor, other in zip(weights(run).values(), weights(whole).values(), strict=True):
        # Features are kept in bfloat16.
        assert torch.allclose(tensor, other, atol=2e-3)


def test_class_weights_move_the_optimum(head, tmp_path):
    rows = [(text, label) for text, label in sentences(300) if label != "bird"]
    rare = [row for row in rows if row[1] == "fruit"][:10]
    path = tmp_path / "skewed.csv"
    kept = [*rare, *(row for row in rows if row[1] != "fruit")]
    path.write_text("text,label\n" + "\n".join(f"{t},{label}" for t, label in kept) + "\n")
    shares = []
    for weights_ in (None, "balanced"):
        run = head(
            data=path,
            out=str(weights_),
            method={"C": [1.0]},  # the choice of a penalty would move the scores as well
            **{"options.class_weights": weights_},
        )
        said = run.predict([{"text": text} for text, _ in sentences(60, seed=9)])
        shares.append(sum(p["scores"]["fruit"] for p in said))
    assert shares[1] > 1.5 * shares[0]


def test_several_labels(head, tmp_path):
    import json

    path = tmp_path / "rows.jsonl"
    rows = [{"text": text, "label": [label]} for text, label in sentences(120)]
    path.write_text("\n".join(map(json.dumps, rows)))
    run = head(
        "bert",
        data=path,
        method={"pooling": "mean"},
        **{"options.multi_label": True, "report.metrics": ["f1_micro"],
           "data.split": {"test": 0.3, "stratify": False}},
    )  # fmt: skip
    assert run.metrics["test"]["f1_micro"]["value"] > 0.6


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"pooling": "max"}, "pooling"),
        ({"C": [0]}, "greater than 0"),
        ({"c": 1}, "Did you mean 'C'"),
    ],
)
def test_wrong_settings(head, method, message):
    with pytest.raises(RecipeError, match=message):
        head(method=method)
