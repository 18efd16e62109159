"""Every method, end to end on a tiny model: what it trains, saves, reloads and merges."""

from __future__ import annotations

import importlib.util
import json

import pytest
import torch
import transformers
from conftest import sentences
from safetensors.torch import load_file

import toolkit
from toolkit import methods
from toolkit.cli.main import outcome
from toolkit.errors import ModelError, RecipeError, UserError
from toolkit.restoring import restore

ADAPTERS = ["lora", "dora", "ia3", "adalora"]
NAMES = ["partial", *ADAPTERS]
if importlib.util.find_spec("bitsandbytes"):
    ADAPTERS.append("qlora")
    NAMES.append("qlora")
EXTRAS = {"partial": {"blocks": 1}, "lora": {"dropout": 0.1}, "adalora": {"rank": 4}}
TEXTS = [{"text": text} for text, _ in sentences(12, seed=5)]


def train(table, model, out, method, **settings):
    return toolkit.run(
        "text-classification",
        data=table,
        model=model,
        out=out,
        settings={
            "method": {"name": method, **EXTRAS.get(method, {})},
            "training": {"num_train_epochs": 6, "learning_rate": 1e-2, **settings},
        },
    )


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    lines = "\n".join(f"{text},{label}" for text, label in sentences(160))
    path.write_text(f"text,label\n{lines}\n")
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory, rows, tiny_model):
    """A finished run of each method, made when it is first asked for."""
    folder, made = tmp_path_factory.mktemp("runs"), {}

    def get(name):
        if name not in made:
            made[name] = train(rows, tiny_model, folder / name, name)
        return made[name]

    return get


def saved(run):
    name = "adapter_model" if (run.path / "model" / "adapter_config.json").exists() else "model"
    return load_file(run.path / "model" / f"{name}.safetensors")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_saved_is_proved_and_predicts(runs, name):
    run = runs(name)
    assert run.status == "finished"
    compared = run.record["data"]["rows"]["test"]
    assert run.record["reload"] == {"compared": compared, "different": 0}
    predicted = run.predict(TEXTS)
    assert {p["label"] for p in predicted} <= {"fruit", "tool", "bird"}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_weights(runs, rows, tiny_model, tmp_path, name):
    first, second = saved(runs(name)), saved(train(rows, tiny_model, tmp_path / "out", name))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
