"""A run's folder from a stranger: what no command reads or writes there."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import pytest

from toolkit.cli.main import outcome
from toolkit.errors import ModelError
from toolkit.reporting import html
from toolkit.runs.folder import Run
from toolkit.runs.predictor import load_predictor
from toolkit.utils import files

KEYS = "ssh-ed25519 AAAA of the user\n"


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A copy of a finished run, beside a file that no command may touch."""
    folder = tmp_path / "outside" / "run"
    shutil.copytree(finished("text-classification").path, folder)
    (tmp_path / "keys").write_text(KEYS)
    return folder


def commands(run: Path, out: Path) -> dict[str, list[str]]:
    (out / "rows.csv").write_text("text\na text\n")
    return {
        "report": ["report", str(run)],
        "predict": ["predict", str(run), str(out / "rows.csv"), "-o", str(out / "out.csv")],
        "compare": ["compare", str(run), str(run)],
        "push": ["push", str(run), "a/b", "--dry-run"],
        "export": ["export", str(run), "--merge", "-o", str(out / "merged")],
        "serve": ["serve", str(run), "--port", "0"],
    }


@pytest.mark.parametrize("name", ["report.html", "run.json", "predictions.jsonl", "recipe.yaml",
                                  "model", "model/config.json", "logs/examples.json", "figures",
                                  "notes"])  # fmt: skip
def test_a_link_that_leads_out_is_neither_read_nor_written_through(run, tmp_path, name, capsys):
    place = run / name
    target = tmp_path / "keys"
    if place.exists():
        target = tmp_path / "elsewhere"
        shutil.move(place, target)
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(target)
    for words in commands(run, tmp_path).values():
        assert outcome(words) == 2
        said = capsys.readouterr().err
        assert f"{place}: is a link that leads out of the folder" in said
    assert (tmp_path / "keys").read_text() == KEYS
    assert sorted(p.name for p in tmp_path.iterdir() if p.name not in ("outside", "elsewhere")) == [
        "keys", "rows.csv",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["predictions.jsonl", "report.html", "model/config.json"])
def test_a_pipe_is_not_waited_for(run, tmp_path, name, capsys):
    (run / name).unlink()
    os.mkfifo(run / name)
    for words in commands(run, tmp_path).values():
        assert outcome(words) == 2
        assert "is a pipe, a socket or a device" in capsys.readouterr().err


def test_no_name_of_a_file_in_the_making_can_be_guessed(run, tmp_path, capsys):
    for name in ("report.html.partial", ".report.html.partial", "run.json.partial"):
        (run / name).symlink_to(tmp_path / "keys")
    assert outcome(["report", str(run)]) == 2  # the links lead out, and are told
    for name in ("report.html.partial", ".report.html.partial", "run.json.partial"):
        (run / name).unlink()
        (run / name).write_text("theirs")
    (run / "report.html").unlink()
    assert outcome(["report", str(run)]) == 0
    assert (run / "report.html").read_text().startswith("<!doctype html>")
    assert (run / "report.html.partial").read_text() == "theirs"
    assert (tmp_path / "keys").read_text() == KEYS
    made = {files.aside(run / "report.html") for _ in range(100)}
    assert len(made) == 100
    assert not [p for p in run.iterdir() if p.name.endswith(files.PARTIAL) and len(p.name) > 30]


def test_a_link_in_the_place_of_the_report_is_replaced(run, tmp_path):
    found = Run(run)
    (run / "report.html").unlink()
    (run / "report.html").symlink_to(tmp_path / "keys")  # between the look and the write
    html.write(found)
    assert (tmp_path / "keys").read_text() == KEYS
    assert not (run / "report.html").is_symlink()


@pytest.mark.parametrize("left", ["out.csv.partial", "out.csv", "out.csv.rejected.jsonl"])
def test_predictions_do_not_go_through_links(run, tmp_path, left, capsys):
    out = tmp_path / "predicted"
    out.mkdir()
    (out / left).symlink_to(tmp_path / "new")
    words = [*commands(run, tmp_path)["predict"][:-1], str(out / "out.csv")]
    code = outcome([*words, "--resume"])
    assert not (tmp_path / "new").exists()
    assert code == (0 if "rejected" in left else 2)


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    place = tmp_path / "a.txt"
    place.write_text("before")
    with pytest.raises(TypeError), files.writing(place) as file:
        file.write("half") + file.write(None)
    assert place.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    with files.writing(place, "wb") as binary:
        binary.write(b"after")
    assert place.read_bytes() == b"after"
    assert place.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize(("name", "said"), [
    ("model.safetensors", "was changed"), ("tokenizer.json", "was changed"),
    ("pytorch_model.bin", "none of the files that the run saved"),
    ("more.safetensors", "none of the files that the run saved"), ("config.json", "is missing"),
])  # fmt: skip
def test_a_saved_model_is_the_one_that_was_saved(run, tmp_path, name, said, capsys):
    file = run / "model" / name
    if said == "is missing":
        file.unlink()
    else:
        with file.open("ab") as more:
            more.write(b" ")
    given = commands(run, tmp_path)
    given["onnx"] = ["export", str(run), "--to", "onnx", "-o", str(tmp_path / "onnx")]
    for command in ("predict", "push", "onnx"):
        assert outcome(given[command]) == 2
        message = capsys.readouterr().err
        assert name in message
        assert said in message
    assert not (tmp_path / "onnx").exists()
    with pytest.raises(ModelError, match=said):  # as `serve` loads it
        load_predictor(run)


def test_the_card_of_a_saved_model_may_be_edited(run, tmp_path):
    (run / "model" / "README.md").write_text("mine")
    assert outcome(commands(run, tmp_path)["predict"]) == 0


def test_a_run_of_before_has_no_digests(run, tmp_path):
    record = json.loads((run / "run.json").read_text())
    assert set(record.pop("model_files")) >= {"model.safetensors", "config.json", "tokenizer.json"}
    (run / "run.json").write_text(json.dumps(record))
    assert outcome(commands(run, tmp_path)["predict"]) == 0


def test_cells_that_a_spreadsheet_executes_are_quoted(run, tmp_path, capsys):
    rows = ["=HYPERLINK(1)", "+1-cmd", "@SUM(1)", "-2+3", "-1.5", "+3", "a=b", " =1+1"]
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps({"text": row, "=x": row}) + "\n" for row in rows))
    for raw in (False, True):
        out = tmp_path / f"{raw}.csv"
        words = ["predict", str(run), str(source), "-o", str(out), *["--raw"] * raw]
        assert outcome(words) == 0
        lines = list(csv.reader(out.read_text().splitlines()))
        kept = rows if raw else [*(f"'{row}" for row in rows[:4]), *rows[4:7], "' =1+1"]
        assert [line[0] for line in lines[1:]] == kept
        assert lines[0][1] == ("=x" if raw else "'=x")
