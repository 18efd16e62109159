"""A model that no Auto class of transformers loads: trained, reloaded, predicted, not exported."""

from __future__ import annotations

import json

import pytest
import yaml
from plain_torch import CODE, RECIPE, ROWS
from text_rows import tiny_bert

import toolkit
from toolkit.deployment import exporting
from toolkit.errors import RecipeError, UserError
from toolkit.runs.compute import ComputeConfig
from toolkit.runs.predictor import load_predictor
from toolkit.utils import hardware


@pytest.fixture
def recipe(scenario):
    return scenario("lines", CODE, "Lines", ROWS, **RECIPE)


def test_a_plain_torch_model_is_trained_reloaded_and_predicts(recipe, tmp_path):
    run = toolkit.run(recipe, out=tmp_path / "run")
    assert run.record["reload"] == {"compared": 12, "different": 0}
    assert run.metrics["test"]["error"]["value"] < 0.5
    kept = json.loads((run.path / "model" / "training_statistics.json").read_text())
    (found,) = run.predict([{"x": 3.0}])
    assert found["y"] == pytest.approx(6, abs=1)
    assert 2 < kept["mean"] < 4
    front = yaml.safe_load((run.path / "README.md").read_text().split("---")[1])
    assert front["pipeline_tag"] == "tabular-regression"
    assert "library_name" not in front


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_it_is_loaded_in_the_dtype_that_computes(recipe, tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(hardware, "bf16_supported", lambda **_: True)
    run = toolkit.run(recipe, out=tmp_path / "run", settings={"training.max_steps": 1})
    model = load_predictor(run.path, ComputeConfig(dtype=dtype)).plugin.model
    assert {str(p.dtype) for p in model.parameters()} == {f"torch.{dtype}"}


@pytest.mark.parametrize("name", ["lora", "distill"])
def test_a_method_that_needs_transformers_says_so(recipe, tmp_path, name):
    method = {"name": name, **({"teacher": "nobody/nothing"} if name == "distill" else {})}
    model = {"id": str(tiny_bert(tmp_path / "bert")), "from_config": None}
    with pytest.raises(RecipeError, match="Line is none: use full"):
        toolkit.run(recipe, out=tmp_path / "run", settings={"method": method, "model": model})


@pytest.mark.parametrize("name", ["head", "layerwise"])
def test_other_methods_train_it(recipe, tmp_path, name):
    model = {"id": str(tiny_bert(tmp_path / "bert")), "from_config": None}
    settings = {"method.name": name, "model": model, "training.max_steps": 2}
    assert toolkit.run(recipe, out=tmp_path / "run", settings=settings).status == "finished"


def test_an_export_says_what_it_needs(recipe, tmp_path):
    run = toolkit.run(recipe, out=tmp_path / "run", settings={"training.max_steps": 1})
    with pytest.raises(UserError, match="for models of transformers, and Line is none"):
        exporting.export(run, "onnx")
