"""The walkthroughs of CONTRIBUTING.md, executed as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import sentences

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"<!-- (file: (?P<file>[^ ]+)|run) -->\n```\w*\n(?P<text>.*?)```", re.DOTALL)


def section(title):
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


def follow(title, folder, tiny_model):
    """Write the files and run the commands of a section; return what the commands printed."""
    site = folder / "site"
    environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "100"}
    printed = ""
    for block in BLOCK.finditer(section(title)):
        if block["file"]:
            path = folder / block["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            text = block["text"].replace("sentence-transformers/all-MiniLM-L6-v2", str(tiny_model))
            path.write_text(text, encoding="utf-8")
            continue
        for line in block["text"].strip().splitlines():
            program, *arguments = line.partition("#")[0].split()
            if program == "pip":
                # Into a folder of its own, from what is installed: no network, nothing left behind.
                arguments += ["--target", str(site), "--no-deps", "--no-build-isolation", "-q"]
            elif arguments[0] in ("run", "check") and title != "Add a scenario":
                arguments += ["--model", str(tiny_model)]
            done = subprocess.run(
                [sys.executable, "-m", program, *arguments],
                cwd=folder, env=environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            printed += done.stdout
    return printed


def test_add_a_recipe(tmp_path, tiny_model):
    lines = [
        f"{text},{'yes' if label == 'tool' else 'no'},{'mail' if len(text) % 2 else 'phone'}"
        for text, label in sentences(120)
    ]
    (tmp_path / "urgent.csv").write_text("message,urgent,channel\n" + "\n".join(lines))
    printed = follow("Add a recipe", tmp_path, tiny_model)
    assert "ready to train" in printed
    record = json.loads((tmp_path / "urgent-run" / "run.json").read_text())
    assert record["status"] == "finished"
    assert set(record["slices"]["channel"]) == {"mail", "phone"}


def test_add_a_scenario(tmp_path, tiny_model):
    shelf = tmp_path / "text_regression" / "recipes" / "text-regression"
    shelf.mkdir(parents=True)
    lines = [f"{text},{len(text) / 10}" for text, _ in sentences(120)]
    (shelf / "hours.csv").write_text("message,hours\n" + "\n".join(lines))
    printed = follow("Add a scenario", tmp_path, tiny_model)
    assert "text-regression (from text-regression)" in printed
    record = json.loads((tmp_path / "hours-run" / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["reload"]["different"] == 0
    score = record["metrics"]["test"]["mae"]
    assert score["low"] < score["value"] < score["high"]
    assert record["headline"] == {"metric": "mae", "greater_is_better": False}


def test_add_metrics_or_commands(tmp_path, tiny_model):
    printed = follow("Add metrics or commands", tmp_path, tiny_model)
    assert "\n  team-tools:share-missed\n" in printed
    assert "ready to train" in printed
    assert "team-tools is here" in printed


def test_the_walkthroughs_plugin_is_short():
    plugin = next(b["text"] for b in BLOCK.finditer(section("Add a scenario"))
                  if (b["file"] or "").endswith(".py"))  # fmt: skip
    code = [line for line in plugin.splitlines() if line.strip()]
    assert len(code) <= 45


@pytest.mark.parametrize(
    "command", ["pip install -c constraints.txt -e '.[starter,vision,tabular,test]'"]
)
def test_readme_and_contributing_name_the_same_set_up(command):
    for page in ("README.md", "CONTRIBUTING.md"):
        assert command in (ROOT / page).read_text(encoding="utf-8")
