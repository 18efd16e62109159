"""An adapter's folder where a whole model is wanted, and a base model that has moved."""

from __future__ import annotations

import json
import shutil

import pytest
from text_rows import csv_of, sentences, tiny_bert

import toolkit
from toolkit.cli.main import outcome


@pytest.fixture(scope="module")
def made(shared):
    """A run by LoRA whose base model, `base`, lies beside it; only read."""

    def fill(folder):
        (folder / "rows.csv").write_text(csv_of(sentences(90)))
        toolkit.run(
            "text-classification", data=folder / "rows.csv", model=tiny_bert(folder / "base"),
            out=folder / "run", method="lora", settings={"training.max_steps": 2},
        )  # fmt: skip

    return shared("adapter-run", fill)


def told(capsys, *words):
    code, shown = outcome([str(word) for word in words]), capsys.readouterr().err
    assert "Traceback" not in shown
    return code, " ".join(shown.split())


@pytest.mark.parametrize("method", ["full", "lora"])
def test_an_adapter_is_no_model_and_the_way_on_is_said(made, method, capsys):
    code, shown = told(capsys, "check", "text-classification", "--data", made / "rows.csv",
                       "--model", made / "run" / "model", "--method", method)  # fmt: skip
    assert code == 2
    assert "is an adapter, not a whole model" in shown
    assert "toolkit export RUN --merge -o FOLDER, then --model FOLDER" in shown


def test_an_adapter_without_a_config_of_the_model(made, tmp_path, capsys):
    folder = shutil.copytree(made / "run" / "model", tmp_path / "adapter")
    (folder / "config.json").unlink()
    code, shown = told(capsys, "check", "text-classification", "--data", made / "rows.csv",
                       "--model", folder)  # fmt: skip
    assert (code, "is an adapter, not a whole model" in shown) == (2, True)


def test_the_folder_of_a_run_names_that_of_its_model(made, capsys):
    code, shown = told(capsys, "check", "text-classification", "--data", made / "rows.csv",
                       "--model", made / "run")  # fmt: skip
    assert code == 2
    assert f"Did you mean {made / 'run' / 'model'}?" in shown


def test_the_way_that_is_said_works(made, tmp_path, capsys):
    merged = tmp_path / "merged"
    assert told(capsys, "export", made / "run", "--merge", "-o", merged)[0] == 0
    code, shown = told(capsys, "check", "text-classification", "--no-estimate", "--data",
                       made / "rows.csv", "--model", merged, "--method", "lora")  # fmt: skip
    assert code == 0, shown


def test_a_base_model_that_has_moved_is_named_where_the_message_says(made, tmp_path, capsys):
    run, rows = shutil.copytree(made / "run", tmp_path / "run"), tmp_path / "new.csv"
    rows.write_text("text\nthe old saw\n")
    config = run / "model" / "adapter_config.json"
    values = json.loads(config.read_text())

    def name(folder):
        config.write_text(json.dumps({**values, "base_model_name_or_path": str(folder)}))

    name(tmp_path / "gone")
    predict = ("predict", run, rows, "-o", tmp_path / "out.csv")
    code, shown = told(capsys, *predict)
    assert code == 2
    assert f"write its folder as base_model_name_or_path in {config}" in shown
    assert "--model FOLDER" not in shown  # which predict does not take
    name(shutil.copytree(made / "base", tmp_path / "moved"))
    assert told(capsys, *predict)[0] == 0
    assert told(capsys, "export", run, "--merge", "-o", tmp_path / "merged")[0] == 0
    other = tiny_bert(tmp_path / "other")
    weights = (other / "model.safetensors").read_bytes()
    (other / "model.safetensors").write_bytes(weights[:-4] + b"\0\0\0\1")
    name(other)
    code, shown = told(capsys, "predict", run, rows, "-o", tmp_path / "wrong.csv")
    assert code == 2
    assert "other weights" in shown
