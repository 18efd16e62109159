"""A finished run scored on new labelled rows."""

from __future__ import annotations

import json
import shutil
from unittest.mock import ANY

import pandas as pd
import pytest

from toolkit import UserError, load_run
from toolkit.cli.main import outcome
from toolkit.data.in_memory import source_of
from toolkit.recipe.library import find_recipe
from toolkit.reporting import html
from toolkit.runner.evaluate import evaluate
from toolkit.runner.prepare import load_rows
from toolkit.runner.resolve import resolve_recipe
from toolkit.runs import verify
from toolkit.runs.compute import ComputeConfig
from toolkit.runs.folder import Run, read_predictions
from toolkit.runs.predictor import plugin_of
from toolkit.runs.settings import differing


def own_splits(run):
    recipe, plugin = resolve_recipe(find_recipe(str(run.path / "recipe.yaml")))
    return load_rows(recipe, plugin).splits


def predicted(run):
    return [found for batch, _ in read_predictions(run.path / "predictions.jsonl")
            for found in batch]  # fmt: skip


def numbers(found, *above):
    """Key path -> number, of all numbers in nested mappings."""
    if isinstance(found, dict):
        return {path: value for key, inner in found.items()
                for path, value in numbers(inner, *above, key).items()}  # fmt: skip
    return {above: found} if isinstance(found, int | float) else {}


@pytest.fixture
def copied(finished, tmp_path):
    """A run's folder that may be written to."""

    def copy(scenario):
        return Run(shutil.copytree(finished(scenario).path, tmp_path / "run"))

    return copy


@pytest.mark.parametrize(
    "scenario",
    ["text-classification", "question-answering", "image-classification", "token-classification"],
)
def test_its_own_test_rows_give_what_the_run_gave(copied, scenario, tmp_path):
    run = copied(scenario)
    source = source_of(own_splits(run)["test"])
    found = evaluate(run, source)
    assert found.status == "finished"
    assert verify.compare(plugin_of(run.path), predicted(run), predicted(found)).different == 0
    assert numbers(found.metrics["test"]) == pytest.approx(numbers(run.metrics["test"]), abs=1e-5)
    assert numbers(found.record["slices"]) == pytest.approx(numbers(run.record["slices"]), abs=1e-5)
    assert not found.record["failed_parts"]
    assert found.record["baselines"].keys() == run.record["baselines"].keys()
    for part in ("baselines", "verdicts"):
        own = pytest.approx(numbers(run.record[part]), abs=1e-5)
        assert numbers(found.record[part]) == own
    assert found.record["data"]["test_digest"] == run.record["data"]["test_digest"]
    assert found.record["figures"].keys() == run.record["figures"].keys()
    assert found.report.is_file()
    assert run.path in found.path.parents


@pytest.mark.slow
def test_payments_are_scored_as_they_are_predicted(copied, tmp_path):
    run = copied("fraud-detection")
    rows = own_splits(run)["test"].to_pandas()
    columns = [name for name in rows if not name.startswith("__")]
    rows[columns].to_csv(tmp_path / "new.csv", index=False)
    assert outcome(["predict", str(run.path), str(tmp_path / "new.csv"), "--quiet",
                    "-o", str(tmp_path / "out.jsonl")]) == 0  # fmt: skip
    found = evaluate(run, str(tmp_path / "new.csv"))
    given = [json.loads(line)["prediction"]["score"]
             for line in (tmp_path / "out.jsonl").read_text().splitlines()]  # fmt: skip
    assert [one["score"] for one in predicted(found)] == pytest.approx(given, abs=1e-6)
    assert "average_precision" in found.metrics["test"]
    assert found.record["baselines"]
    assert found.record["figures"]
    assert not found.record["failed_parts"]
    assert found.record["data"]["known"]["test"] == 0
    assert found.record["data"]["group"]["columns"] == {"test": ANY}


@pytest.fixture
def lines(finished):
    """The texts of a run's splits: {"train": [...], ...}."""
    return {
        name: rows.to_list() for name, rows in own_splits(finished("text-classification")).items()
    }


def test_rows_that_the_model_has_seen_are_counted_and_scored_without(copied, lines):
    run = copied("text-classification")
    found = evaluate(run, source_of([*lines["test"], *lines["train"][:7]]), baselines=False)
    assert found.record["data"]["known"] == {"models": [str(run.path)], "test": 8}  # test has one
    assert numbers(found.metrics["test_without_overlap"]) == pytest.approx(
        numbers(run.metrics["test_without_overlap"]), abs=1e-5
    )
    assert "baselines" not in " ".join(found.record["data"]["notes"])


def test_a_file_of_training_rows_is_no_test(copied, lines):
    run = copied("text-classification")
    found = evaluate(run, source_of(lines["train"]), baselines=False)
    (note,) = (n for n in found.record["data"]["notes"] if "memory" in n)
    assert note.startswith(f"all 140 rows are known to {run.path}, which was trained or chosen on")
    assert "test_without_overlap" not in found.metrics
    most = evaluate(run, source_of([*lines["train"][:60], *lines["test"]]), baselines=False)
    assert most.record["data"]["notes"][0].startswith("61 of 101 rows are known to")
    assert most.record["metrics"]["test_without_overlap"]


