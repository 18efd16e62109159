"""The Trainer as it is assembled: settings, precision, loss scaling, early stopping."""

from __future__ import annotations

import pytest
import torch
import transformers
from text_rows import sentences

import toolkit
from toolkit.errors import RecipeError
from toolkit.models.methods import get_method
from toolkit.recipe.library import find_recipe
from toolkit.runner.fit import make_trainer
from toolkit.runner.prepare import prepare
from toolkit.runs.writer import RunWriter
from toolkit.training.arguments import honours_item_count
from toolkit.training.sampler import LengthGroupedBatches
from toolkit.training.train import train
from toolkit.training.trainer import scale_groups
from toolkit.utils.hardware import bf16_supported

TWELVE = {
    "weight_decay": 0.1,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 2,
    "label_smoothing_factor": 0.1,
    "neftune_noise_alpha": 5,
    "max_grad_norm": 0.5,
    "adam_beta2": 0.95,
    "optim": "adafactor",
    "gradient_accumulation_steps": 2,
    "activation_checkpointing": True,
    "eval_strategy": "steps",
    "eval_steps": 2,
    "dataloader_drop_last": True,
    "train_sampling_strategy": "random",
}


@pytest.fixture
def run(tmp_path, table, tiny_model):
    def go(name="out", **settings):
        return toolkit.run(
            "text-classification",
            data=table,
            model=tiny_model,
            out=tmp_path / name,
            settings={"training": {"max_steps": 4, **settings}},
        )

    return go


def weights(run):
    from safetensors.torch import load_file

    return load_file(run.path / "model" / "model.safetensors")


def test_any_field_of_training_arguments_is_taken(run):
    assert run(**TWELVE).status == "finished"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rte": 1e-4}, "no field of TrainingArguments. Did you mean 'learning_rate'"),
        ({"num_train_epochs": "many"}, "'many'.*valid number"),
        ({"output_dir": "x"}, "--out"),
        ({"seed": 3}, "top of the recipe"),
        ({"optim": "adamm"}, "training"),
        (
            {"eval_strategy": "steps", "save_strategy": "epoch", "load_best_model_at_end": True},
            "load_best_model_at_end: needs a checkpoint at each validation",
        ),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_loaded(run, tmp_path, settings, message):
    with pytest.raises(RecipeError, match=message):
        run(**settings)
    assert not (tmp_path / "out").exists()


def test_accumulated_batches_train_like_the_whole_batch(run):
    """Heads that drop num_items_in_batch ended with other weights and a multiplied loss."""
    common = {"bf16": False, "train_sampling_strategy": "sequential", "weight_decay": 0.0}
    common |= {"max_grad_norm": 0.0, "optim": "sgd", "logging_steps": 1}
    whole = run("whole", per_device_train_batch_size=8, **common)
    parts = run("parts", per_device_train_batch_size=2, gradient_accumulation_steps=4, **common)
    for name, tensor in weights(whole).items():
        assert torch.allclose(tensor, weights(parts)[name], atol=1e-5), name


@pytest.fixture(autouse=True)
def _no_dropout(request, monkeypatch):
    """Dropout draws other masks for other batch shapes; the comparison needs none."""
    if "accumulated" not in request.node.name:
        return
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, x: x)


@pytest.mark.parametrize(
    ("config", "auto", "honours"),
    [
        (
            transformers.BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                                    intermediate_size=16, vocab_size=20),
            transformers.AutoModelForSequenceClassification,
            False,
        ),
        (
            transformers.LlamaConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                                     intermediate_size=16, vocab_size=20),
            transformers.AutoModelForCausalLM,
            True,
        ),
    ],
    ids=["drops the count", "divides by it"],
)  # fmt: skip
def test_whether_a_loss_honours_the_item_count_is_seen_from_the_loss(config, auto, honours):
    model = auto.from_config(config)
    ids = torch.arange(10).reshape(2, 5)
    batch = {"input_ids": ids, "labels": ids if honours else torch.tensor([0, 1])}
    assert honours_item_count(model, batch) is honours
    assert model.training is False or model.training is True  # and leaves the mode as it was


def test_early_stopping_ends_training(run):
    stopped = run(
        max_steps=-1,
        num_train_epochs=30,
        learning_rate=0.0,
        early_stopping_patience=2,
    )
    assert stopped.record["speed"]["epochs"] == 3


def test_bf16_is_used_where_the_hardware_has_it(tmp_path, table, tiny_model):
    job = prepare(
        find_recipe(
            "text-classification",
            [(("data", "source"), str(table)), (("model",), str(tiny_model))],
        )
    )
    assert job.arguments.bf16 is bf16_supported()
    assert job.arguments.train_sampling_strategy == "group_by_length"
    made = make_trainer(job, RunWriter(tmp_path), transformers.TrainerCallback())
    assert isinstance(made._get_train_sampler(), LengthGroupedBatches)
    batches = [batch["input_ids"].shape for batch in made.get_train_dataloader()]
    assert len({width for _, width in batches}) > 1
    assert job.arguments.metric_for_best_model == "accuracy"


