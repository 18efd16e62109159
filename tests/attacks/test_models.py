"""A model's folder from a stranger: what its settings name is seen before anything is loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from text_rows import csv_of, sentences

from toolkit.cli.main import outcome
from toolkit.errors import ModelError
from toolkit.models import outside
from toolkit.models.find import find_model
from toolkit.runs.writer import RunWriter

SECRET = "[UNK]\n[PAD]\n[CLS]\n[SEP]\n[MASK]\nhunter2\n"


@pytest.fixture
def model(tiny_model, tmp_path) -> Path:
    """A copy of a model, beside a file that is none of it."""
    shutil.copytree(tiny_model, tmp_path / "model")
    (tmp_path / "secret.txt").write_text(SECRET)
    return tmp_path / "model"


def changed(model: Path, file: str, **values: object) -> None:
    path = model / file
    found = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**found, **values}))


OUTSIDE = [
    ("tokenizer_config.json", {"vocab": "SECRET"}),
    ("tokenizer_config.json", {"vocab": "secret.txt"}),
    ("tokenizer_config.json", {"merges": "SECRET"}),
    ("tokenizer_config.json", {"vocab_file": "SECRET"}),
    ("tokenizer_config.json", {"vocab_file": "../secret.txt"}),
    ("tokenizer_config.json", {"vocab_file": "secret.txt"}),
    ("tokenizer_config.json", {"extra": {"inner": ["file://SECRET"]}}),
    ("processor_config.json", {"speaker_embeddings": {"path": "SECRET"}}),
    ("preprocessor_config.json", {"label_path": "SECRET"}),
    ("config.json", {"backbone_config": {"weights": "SECRET"}}),
]


@pytest.mark.parametrize(("file", "values"), OUTSIDE)
def test_settings_do_not_name_files_elsewhere(model, file, values, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = json.dumps(values).replace("SECRET", str(tmp_path / "secret.txt"))
    changed(model, file, **json.loads(text))
    (tmp_path / "rows.csv").write_text(csv_of(sentences(40)))
    words = ["run", "text-classification", "--data", "rows.csv", "--model", str(model), "--quiet"]
    assert outcome(words) == 2
    said = capsys.readouterr().err
    assert file in said
    assert "secret.txt" in said
    assert "hunter2" not in said
    assert not (tmp_path / "runs").exists()


def test_settings_may_name_what_is_not_read(model, tmp_path):
    labels = {"0": str(tmp_path), "1": "/"}
    changed(model, "config.json", id2label=labels, _name_or_path=str(tmp_path), cls_token="/etc")
    changed(model, "tokenizer_config.json", name_or_path=str(tmp_path), vocab_file="vocab.txt",
            special_tokens_map_file="/root/.cache/x/special_tokens_map.json",
            chat_template="{{ '/' }}", merges_file="/not/here/merges.txt")  # fmt: skip
    assert find_model(str(model)).path == model


def test_a_saved_model_is_looked_at_too(finished, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(finished("text-classification").path, run)
    changed(run / "model", "config.json", attn_implementation="evil/kernel")
    RunWriter.add(run, model_files={})
    (tmp_path / "rows.csv").write_text("text\na text\n")
    out = ["-o", str(tmp_path / "out.csv")]
    for words in (["predict", str(run), str(tmp_path / "rows.csv"), *out],
                  ["export", str(run), "--to", "onnx", *out]):  # fmt: skip
        assert outcome(words) == 2
        said = capsys.readouterr().err
        assert "evil/kernel" in said
        assert "never run" in said


def test_a_kernel_is_not_asked_for_by_the_library_itself(monkeypatch):
    from transformers.integrations import hub_kernels

    outside.switch_off()
    monkeypatch.setattr(hub_kernels, "is_kernels_available", lambda: True)
    with pytest.raises(ImportError, match="never run"):
        hub_kernels.get_kernel("kernels-community/flash-attn2", version=1)
    assert hub_kernels.lazy_load_kernel("causal-conv1d") is None


class Evil:
    """What runs a command when it is unpickled."""

    def __reduce__(self):
        return subprocess.call, (["touch", "unpickled"],)


@pytest.mark.parametrize("beside", ["other.safetensors", "adapter_model.safetensors"])
def test_a_pickle_is_not_loaded_in_the_place_of_safetensors(model, beside, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (model / "model.safetensors").rename(model / beside)
    torch.save({"x": Evil()}, model / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model.bin: is a pickle"):
        find_model(str(model))
    assert not (tmp_path / "unpickled").exists()


def test_a_pickle_beside_its_safetensors_is_left_alone(model):
    torch.save({"x": Evil()}, model / "pytorch_model.bin")
    assert find_model(str(model)).path == model
