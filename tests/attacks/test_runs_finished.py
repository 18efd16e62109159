"""--resume of a finished run: what is asked for is compared with what it was made of."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from attacks.small import record

from toolkit.cli.main import outcome
from toolkit.runs.folder import last_unfinished
from toolkit.runs.record import SCHEMA_VERSION
from toolkit.utils import locks


@contextmanager
def untouched(run):
    """Nothing in the folder changes meanwhile."""
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    yield
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_the_same_again_shows_its_scores(small_runs, small_words, capsys):
    run = small_runs / "whole"
    for recipe in (small_words, [str(run / "recipe.yaml")]):
        with untouched(run):
            assert outcome(["run", *recipe, "--out", str(run), "--resume"]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert "whole is finished: nothing was run" in said
        assert "accuracy" in said


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--set", "training.learning_rate=0.5"], ["training.learning_rate: is 0.5, but 0.001"]),
        (["--seed", "9", "--method", "head"], ["seed: is 9", "method.name: is 'head'"]),
        (["--set", "report.metrics=[f1]"], ["report.metrics: is ['f1'], but ['accuracy']"]),
        (["--set", "options.text=txt"], ["options.text: is 'txt'"]),
    ],
)
def test_another_recipe_is_told_key_by_key(small_runs, small_words, capsys, more, says):
    run = small_runs / "whole"
    with untouched(run):
        assert outcome(["run", *small_words, *more, "--out", str(run), "--resume"]) == 2
    said = capsys.readouterr()
    assert all(part in said.err for part in says), said.err
    assert "Traceback" not in said.err
    assert "accuracy" not in said.out


@pytest.fixture
def copied(small_runs, tmp_path):
    """A copy of the finished run."""
    shutil.copytree(small_runs / "whole", tmp_path / "run")
    return tmp_path / "run"


def test_other_rows_and_another_model_are_told_together(small_words, copied, capsys):
    there = record(copied)
    there["data"]["fingerprint"], there["model"]["revision"] = "other", "other"
    (copied / "run.json").write_text(json.dumps(there))
    assert outcome(["run", *small_words, "--out", str(copied), "--resume"]) == 2
    said = capsys.readouterr().err
    assert "data.source: the rows have changed since the start of the run" in said
    assert "model: has changed since the start of the run" in said


@pytest.mark.parametrize("status", ["finished", "interrupted"])
def test_other_versions_of_packages_are_told(small_words, copied, capsys, status):
    there = record(copied)
    there["status"] = status
    there["environment"]["packages"] |= {"torch": "1.0", "numpy": "1.1", "toolkit": "0.1"}
    (copied / "run.json").write_text(json.dumps(there))
    assert outcome(["run", *small_words, "--out", str(copied), "--resume"]) == 2
    said = capsys.readouterr().err
    assert "package torch: is " in said
    assert "but 1.0 in the environment of the run" in said
    assert "pip install numpy==1.1" in said
    assert "package toolkit: is " in said
    assert "pip install finetune-toolkit==0.1" in said
    assert record(copied)["status"] == status


def test_what_a_killed_one_has_left_is_tidied_up(small_words, copied):
    (copied / "checkpoints" / "checkpoint-2").mkdir(parents=True)
    (copied / locks.NAME).write_text("1\nelsewhere\n")
    assert outcome(["run", *small_words, "--quiet", "--out", str(copied), "--resume"]) == 0
    assert not {locks.NAME, "checkpoints"} & {path.name for path in copied.iterdir()}


def test_who_gets_the_lock_late_sees_that_it_is_finished(small_words, copied, capsys, monkeypatch):
    """The one that held it ends the run between the look from outside and the lock."""
    end = (copied / "run.json").read_text()
    (copied / "run.json").write_text(json.dumps({**json.loads(end), "status": "running"}))
    usual = locks.acquire

    def late(folder):
        (copied / "run.json").write_text(end)
        usual(folder)

    monkeypatch.setattr(locks, "acquire", late)
    assert outcome(["run", *small_words, "--out", str(copied), "--resume"]) == 0
    assert "is finished: nothing" in " ".join(capsys.readouterr().out.split())
    assert record(copied) == json.loads(end)
    assert not (copied / locks.NAME).exists()


def test_a_run_of_another_scenario_under_a_built_ins_name_is_not_gone_on_with(
    tmp_path, monkeypatch
):

    monkeypatch.chdir(tmp_path)
    for number, scenario in enumerate(("text-classification", "other")):
        folder = tmp_path / "runs" / "text-classification" / f"2026-01-0{number + 1}"
        folder.mkdir(parents=True)
        record = {"schema_version": SCHEMA_VERSION, "status": "interrupted", "scenario": scenario}
        (folder / "run.json").write_text(json.dumps(record))
    found = last_unfinished("text-classification", "text-classification")
    assert found == Path("runs/text-classification/2026-01-01")
