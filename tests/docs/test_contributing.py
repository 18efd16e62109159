"""The walkthroughs of CONTRIBUTING.md, executed as they stand there."""

from __future__ import annotations

import json

import pytest
from text_rows import sentences
from walkthrough import ROOT, blocks, follow, section

MODEL = "sentence-transformers/all-MiniLM-L6-v2"


def followed(title, folder, tiny_model):
    """Write the files and run the commands of a section, with a tiny model; return what is said."""

    def added(arguments):
        needs_one = arguments[0] in ("run", "check") and title != "Add a scenario"
        return ["--model", str(tiny_model)] if needs_one else []

    def changed(text):
        return text.replace(MODEL, str(tiny_model))

    return follow(section(title), folder, changed, added)


def test_add_a_recipe(tmp_path, tiny_model):
    lines = [
        f"{text},{'yes' if label == 'tool' else 'no'},{'mail' if len(text) % 2 else 'phone'}"
        for text, label in sentences(120)
    ]
    (tmp_path / "urgent.csv").write_text("message,urgent,channel\n" + "\n".join(lines))
    printed = followed("Add a recipe", tmp_path, tiny_model)
    assert "ready to train" in printed
    record = json.loads((tmp_path / "urgent-run" / "run.json").read_text())
    assert record["status"] == "finished"
    assert set(record["slices"]["channel"]) == {"mail", "phone"}


def test_add_a_scenario(tmp_path, tiny_model):
    shelf = tmp_path / "text_regression" / "recipes" / "text-regression"
    shelf.mkdir(parents=True)
    lines = [f"{text},{len(text) / 10}" for text, _ in sentences(120)]
    (shelf / "hours.csv").write_text("message,hours\n" + "\n".join(lines))
    printed = followed("Add a scenario", tmp_path, tiny_model)
    assert "text-regression (from text-regression)" in printed
    record = json.loads((tmp_path / "hours-run" / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["reload"]["different"] == 0
    score = record["metrics"]["test"]["mae"]
    assert score["no_interval"].startswith("under 50 rows")
    assert record["headline"] == {"metric": "mae", "greater_is_better": False}
    explained = json.loads((tmp_path / "hours-run" / "logs" / "explanations.json").read_text())
    assert all("value" in row["scores"] and row["parts"] for row in explained["rows"].values())
    assert explained["rows"]


def test_add_metrics_or_commands(tmp_path, tiny_model):
    printed = followed("Add metrics or commands", tmp_path, tiny_model)
    assert "\n  team-tools:share-missed\n" in printed
    assert "ready to train" in printed
    assert "team-tools is here" in printed


def test_the_walkthroughs_plugin_is_short():
    plugin = next(
        block["text"]
        for block in blocks(section("Add a scenario"))
        if (block["file"] or "").endswith(".py")
    )
    code = [line for line in plugin.splitlines() if line.strip()]
    assert len(code) <= 45


@pytest.mark.parametrize(
    "command",
    ["pip install -c constraints.txt -e '.[starter,vision,tabular,generation,serve,onnx,test]'"],
)
def test_readme_and_contributing_name_the_same_set_up(command):
    for page in ("README.md", "CONTRIBUTING.md"):
        assert command in (ROOT / page).read_text(encoding="utf-8")