def test_without_the_run_s_rows_the_baselines_are_said_to_be_missing(finished, copied, lines):
    run = copied("text-classification")
    recipe = (run.path / "recipe.yaml").read_text()
    folder = str(finished("text-classification").path.parent / "in")
    assert folder in recipe
    (run.path / "recipe.yaml").write_text(recipe.replace(folder, f"{folder}-gone"))
    found = evaluate(run, source_of(lines["test"]))
    assert numbers(found.metrics["test"]) == pytest.approx(numbers(run.metrics["test"]), abs=1e-5)
    assert found.record["baselines"] == {}
    (note,) = (n for n in found.record["data"]["notes"] if "no baselines" in n)
    assert "no baselines: the run's training rows cannot be read" in note
    assert "there is no such file" in note or "gone" in note


@pytest.mark.parametrize("gone", [False, True])
def test_classes_come_as_codes_or_as_texts(copied, lines, gone, tmp_path):
    run = copied("text-classification")
    if gone:
        text = (run.path / "recipe.yaml").read_text()
        (run.path / "recipe.yaml").write_text(text.replace("/in", "/gone"))
    names = ["tool", "bird", "fruit"]  # in another order than the model's
    import datasets

    features = datasets.Features(
        text=datasets.Value("string"), label=datasets.ClassLabel(names=names)
    )
    rows = [{"text": row["text"], "label": names.index(row["label"])} for row in lines["test"]]
    coded = datasets.Dataset.from_list(rows, features=features)
    found = evaluate(run, source_of(coded), baselines=False)
    assert found.metrics["test"]["accuracy"] == run.metrics["test"]["accuracy"]
    assert "no slices by 'n': the rows have no such column" in found.record["data"]["notes"]


def test_classes_that_the_run_lacks_count_as_wrong_and_are_told(copied, lines):
    run = copied("text-classification")
    rows = [{**row, "label": "cloud"} if place < 5 else row
            for place, row in enumerate(lines["test"])]  # fmt: skip
    found = evaluate(run, source_of(rows), baselines=False)
    notes = " ".join(found.record["data"]["notes"])
    assert "test has classes that the run lacks, counted as wrong: 'cloud' (5)" in notes
    unknown = [{**row, "label": "cloud"} for row in lines["test"]]
    with pytest.raises(UserError, match="no label is a class of the run: cloud; the classes are"):
        evaluate(run, source_of(unknown), baselines=False)


def test_evaluations_are_reported_and_compared_like_runs(copied, lines, capsys):
    run = copied("text-classification")
    one = evaluate(run, source_of(lines["test"]), run.path.parent / "elsewhere", baselines=False)
    two = evaluate(run, source_of(lines["test"]), baselines=False)
    assert outcome(["compare", str(one.path), str(two.path)]) == 0
    three = evaluate(run, source_of(lines["test"]), baselines=False,
                     computing=ComputeConfig(dtype="float32", devices=("cpu",)))  # fmt: skip
    assert three.record["evaluates"] == {"run": "../..", "runtime": "torch", "dtype": "float32"}
    assert differing(one, two) == []
    other = {**two.record, "evaluates": {**two.record["evaluates"], "runtime": "int8"}}
    (two.path / "run.json").write_text(json.dumps(other))
    assert [tuple(each) for each in differing(one, Run(two.path))] == [("runtime", "torch", "int8")]
    assert outcome(["compare", str(run.path), str(two.path)]) == 0
    assert "0 rows changed" in capsys.readouterr().out
    page = html.write(two, run.path.parent / "page.html").read_text()
    assert f"toolkit evaluate {run.path}" in page
    assert "--runtime torch --dtype float32" in page
    assert "How did training go?" not in page
    assert "evaluated on new rows: " in page
    assert outcome(["runs", str(run.path)]) == 0
    assert "evaluation of text-classification on " in " ".join(capsys.readouterr().out.split())
    assert outcome(["evaluate", str(two.path), "x.csv"]) == 2


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ("texts,label\na,b\n", [], "reads as options.text. Did you mean 'texts'?"),
        ("text\na\n", [], "Name the right one with --column label=COLUMN"),
        ("text,label\n,bird\n", [], "no row can be used: 1 with empty text"),
        ("text,label\na,bird\n", ["--column", "text=txt"], "has no column 'txt'"),
        ("text,label\na,bird\n", ["--column", "txt=text"], "the model reads no column 'txt'"),
        ("text,label\na,bird\n", ["--set", "training.seed=1"], "is not read here"),
        ("text,label\na,bird\n", ["--split", "dev"], "--split: 'dev' is none of train"),
        ("text,label\na,bird\n", ["--device", "cuda:9"], "device cuda:9: is not here"),
    ],
)
def test_a_mistake_gets_one_message_and_leaves_nothing(
    finished, tmp_path, rows, options, message, capsys
):
    run = finished("text-classification").path
    before = sorted(run.rglob("*"))
    (tmp_path / "rows.csv").write_text(rows)
    assert outcome(["evaluate", str(run), str(tmp_path / "rows.csv"), *options]) == 2
    assert message in capsys.readouterr().err
    assert sorted(run.rglob("*")) == before


def test_from_python(copied, lines, capsys):
    run = load_run(copied("text-classification").path)
    rows = pd.DataFrame(lines["test"]).rename(columns={"text": "message"})
    found = run.evaluate(rows, columns={"text": "message"}, baselines=False)
    assert found.metrics["test"]["accuracy"] == run.metrics["test"]["accuracy"]
    found.summary()
    assert "rows: train 140, test 41" in capsys.readouterr().out