class Spoiler(transformers.TrainerCallback):
    """Undoes what was learned before the last epochs."""

    def on_epoch_begin(self, args, state, control, model=None, **kwargs):
        if state.epoch >= 12:
            with torch.no_grad():
                model.classifier.weight.neg_()


def test_the_best_checkpoint_on_validation_is_kept(tmp_path, table, tiny_model):
    settings = {"num_train_epochs": 13, "learning_rate": 5e-3}
    job = prepare(
        find_recipe(
            "text-classification",
            [
                (("data", "source"), str(table)),
                (("model",), str(tiny_model)),
                (("training",), settings),
            ],
        )
    )
    made = make_trainer(job, RunWriter(tmp_path), Spoiler())
    train(made)
    scores = [log["eval_accuracy"] for log in made.state.log_history if "eval_accuracy" in log]
    assert max(scores) > scores[-1]
    assert made.evaluate()["eval_accuracy"] == max(scores)


def test_layerwise_rates_fall_from_the_head_down(tiny_model):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tiny_model)
    rates = get_method("layerwise")(decay=0.5).learning_rates(model)
    named = dict(model.named_parameters())
    assert all(name in named for name in rates)
    assert {r for n, r in rates.items() if "embeddings" in n} == {0.125}
    assert {r for n, r in rates.items() if "layer.0" in n} == {0.25}
    assert {r for n, r in rates.items() if "layer.1" in n} == {0.5}
    assert not any("pooler" in name for name in rates)
    assert {rate for name, rate in rates.items() if "classifier" in name} == {1.0}


def test_rates_reach_the_optimizer():
    layers = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    optimizer = torch.optim.AdamW(layers.parameters(), lr=1.0, weight_decay=0.3)
    factors = {p: 0.5 if place < 2 else 1.0 for place, p in enumerate(layers.parameters())}
    scale_groups(optimizer, factors)
    found = {p: g["lr"] for g in optimizer.param_groups for p in g["params"]}
    assert found == factors
    assert {g["weight_decay"] for g in optimizer.param_groups} == {0.3}


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory, tiny_model):
    """The body of a fine-tuned tiny model: its features tell the classes, its head is gone."""
    folder = tmp_path_factory.mktemp("pretrained")
    lines = "\n".join(f"{text},{label}" for text, label in sentences(200))
    (folder / "rows.csv").write_text(f"text,label\n{lines}\n")
    tuned = toolkit.run(
        "text-classification",
        data=folder / "rows.csv",
        model=tiny_model,
        out=folder / "run",
        settings={"training": {"num_train_epochs": 30, "learning_rate": 2e-3}},
    )
    body = transformers.AutoModel.from_pretrained(tuned.path / "model")
    body.save_pretrained(folder / "body")
    transformers.AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder / "body")
    return folder / "body"


@pytest.mark.parametrize(
    ("method", "several"), [("full", False), ("layerwise", False), ("full", True)]
)
def test_a_probed_head_knows_the_classes_before_training(tmp_path, pretrained, method, several):
    import json

    path = tmp_path / "rows.jsonl"
    rows = [
        {"text": text, "label": [label] if several else label}
        for text, label in sentences(160, seed=3)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    scores = {}
    for head in ("random", "probe"):
        run = toolkit.run(
            "text-classification",
            data=path,
            model=pretrained,
            out=tmp_path / head,
            seed=7,  # not the seed of the head that the body was trained with
            settings={
                "method": {"name": method, "head": head},
                "options.multi_label": several,
                "data.split.stratify": not several,
                "report.metrics": ["f1_micro"],
                "training": {"max_steps": 1, "learning_rate": 0.0},
            },
        )
        scores[head] = run.metrics["test"]["f1_micro"]["value"]
    assert scores["probe"] > 0.8
    assert scores["probe"] > scores["random"] + 0.1


def test_frozen_embeddings_stay_as_they_are(tmp_path, table, tiny_model):
    run = toolkit.run(
        "text-classification",
        data=table,
        model=tiny_model,
        out=tmp_path / "out",
        settings={
            "method": {"name": "full", "embeddings": "freeze"},
            "training": {"max_steps": 3, "learning_rate": 1e-2},
        },
    )
    before = transformers.AutoModel.from_pretrained(tiny_model).state_dict()
    after = transformers.AutoModel.from_pretrained(run.path / "model").state_dict()
    same = {name for name, tensor in before.items() if torch.equal(tensor, after[name])}
    assert same == {"embeddings.word_embeddings.weight"}


def test_text_is_padded_to_the_longest_of_its_batch(tmp_path, table, tiny_model):
    """To a multiple of eight only where there are tensor cores, which are faster then."""
    job = prepare(
        find_recipe(
            "text-classification",
            [(("data", "source"), str(table)), (("model",), str(tiny_model))],
        )
    )
    made = make_trainer(job, RunWriter(tmp_path), transformers.TrainerCallback())
    for batch in made.get_train_dataloader():
        longest = int(batch["attention_mask"].sum(1).max())
        step = 8 if torch.cuda.is_available() else 1
        assert batch["input_ids"].shape[1] == -(-longest // step) * step
