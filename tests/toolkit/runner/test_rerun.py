"""A run that is repeated from its folder: what differs is said, and what it gave is compared."""

import json
import shutil

import pytest

import toolkit
from toolkit.cli.main import outcome


@pytest.fixture(scope="module")
def first(tmp_path_factory, tiny_model):
    """A finished run of a few steps, and the rows that it has read."""
    from text_rows import sentences

    folder = tmp_path_factory.mktemp("first")
    rows = "\n".join(f"{text},{label}" for text, label in sentences(160))
    (folder / "rows.csv").write_text(f"text,label\n{rows}\n")
    settings = {"training": {"max_steps": 6, "per_device_train_batch_size": 8}}
    toolkit.run("text-classification", data=folder / "rows.csv", model=tiny_model,
                out=folder / "run", settings=settings)  # fmt: skip
    return folder


@pytest.fixture
def copied(first, tmp_path):
    """A copy of the run that may be changed: a function that changes its record and returns it."""
    run = tmp_path / "was"
    shutil.copytree(first / "run", run)

    def change(*path, value):
        record = json.loads((run / "run.json").read_text())
        inner = record
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        (run / "run.json").write_text(json.dumps(record))
        return run

    return change


def test_a_repeated_run_has_the_same_scores(first, tmp_path, capsys):
    assert outcome(["rerun", str(first / "run"), "--out", str(tmp_path / "again"), "--strict"]) == 0
    assert "the same scores as" in capsys.readouterr().out
    again = toolkit.load_run(tmp_path / "again")
    assert again.record["repeats"] == {
        "run": str((first / "run").resolve()), "differences": [], "unequal_scores": {},
    }  # fmt: skip
    assert again.record["recipe"] == toolkit.load_run(first / "run").record["recipe"]
    names = ("predictions.jsonl", "model/model.safetensors")
    for name in names:
        assert (again.path / name).read_bytes() == (first / "run" / name).read_bytes()


def test_what_differs_is_named_and_strict_refuses_it(copied, tmp_path, capsys):
    run = copied("environment", "packages", "torch", value="1.0")
    run = copied("data", "fingerprint", value="other rows")
    command = ["rerun", str(run), "--out", str(tmp_path / "again")]
    assert outcome([*command, "--strict"]) == 2
    said = capsys.readouterr().err
    assert "torch: was 1.0, is 2" in said
    assert "data (fingerprint of contents and splits): was other rows" in said
    assert not (tmp_path / "again").exists()
    assert outcome(command) == 0
    assert "differs: torch: was 1.0" in capsys.readouterr().out
    assert len(toolkit.load_run(tmp_path / "again").record["repeats"]["differences"]) == 2


def test_other_scores_are_told_and_fail_a_strict_repetition(copied, tmp_path, capsys):
    run = copied("metrics", "test", "accuracy", "value", value=0.123)
    assert outcome(["rerun", str(run), "--out", str(tmp_path / "again"), "--strict"]) == 1
    assert "other scores than" in (said := capsys.readouterr().err)
    assert "test.accuracy 0.123 and now" in said
    unequal = toolkit.load_run(tmp_path / "again").record["repeats"]["unequal_scores"]
    assert list(unequal) == ["test.accuracy"]


def test_only_a_finished_run_is_repeated(copied, capsys):
    run = copied("status", value="failed")
    assert outcome(["rerun", str(run)]) == 2
    assert "is failed: only a finished run can be repeated" in capsys.readouterr().err
    assert outcome(["rerun", str(run / "model")]) == 2
    assert "is no run's folder" in capsys.readouterr().err
