"""What a stranger's rows, recipes and run folders cannot do: move a terminal, mark up a page, write
elsewhere, carry off a token."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from pathlib import Path

import pytest
import yaml
from hostile import (
    COLUMN,
    LABEL,
    NAME,
    OBEYED,
    assert_no_markup,
    assert_plain_picture,
    everything,
    ran,
)
from text_rows import sentences

from toolkit.cli.main import main, outcome
from toolkit.errors import UserError
from toolkit.plugin_types import Curve
from toolkit.reporting import figures
from toolkit.runs.writer import RunWriter
from toolkit.utils.text import printable_line

TOKEN = "hf_" + "QwErTyUiOp" * 4


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, tiny_model):
    """Run a recipe whose names, columns and labels are all hostile; return what was printed."""
    here = tmp_path_factory.mktemp("hostile") / "here"
    here.mkdir()
    rows = [{"text": text, "label": label, COLUMN: f"{COLUMN} {n % 2}"}
            for n, (text, label) in enumerate(sentences(120))]  # fmt: skip
    # A class that train lacks is named in the notes; as a slice it stands in the card.
    for row in rows[100::4]:
        row["label"] = LABEL
    for name, part in (("train", rows[:100]), ("test", rows[100:])):
        (here / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    recipe = {
        "scenario": "text-classification", "model": str(tiny_model), "method": "head",
        "data": {"source": {name: f"{name}.jsonl" for name in ("train", "test")}},
        "report": {"slices": [COLUMN]},
    }  # fmt: skip
    (here / f"{NAME}.yaml").write_text(json.dumps(recipe).replace("\\u001b", "\\x1b"))
    before = everything(here.parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setenv("HF_TOKEN", TOKEN)
        said = ran("run", f"{NAME}.yaml") + ran("show", f"{NAME}.yaml")
    (run,) = (here / "runs" / NAME).iterdir()
    return said, run, everything(here.parent) - before


def test_the_terminal_is_shown_what_it_would_obey(hostile):
    said, _, _ = hostile
    assert not OBEYED.search(said)
    flat = " ".join(said.split())
    assert "\\x1b[31m<script>alert(1)</script> [bold red]a|b[/] **c** `d` \\u202efed" in flat
    assert "\\x1b[2J<b>mine [red] `x` |" in flat


def test_the_model_card_holds_no_markup_of_the_rows(hostile):
    _, run, _ = hostile
    card = (run / "README.md").read_text(encoding="utf-8")
    assert_no_markup(card)
    _, front, body = card.split("---\n", 2)
    assert yaml.safe_load(front)["model-index"][0]["name"] == printable_line(NAME)
    assert sum("channel" in line for line in body.splitlines() if line.startswith("|")) == 2


def test_predictions_and_record_keep_the_texts_as_they_are(hostile):
    _, run, _ = hostile
    lines = (run / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["reference"] for line in lines} >= {LABEL}
    assert f"{COLUMN} 0" in json.loads((run / "run.json").read_text())["slices"][COLUMN]


def test_all_that_is_written_stands_in_the_runs_folder(hostile):
    _, run, new = hostile
    inside = f"here/runs/{NAME}/{run.name}"
    assert {path for path in new if not path.startswith(inside)} == {
        "here/runs", f"here/runs/{NAME}"
    }  # fmt: skip


def test_the_token_of_the_environment_is_nowhere(hostile):
    said, run, _ = hostile
    assert TOKEN not in said
    written = [path for path in run.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]


@pytest.mark.parametrize("value", [TOKEN, "secret-of-another-form"])
def test_no_message_holds_a_token(value, monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", value)
    for words in (["check", f"{value}.yaml"], ["show", value], [value], ["run", "x", value],
                  ["check", "text-classification", "--no-estimate", "--set", f"model=a/{value}"],
                  ["check", "text-classification", "--set", f"options.text={value}"]):  # fmt: skip
        assert outcome(words) == 2
        shown_ = capsys.readouterr()
        assert value not in shown_.err + shown_.out
        assert "hf_***" in shown_.err or "token" in shown_.err


@pytest.mark.parametrize("name", ["..", ".", "../../x", "a/../../b", "/etc", "...", "a/."])
def test_no_name_of_a_recipe_leads_out_of_the_folder_of_runs(name, tmp_path, monkeypatch):
    here = tmp_path / "a" / "b" / "here"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    folder = RunWriter.create(None, name)
    folder.release()
    runs = here / "runs"
    assert folder.path.is_relative_to(runs)
    assert folder.path != runs
    assert not [p for p in everything(tmp_path) if not p.startswith(("a/b/here/runs", "a/b/here"))
                and p not in ("a", "a/b")]  # fmt: skip


@pytest.mark.parametrize("what", ["recipe.yaml", "model", "checkpoints", "logs/x", "run.json"])
def test_a_run_is_not_taken_up_through_links(what, tmp_path):
    run = tmp_path / "run"
    (run / what).parent.mkdir(parents=True, exist_ok=True)
    (run / what).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="leads out of the folder"), RunWriter.held(run):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_links_within_a_run_are_as_good_as_files(tmp_path):
    (tmp_path / "run" / "big").mkdir(parents=True)
    (tmp_path / "run" / "checkpoints").symlink_to(tmp_path / "run" / "big")
    with RunWriter.held(tmp_path / "run") as folder:
        assert (folder.path / "run.lock").exists()


def test_every_training_setting_that_names_a_place_or_a_service_is_refused():
    import transformers

    from toolkit.training.reserved import RESERVED

    # A version of transformers that brings another such field must be looked at.
    names = {field.name for field in dataclasses.fields(transformers.TrainingArguments)}
    places = {n for n in names if re.search(r"_dir$|path|file|hub_|_hub|trackio|_token$", n)}
    assert places <= set(RESERVED)
    assert {"output_dir", "hub_token", "push_to_hub"} <= places


HOSTILE_NAMES = ["../../x", "/etc/x", "a/b", "..", ".", "", "\x1b[31m", "x" * 400, "a b", "a:b"]


def test_figures_stay_in_their_folder_whatever_they_are_called(tmp_path):
    run = tmp_path / "outer" / "run"
    run.mkdir(parents=True)
    curve = Curve("t", "x", "y", {"line": [(0, 0), (1, 1)]})
    found = figures.write(run, dict.fromkeys(HOSTILE_NAMES, curve))
    assert list(found) == HOSTILE_NAMES
    assert len(set(found.values())) == len(HOSTILE_NAMES)
    assert all((run / path).is_file() for path in found.values())
    written = {path for path in everything(tmp_path) if "." in Path(path).name}
    assert all(path.startswith("outer/run/figures/") for path in written)


def test_a_figure_is_xml_whatever_the_classes_are_called():
    curve = Curve(LABEL, COLUMN, NAME, {LABEL: [(0, 0), (1, 1)]}, {COLUMN: (0.5, 0.5)})
    assert_plain_picture(figures.svg(curve))


def test_a_traceback_and_the_logs_of_libraries_hold_no_token(monkeypatch, capfd):
    import logging

    monkeypatch.setattr(sys, "argv", ["toolkit", "--debug", "check", f"{TOKEN}.yaml"])
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    with pytest.raises(SystemExit, match="2"):
        main()
    handler = logging.StreamHandler()  # writes to the stderr of now, as those of libraries do
    handler.emit(logging.LogRecord("hub", 40, "", 0, "sent %s", (f"Bearer {TOKEN}",), None))
    said = capfd.readouterr().err
    assert "Traceback" in said
    assert "sent Bearer hf_***" in said
    assert TOKEN not in said
