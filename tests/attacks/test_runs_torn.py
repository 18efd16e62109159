"""recipe.yaml and run.json, missing, empty or torn: a run with whole checkpoints goes on."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml
from attacks.small import record

from toolkit.cli.main import outcome
from toolkit.testing.interruptions import assert_same_end

HARM = {
    "missing": lambda file: file.unlink(),
    "empty": lambda file: file.write_bytes(b""),
    "half": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "zeros": lambda file: file.write_bytes(b"\0" * file.stat().st_size),
    "first lines": lambda file: file.write_bytes(
        b"".join(file.read_bytes().splitlines(keepends=True)[:5])
    ),
}
FILES = [("run.json",), ("recipe.yaml",), ("run.json", "recipe.yaml")]
FAST = {("half", FILES[2])}


@pytest.fixture
def out(small_runs, tmp_path):
    """A copy of the killed run."""
    shutil.copytree(small_runs / "killed", tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("harm", "files"),
    [pytest.param(harm, files, marks=() if (harm, files) in FAST else pytest.mark.nightly)
     for harm in HARM for files in FILES],
)  # fmt: skip
def test_it_goes_on_from_its_checkpoint(small_runs, out, harm, files, capsys):
    for name in files:
        HARM[harm](out / name)
    # As the message of an interrupted run says it: the run's own recipe is the one that is torn.
    assert outcome(["run", str(out / "recipe.yaml"), "--out", str(out), "--resume"]) == 0
    assert_same_end(out, small_runs / "whole")
    (start,) = record(out)["resumed"]
    assert start["step"] == 2
    recipes = [
        yaml.safe_load((run / "recipe.yaml").read_text()) for run in (out, small_runs / "whole")
    ]
    assert recipes[0] == recipes[1]


def test_by_the_words_that_it_was_begun_with(small_runs, out, small_words, capsys):
    for name in FILES[2]:
        HARM["empty"](out / name)
    assert outcome(["run", *small_words, "--out", str(out), "--resume"]) == 0
    assert "run.json was missing or damaged: written anew, as checkpoint-2 has it" in " ".join(
        capsys.readouterr().out.split()
    )
    assert_same_end(out, small_runs / "whole")


@pytest.mark.nightly
def test_without_a_checkpoint_it_begins_anew(small_runs, out, small_words, capsys):
    shutil.rmtree(out / "checkpoints")
    HARM["half"](out / "run.json")
    assert outcome(["run", *small_words, "--out", str(out), "--resume"]) == 0
    assert "run.json was damaged, and no checkpoint has a copy" in capsys.readouterr().out
    assert_same_end(out, small_runs / "whole")


def test_what_its_checkpoints_were_made_of_is_compared(out, small_words, capsys):
    for name in FILES[2]:
        HARM["missing"](out / name)
    other = [*small_words, "--set", "training.learning_rate=0.1", "--seed", "3"]
    assert outcome(["run", *other, "--out", str(out), "--resume"]) == 2
    said = capsys.readouterr().err
    assert "training.learning_rate: is 0.1, but 0.001 in the recipe of the run" in said
    assert "seed: is 3" in said
    assert (out / "checkpoints" / "checkpoint-2").is_dir()


def test_a_recipe_that_somebody_has_edited_is_told_and_kept(out, capsys):
    recipe = out / "recipe.yaml"
    edited = recipe.read_text().replace("seed: 42", "seed: 43").replace("seed: 0", "seed: 1")
    assert edited != recipe.read_text()
    recipe.write_text(edited)
    assert outcome(["run", str(recipe), "--out", str(out), "--resume"]) == 2
    assert "seed: is" in capsys.readouterr().err
    assert recipe.read_text() == edited


@pytest.mark.nightly
def test_the_last_run_is_found_without_its_record(
    small_runs, small_words, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "text-classification" / "2026-01-01_00-00-00"
    shutil.copytree(small_runs / "killed", run)
    HARM["empty"](run / "run.json")
    assert outcome(["run", *small_words, "--quiet", "--resume"]) == 0
    assert_same_end(run, small_runs / "whole")
    assert [path.name for path in run.parent.iterdir()] == [run.name]


def test_a_manifest_that_is_none_is_told(small_runs, out):
    from toolkit.training import checkpoints

    manifest = out / "checkpoints" / "checkpoint-2" / checkpoints.MANIFEST
    for content in ("[]", "{}", "null", "", json.dumps({"x": 3})):
        manifest.write_text(content)
        found = checkpoints.newest(out / "checkpoints")
        assert found.path is None, content
        assert found.passed_over[0].startswith("checkpoint-2: complete.json ")
