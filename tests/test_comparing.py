"""Runs side by side: the same rows, paired differences, and what cannot be compared."""

import json
import shutil

import pytest
from conftest import sentences

import toolkit
from toolkit import comparing
from toolkit.cli.main import outcome
from toolkit.errors import UserError


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_model):
    """A model that has learnt nothing, and one that has learnt all there is."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "rows.csv").write_text(
        "text,label\n" + "".join(f"{text},{label}\n" for text, label in sentences(240))
    )
    made = {}
    for name, epochs, rate in (("nothing", 1, 0.0), ("all", 15, 3e-3)):
        made[name] = toolkit.run(
            "text-classification", data=folder / "rows.csv", model=tiny_model, out=folder / name,
            settings={"training": {"num_train_epochs": epochs, "learning_rate": rate},
                      "method": {"name": "full", "head": "random"},
                      "data.split": {"test": 0.4, "validation": 0.1, "stratify": True}},
        ).path  # fmt: skip
    return made


def test_a_better_run_is_told_from_a_worse_one(runs):
    (found,) = comparing.compare([runs["nothing"], runs["all"]])
    accuracy = found.differences["accuracy"]
    assert accuracy.value - accuracy.baseline > 0.2
    assert 0 < accuracy.low < accuracy.value - accuracy.baseline < accuracy.high
    assert accuracy.better is True
    assert accuracy.p == pytest.approx(2 / 1001)  # no draw of a thousand says otherwise
    assert found.differences["log_loss"].better is True  # less of it
    assert found.gained - found.lost == pytest.approx(96 * (accuracy.value - accuracy.baseline))
    assert found.mcnemar < 1e-4
    for change in found.changes:  # right in one of the two
        assert change.reference in (change.prediction["label"], change.baseline["label"])


def test_the_other_way_round_it_is_worse(runs):
    (found,) = comparing.compare([runs["all"], runs["nothing"]])
    assert found.differences["accuracy"].better is False
    assert found.differences["accuracy"].high < 0


def test_a_run_is_no_better_than_itself(runs):
    (found,) = comparing.compare([runs["all"], runs["all"]])
    assert found.differences["accuracy"].better is None
    assert found.differences["accuracy"].p == 1.0
    assert (found.gained, found.lost, found.mcnemar, found.changes) == (0, 0, 1.0, [])


def test_the_p_of_draws_on_both_sides():
    assert comparing.two_sided([-1.0, 1.0, 1.0, 1.0, float("nan")]) == pytest.approx(2 * 2 / 5)
    assert comparing.two_sided([0.0] * 9) == 1.0


def test_the_terminal_shows_it_in_a_narrow_window(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    assert outcome(["compare", str(runs["nothing"]), str(runs["all"])]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 70
    for part in ("baseline", "accuracy", "better", "McNemar p = < 0.001", "gained", "row "):
        assert part in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(scenario="question-answering"), "is of question-answering"),
        (lambda r: r["data"]["rows"].update(test=95), "95 test rows, the other 96"),
        (lambda r: r["data"].update(test_digest="0"), "its test rows are others"),
        (lambda r: r.update(status="failed"), "is failed, not finished"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(runs, tmp_path, change, message):
    other = shutil.copytree(runs["all"], tmp_path / "other")
    record = json.loads((other / "run.json").read_text())
    change(record)
    (other / "run.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=message):
        comparing.compare([runs["nothing"], other])


def test_other_labels_of_the_same_rows_are_refused(runs, tmp_path):
    other = shutil.copytree(runs["all"], tmp_path / "other")
    lines = (other / "predictions.jsonl").read_text().splitlines()
    lines[3] = json.dumps(json.loads(lines[3]) | {"reference": "metal"})
    (other / "predictions.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match="row 3 of test has another label"):
        comparing.compare([runs["nothing"], other])


def test_wrong_folders_are_told_at_once(runs, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert outcome(["compare", str(runs["all"].parent / "al"), str(tmp_path / "empty")]) == 2
    said = capsys.readouterr().err
    assert "is not there. Did you mean 'all'?" in said
    assert "holds no finished run" in said
    assert outcome(["compare", str(runs["all"])]) == 2


def test_a_folder_of_runs_stands_for_its_newest(runs):
    assert comparing.find([str(runs["all"].parent)]) == [runs["nothing"]]  # the last by name


def test_runs_are_listed_damaged_ones_too(runs, tmp_path, capsys):
    shutil.copytree(runs["all"], tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "run.json").write_text("{")
    assert outcome(["runs", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("finished") and "accuracy 0." in line for line in lines)
    assert any(line.startswith("damaged") for line in lines)
    assert outcome(["runs", str(tmp_path / "nowhere")]) == 2
