"""Cross-validation: each row is tested once, and the scores are over all of them."""

import json
import shutil

import numpy as np
import pytest
from text_rows import sentences

from toolkit.cli.main import outcome
from toolkit.runs.fold_folder import FoldRuns

ROWS = 90


@pytest.fixture(scope="module")
def asked(tmp_path_factory, tiny_model):
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    lines = "".join(f"{text},{label}\n" for text, label in sentences(ROWS))
    path.write_text("text,label\n" + lines)
    return [
        "text-classification", "--quiet", "--data", str(path), "--model", str(tiny_model),
        "--set", "training={num_train_epochs: 2, learning_rate: 5.0e-3}",
        "--set", "report.metrics=[accuracy, log_loss]",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory, asked):
    out = tmp_path_factory.mktemp("folds") / "out"
    assert outcome(["run", *asked, "--folds", "3", "--out", str(out)]) == 0
    return FoldRuns(out)


def lines(path):
    return [json.loads(line) for line in (path / "predictions.jsonl").read_text().splitlines()]


def test_each_row_is_tested_once_and_scores_are_over_all(found):
    assert [run.path.name for run in found.runs] == ["fold-1", "fold-2", "fold-3"]
    tested = [line for run in found.runs for line in lines(run.path)]
    assert len(tested) == found.record["rows"] == ROWS
    labels = sorted(line["reference"] for line in tested)
    assert labels == sorted(label for _, label in sentences(ROWS))
    right = [line["prediction"]["label"] == line["reference"] for line in tested]
    score = found.metrics["accuracy"]
    assert score["value"] == pytest.approx(np.mean(right))
    assert score["low"] <= score["value"] <= score["high"]
    assert score["values"] == [run.metrics["test"]["accuracy"]["value"] for run in found.runs]
    one = found.runs[0].metrics["test"]["accuracy"]
    assert score["high"] - score["low"] < one["high"] - one["low"]  # more rows know more
    digests = {run.record["data"]["test_digest"] for run in found.runs}
    assert len(digests) == 3


def test_baselines_are_those_of_the_same_rows(found):
    rows = [line for run in found.runs for line in lines(run.path / "baselines" / "majority")]
    right = [line["prediction"]["label"] == line["reference"] for line in rows]
    got = found.record["baselines"]["majority"]["accuracy"]
    assert len(rows) == ROWS
    assert got["value"] == pytest.approx(np.mean(right))
    verdict = found.record["verdicts"]["majority"]["accuracy"]
    difference = found.metrics["accuracy"]["value"] - got["value"]
    assert verdict["difference"] == pytest.approx(difference)
    page = (found.path / "README.md").read_text()
    assert f"baseline majority: accuracy {got['value']:.3f}" in page


def test_they_are_listed_as_one_and_not_compared(found, capsys):
    assert outcome(["runs", str(found.path.parent)]) == 0
    assert "3 of 3 folds, accuracy 0." in capsys.readouterr().out
    assert outcome(["compare", str(found.path), str(found.path)]) == 2
    assert "holds the folds of one recipe" in capsys.readouterr().err


def test_resuming_runs_what_is_missing_alone(found, asked, tmp_path):
    copy = FoldRuns(shutil.copytree(found.path, tmp_path / "out"))
    shutil.rmtree(copy.folder_of(2))
    copy.write(status="interrupted")
    before = (copy.folder_of(1) / "run.json").stat().st_mtime_ns
    assert outcome(["run", *asked, "--folds", "3", "--out", str(copy.path), "--resume"]) == 0
    again = FoldRuns(copy.path)
    assert again.metrics == found.metrics
    assert (copy.folder_of(1) / "run.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(("options", "said"), [
    (["--folds", "1"], "cross-validation takes two folds or more"),
    (["--folds", "3", "--seeds", "3"], "give one of them"),
    (["--folds", "3", "--set", "data.split.folds=4"], "is 4, and --folds 3"),
    (["--folds", "3", "--set", "data.split.time=when"], "which `time` and `windows` exclude"),
    (["--set", "data.split.fold=2"], "`fold` is 2, of no folds"),
    (["--folds", "90"], "is 90, and there are 90 rows"),
])  # fmt: skip
def test_what_cannot_be_folded_is_refused(asked, tmp_path, capsys, options, said):
    assert outcome(["run", *asked, *options, "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
