"""docs/plugins: the tutorial executed as it stands, its plugin counted, hooks.md up to date."""

from __future__ import annotations

import json
import runpy

import pytest
from walkthrough import ROOT, blocks, follow

PAGES = ROOT / "docs" / "plugins"
TUTORIAL = (PAGES / "tutorial.md").read_text(encoding="utf-8")
CHECK = "toolkit plugin check"


def test_the_tutorial_runs_as_it_stands_there(tmp_path):
    quick = TUTORIAL.replace(f"{CHECK} language-of", "toolkit plugin list")  # below, it is slow
    printed = follow(quick, tmp_path)
    assert "ready to train" in printed
    assert "language-of" in printed
    record = json.loads((tmp_path / "first-run" / "run.json").read_text())
    assert record["status"] == "finished"
    score = record["metrics"]["test"]["accuracy"]["value"]
    assert score > record["baselines"]["majority"]["accuracy"]["value"]


@pytest.mark.nightly
def test_the_tutorials_plugin_passes_the_kit(tmp_path):
    printed = follow(TUTORIAL.replace("toolkit run language-of --out first-run\n", ""), tmp_path)
    assert "processes: Two processes count each row once." in printed


def test_the_tutorials_complete_plugin_is_short():
    texts = [b["text"] for b in blocks(TUTORIAL) if (b["file"] or "").endswith("__init__.py")]
    code = [line for line in "".join(texts).splitlines() if line.strip()]
    assert len(texts) == 3
    assert len(code) <= 45


def test_every_block_of_code_in_the_tutorial_is_marked_to_be_executed():
    assert TUTORIAL.count("\n```") == 2 * len(blocks(TUTORIAL))


def test_the_hooks_page_is_what_the_docstrings_say():
    made = runpy.run_path(str(PAGES / "make_hooks.py"))["page"]()
    there = (PAGES / "hooks.md").read_text(encoding="utf-8")
    assert there == made, "python docs/plugins/make_hooks.py"
