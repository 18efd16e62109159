"""Every method, end to end on a tiny model: what it trains, saves, reloads and merges."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file
from text_rows import sentences

import toolkit
from toolkit.cli.main import outcome
from toolkit.errors import ModelError, RecipeError
from toolkit.models import adapters, find
from toolkit.models.methods import get_method
from toolkit.recipe.library import find_recipe
from toolkit.runner.fit import apply_method, make_trainer
from toolkit.runner.prepare import prepare
from toolkit.runs.writer import RunWriter
from toolkit.training.train import train
from toolkit.utils.logging import quiet_peft

QLORA = pytest.param(
    "qlora",
    marks=pytest.mark.skipif(
        importlib.util.find_spec("bitsandbytes") is None, reason="the extra qlora is not installed"
    ),
)
ADAPTERS = ["lora", "dora", "ia3", "adalora", QLORA]
METHODS = ["partial", *ADAPTERS]
EXTRAS = {"partial": {"blocks": 1}, "lora": {"dropout": 0.1}, "adalora": {"rank": 4}}
TRAINING = {"num_train_epochs": 3, "learning_rate": 1e-2}
TEXTS = [{"text": text} for text, _ in sentences(12, seed=5)]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    lines = "\n".join(f"{text},{label}" for text, label in sentences(160))
    path.write_text(f"text,label\n{lines}\n")
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory, rows, tiny_model):
    """name -> a finished run of that method, made when it is first asked for."""
    folder, made = tmp_path_factory.mktemp("runs"), {}

    def get(name):
        if name not in made:
            made[name] = toolkit.run(
                "text-classification", data=rows, model=tiny_model, out=folder / name,
                settings={"method": {"name": name, **EXTRAS.get(name, {})}, "training": TRAINING},
            )  # fmt: skip
        return made[name]

    return get


def assembled(rows, model, out, method, **training):
    """Return the Trainer of a run that stops before training."""
    job = prepare(
        find_recipe(
            "text-classification",
            [
                (("data", "source"), str(rows)),
                (("model",), str(model)),
                (("method",), method),
                (("training",), {**TRAINING, **training}),
            ],
        )
    )
    apply_method(job)
    return make_trainer(job, RunWriter(out), transformers.TrainerCallback())


@pytest.mark.parametrize("name", METHODS)
def test_what_is_saved_is_proved_and_predicts(runs, name):
    run = runs(name)
    assert run.status == "finished"
    assert run.record["reload"] == {"compared": 32, "different": 0}
    assert {p["label"] for p in run.predict(TEXTS)} <= {"fruit", "tool", "bird"}
    counts = run.record["parameters"]
    assert 0 < counts["trained"] < counts["all"]


@pytest.mark.parametrize("name", METHODS)
def test_the_intended_parameters_change_and_the_same_in_every_run(rows, tiny_model, tmp_path, name):
    method = {"name": name, **EXTRAS.get(name, {})}
    ends = []
    for _ in range(2):
        made = assembled(rows, tiny_model, tmp_path, method)
        start = {n: p.detach().clone() for n, p in made.model.named_parameters()}
        train(made)
        ends.append({n: p.detach().clone() for n, p in made.model.named_parameters()})
    changed = {n for n in start if not torch.equal(start[n], ends[1][n])}
    own = ("layer.1.", "pooler.", "classifier.") if name == "partial" else (
        "lora_", "ia3_", "classifier.modules_to_save.", "pooler.modules_to_save."
    )  # fmt: skip
    assert changed
    assert all(any(part in n for part in own) for n in changed)
    for part in own[-2:] if name == "partial" else own[2:]:
        assert any(part in n for n in changed)
    assert all(torch.equal(ends[0][n], ends[1][n]) for n in start)
    packed = [p for p in start.values() if p.dtype is torch.uint8]
    assert len(packed) == (12 if name == "qlora" else 0)  # six linear layers in each of two blocks


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_is_small_safe_and_loads_without_toolkit(runs, name, tiny_model):
    folder = runs(name).path / "model"
    weights = {p.name for p in folder.iterdir() if p.suffix in (".safetensors", ".bin", ".pt")}
    assert weights == {"adapter_model.safetensors"}
    names = load_file(folder / "adapter_model.safetensors")
    assert any("classifier" in n for n in names)
    assert not any("embeddings" in n for n in names)
    code = (folder / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    assert str(tiny_model) in code  # this base is a folder, and has no other name
    space: dict = {}
    with quiet_peft():
        exec(code.replace('"model"', repr(str(folder))), space)  # noqa: S102 - the card's own lines
    assert isinstance(space["model"], peft.PeftModel)
    assert space["model"].config.id2label == {0: "bird", 1: "fruit", 2: "tool"}


def test_a_base_from_elsewhere_is_named_by_its_id_and_revision(runs, tmp_path):
    run = runs("lora")
    model = adapters.load(run.path / "model", get_method("lora")())
    for source, revision in (("hub", "abc123"), ("mirror", None)):
        files = find.ModelFiles(tmp_path, "owner/name", "abc123", source)
        adapters.name_base(model, files)
        adapters.save(model, tmp_path / source)
        config = json.loads((tmp_path / source / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == "owner/name"
        assert config["revision"] == revision
        texts = [p.read_text() for p in (tmp_path / source).glob("*.json")]
        assert not any(str(tmp_path) in text or "tiny-bert" in text for text in texts)


def test_an_adapter_refuses_another_base(runs, tmp_path, tiny_model, monkeypatch):
    copy = tmp_path / "run"
    shutil.copytree(runs("lora").path, copy)
    other = tmp_path / "base"
    shutil.copytree(tiny_model, other)
    config = copy / "model" / "adapter_config.json"
    config.write_text(config.read_text().replace(str(tiny_model), str(other)))
    assert toolkit.load_run(copy).predict(TEXTS)  # elsewhere, but the same weights
    base = transformers.AutoModel.from_pretrained(other)
    with torch.no_grad():
        base.embeddings.word_embeddings.weight.add_(1)
    base.save_pretrained(other)
    with pytest.raises(ModelError, match="other weights"):
        toolkit.load_run(copy).predict(TEXTS)
    shutil.rmtree(other)
    with pytest.raises(ModelError, match="cannot be had"):
        toolkit.load_run(copy).predict(TEXTS)


@pytest.mark.parametrize("name", ["partial", *ADAPTERS])
def test_a_merged_model_predicts_the_same_without_peft(runs, name, tmp_path, capsys):
    run = runs(name)
    out = tmp_path / "merged"
    assert outcome(["export", str(run.path), "--merge", "-o", str(out)]) == 0
    assert ("copied" if name == "partial" else "merged") in capsys.readouterr().out
    assert not (out / "adapter_config.json").exists()
    assert "peft" not in (out / "README.md").read_text()
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(out)
    assert not any("lora" in n or "ia3" in n for n, _ in model.named_parameters())
    batch = tokenizer([row["text"] for row in TEXTS], padding=True, return_tensors="pt")
    with torch.inference_mode():
        found = model(**batch).logits.softmax(-1)
    for row, prediction in zip(found, run.predict(TEXTS), strict=True):
        for place, label in model.config.id2label.items():
            assert math.isclose(row[place], prediction["scores"][label], abs_tol=1e-4)


def test_export_says_what_it_cannot_do(runs, tmp_path, capsys):
    run = runs("lora").path
    (tmp_path / "taken").write_text("")
    for arguments, message in [
        ([str(run)], "--merge"),
        ([str(tmp_path), "--merge"], "no run.json"),
        ([str(run), "--merge", "-o", str(tmp_path)], "not empty .taken"),
        ([str(run), "--merge", "-o", str(tmp_path / "taken")], "a file"),
    ]:
        assert outcome(["export", *arguments]) == 2
        assert message.replace(" .", " (") in capsys.readouterr().err
    failed = tmp_path / "failed"
    failed.mkdir()
    record = json.loads((run / "run.json").read_text()) | {"status": "failed"}
    (failed / "run.json").write_text(json.dumps(record))
    assert outcome(["export", str(failed), "--merge"]) == 2
    assert "is failed" in capsys.readouterr().err
    assert not list(failed.glob("merged*"))


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"name": "lora", "target_modules": ["qury"]},
         "target_modules: the model has no 'qury'. Did you mean 'query'.*query, key, value, dense"),
        ({"name": "lora", "modules_to_save": ["clasifier"]}, "Did you mean 'classifier'"),
        ({"name": "lora", "rank": 0}, "rank"),
        ({"name": "lora", "rnak": 4}, "Did you mean 'rank'"),
        ({"name": "partial", "blocks": 9}, "method.blocks: 9 last blocks.* has 2"),
        ({"name": "adalora", "rank": 8, "start_rank": 8}, "must be larger"),
        ({"name": "adalora", "warmup": 0.6, "settle": 0.6}, "less than 1"),
    ],
)  # fmt: skip
def test_wrong_settings_are_named_before_training(rows, tiny_model, tmp_path, method, message):
    with pytest.raises(RecipeError, match=message):
        assembled(rows, tiny_model, tmp_path, method)


def test_qlora_without_bitsandbytes_names_the_extra(rows, tiny_model, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n == "bitsandbytes" else find(n, *a)
    )
    with pytest.raises(RecipeError, match=r"pip install 'finetune-toolkit\[qlora\]'"):
        assembled(rows, tiny_model, tmp_path, {"name": "qlora"})


def test_named_layers_and_modules_are_taken(rows, tiny_model, tmp_path):
    method = {"name": "lora", "target_modules": ["query", "layer.1.output.dense"],
              "modules_to_save": ["classifier"]}  # fmt: skip
    model = assembled(rows, tiny_model, tmp_path, method).model
    adapted = {n.partition(".lora_A")[0] for n, _ in model.named_parameters() if "lora_A" in n}
    assert len(adapted) == 3
    assert not any("pooler.modules_to_save" in n for n, _ in model.named_parameters())


def test_the_head_is_fitted_before_the_adapters_come(rows, tiny_model, tmp_path):
    heads = []
    for head in ("random", "probe"):
        made = assembled(rows, tiny_model, tmp_path, {"name": "lora", "head": head})
        heads.append(made.model.get_parameter(
            "base_model.model.classifier.modules_to_save.default.weight"
        ))  # fmt: skip
    assert not torch.equal(*heads)


@pytest.mark.parametrize("keep", [False, True])
def test_a_frozen_base_runs_without_its_dropout_and_in_bf16(rows, tiny_model, tmp_path, keep):
    made = assembled(rows, tiny_model, tmp_path, {"name": "lora", "base_dropout": keep})
    model = made.model.get_base_model()
    rates = {m.p for m in model.base_model.modules() if isinstance(m, torch.nn.Dropout)}
    assert rates == ({0.1} if keep else {0.0})
    assert model.dropout.p == 0.1  # the head's
    if not torch.cuda.is_available():
        assert model.config._attn_implementation == "eager"
    seen = []
    model.bert.encoder.layer[1].register_forward_pre_hook(lambda _, x: seen.append(x[0].dtype))
    batch = next(iter(made.get_train_dataloader()))
    kind = batch["input_ids"].device.type
    for training, cast in ((True, True), (True, False), (False, True)):
        model.train(training)
        with torch.autocast(kind, torch.bfloat16, enabled=cast):
            model(**batch)
    assert seen == [torch.bfloat16, torch.float32, torch.float32]


@pytest.mark.parametrize("name", ["lora", "adalora"])
def test_the_trainer_s_own_settings_work_with_adapters(rows, tiny_model, tmp_path, name):
    settings = {
        "activation_checkpointing": True,
        "gradient_accumulation_steps": 2,
        "label_smoothing_factor": 0.1,
        "neftune_noise_alpha": 5,
    }
    made = assembled(rows, tiny_model, tmp_path, {"name": name}, **settings)
    assert made.label_names == ["labels"]
    assert made.model_accepts_loss_kwargs is False  # BERT drops the count, wrapped or not
    train(made)
    best = max(log["eval_accuracy"] for log in made.state.log_history if "eval_accuracy" in log)
    assert made.evaluate()["eval_accuracy"] == best
    adapters = [p for n, p in made.model.named_parameters() if "lora_B" in n]
    assert all(p.dtype is torch.float32 for p in adapters)
    assert any(p.abs().sum() > 0 for p in adapters)


def test_a_resumed_adalora_run_prunes_as_the_whole_one(rows, tiny_model, tmp_path):
    method = {"name": "adalora", "rank": 4, "settle": 0.4}
    settings = {"max_steps": 15, "save_strategy": "steps", "save_steps": 5, "save_total_limit": 3,
                "eval_strategy": "no", "load_best_model_at_end": False,
                }  # fmt: skip
    whole = assembled(rows, tiny_model, tmp_path, method, **settings)
    whole.train()
    ends = dict(whole.model.named_parameters())
    assert any((p == 0).any() for n, p in ends.items() if "lora_E" in n)
    for step in (5, 10):  # while pruning, and after it
        again = assembled(rows, tiny_model, tmp_path, method, **settings)
        again.train(resume_from_checkpoint=str(tmp_path / "checkpoints" / f"checkpoint-{step}"))
        for name, parameter in again.model.named_parameters():
            assert torch.equal(parameter, ends[name]), (step, name)
