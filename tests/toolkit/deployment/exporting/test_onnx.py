"""`toolkit export --to onnx|int8`: verified on the test split, and used by --runtime."""

from __future__ import annotations

import json
import shutil

import pytest
import small_runs

from toolkit import Run
from toolkit.cli.main import outcome
from toolkit.runs.folder import read_predictions

onnxruntime = pytest.importorskip("onnxruntime", reason="extra `onnx` is not installed")


def made(folder, scenario, method="full", **training):
    words = small_runs.arguments(scenario, method, folder / "in", **training)
    assert outcome(["run", *words, "--out", str(folder / "run")]) == 0
    return Run(folder / "run")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made(tmp_path_factory.mktemp("exporting"), "text-classification", max_steps=30)


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def same_as_torch(run, form, tmp_path, within):
    """Predict the run's rows by torch and by an export, and compare every probability."""
    data = str(run.path.parent / "in" / "rows.csv")
    for runtime in ("torch", form):
        words = ["predict", str(run.path), data, "-o", str(tmp_path / f"{runtime}.jsonl")]
        assert outcome([*words, "--runtime", runtime, "--quiet"]) == 0
    torch, other = lines_of(tmp_path / "torch.jsonl"), lines_of(tmp_path / f"{form}.jsonl")
    assert len(torch) == len(other) == 120
    for one, two in zip(torch, other, strict=True):
        assert one["prediction"]["scores"] == pytest.approx(two["prediction"]["scores"], abs=within)
    return torch, other


def test_onnx_predicts_as_torch_does(run, tmp_path, capsys):
    data = str(run.path.parent / "in" / "rows.csv")
    assert outcome(["predict", str(run.path), data, "-o", "y.csv", "--runtime", "onnx"]) == 2
    assert f"toolkit export {run.path} --to onnx" in capsys.readouterr().err
    assert outcome(["export", str(run.path), "--to", "onnx"]) == 0
    said = capsys.readouterr().out
    assert "24 test rows" in said
    assert "x the speed of torch" in said
    facts = json.loads((run.path / "onnx" / "export.json").read_text())
    assert (facts["compared"], facts["different"]) == (24, 0)
    assert facts["scores"]["accuracy"]["run"] == run.metrics["test"]["accuracy"]["value"]
    assert facts["scores"]["accuracy"]["export"] == facts["scores"]["accuracy"]["run"]
    same_as_torch(run, "onnx", tmp_path, 1e-5)
    assert not (run.path / "onnx.partial").exists()


def test_int8_says_what_it_costs(run, tmp_path, capsys):
    assert outcome(["export", str(run.path), "--to", "int8"]) == 0
    said = capsys.readouterr().out
    facts = json.loads((run.path / "int8" / "export.json").read_text())
    for name, both in facts["scores"].items():
        assert both["run"] == pytest.approx(run.metrics["test"][name]["value"])
        assert f"{name} {both['export']:.4f}" in said
    onnx_file = (run.path / "int8" / "model.onnx").stat().st_size
    assert facts["bytes"]["export"] == onnx_file
    torch, int8 = same_as_torch(run, "int8", tmp_path, 0.1)
    assert torch != int8  # it is rounded indeed
    assert sorted(p.name for p in (run.path / "int8").iterdir() if p.suffix == ".onnx") == [
        "model.onnx"
    ]


def test_an_export_of_another_model_is_refused(run, tmp_path, capsys):
    folder = shutil.copytree(run.path, tmp_path / "run")
    if not (folder / "onnx").exists():
        assert outcome(["export", str(folder), "--to", "onnx"]) == 0
    facts = json.loads((folder / "onnx" / "export.json").read_text())
    (folder / "onnx" / "export.json").write_text(json.dumps(facts | {"weights": "0" * 64}))
    data = str(run.path.parent / "in" / "rows.csv")
    words = ["predict", str(folder), data, "-o", str(tmp_path / "o.csv"), "--runtime", "onnx"]
    capsys.readouterr()
    assert outcome(words) == 2
    assert "is of another model" in capsys.readouterr().err


def test_rows_that_are_gone_or_changed_are_told(run, tmp_path, capsys):
    data = run.path.parent / "in" / "rows.csv"
    before = data.read_text()
    out = ["-o", str(tmp_path / "out")]
    try:
        data.write_text(before + "one more row,fruit\n")
        assert outcome(["export", str(run.path), "--to", "onnx", *out]) == 2
        assert "its rows have changed" in capsys.readouterr().err
        data.unlink()
        assert outcome(["export", str(run.path), "--to", "onnx", *out]) == 2
        assert "rows.csv" in capsys.readouterr().err
    finally:
        data.write_text(before)
    assert not (tmp_path / "out").exists()


def test_two_forms_at_once_are_refused(run, capsys):
    assert outcome(["export", str(run.path), "--to", "onnx", "--merge"]) == 2
    assert "one at a time" in capsys.readouterr().err


def test_int8_of_convolutions_is_calibrated(finished, tmp_path, capsys):
    run = finished("image-classification")
    assert outcome(["export", str(run.path), "--to", "int8", "-o", str(tmp_path / "int8")]) == 0
    facts = json.loads((tmp_path / "int8" / "export.json").read_text())
    accuracy = facts["scores"]["accuracy"]
    assert accuracy["run"] > 0.9
    assert accuracy["export"] > accuracy["run"] - 0.05
    import onnx

    kinds = [node.op_type for node in onnx.load(str(tmp_path / "int8" / "model.onnx")).graph.node]
    assert "QuantizeLinear" in kinds
    assert "BatchNormalization" not in kinds
    assert [p.name for p in (tmp_path / "int8").glob("*.onnx")] == ["model.onnx"]


@pytest.mark.slow
def test_an_adapter_is_exported_with_its_base(tmp_path, capsys):
    run = made(tmp_path, "text-classification", "lora", max_steps=10)
    assert outcome(["export", str(run.path), "--to", "onnx"]) == 0, capsys.readouterr().err
    same_as_torch(run, "onnx", tmp_path, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "form"),
    [
        ("question-answering", "onnx"),
        ("summarization", "onnx"),
        ("fraud-detection", "onnx"),
        ("image-classification", "onnx"),
        ("image-segmentation", "onnx"),
        ("object-detection", "onnx"),
        ("image-classification", "int8"),
    ],
)
def test_every_scenario_is_exported(scenario, form, tmp_path, capsys):
    run = made(tmp_path, scenario, max_steps=3)
    assert outcome(["export", str(run.path), "--to", form]) == 0, capsys.readouterr().err
    facts = json.loads((run.path / form / "export.json").read_text())
    saved = [p for found, _ in read_predictions(run.path / "predictions.jsonl") for p in found]
    assert facts["compared"] == len(saved)
