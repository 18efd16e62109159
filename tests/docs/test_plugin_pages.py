"""docs/plugins: the tutorial executed as it stands, its plugin counted, hooks.md up to date."""

from __future__ import annotations

import json
import runpy

import numpy as np
import pytest
from walkthrough import ROOT, blocks, follow

from toolkit.evaluation.bootstrap import interval, weights
from toolkit.evaluation.scoring import score

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


def test_the_metrics_of_the_page_give_the_values_that_their_definitions_say(tmp_path):
    page = (PAGES / "metrics.md").read_text(encoding="utf-8")
    assert page.count("\n```") == 2 * len(blocks(page))
    follow(page, tmp_path)
    made = runpy.run_path(str(tmp_path / "span_metrics.py"))

    spans = made["SpanF1"]()
    rows = [({"spans": [(0, 3), (5, 9)]}, [(0, 3)]), ({"spans": []}, [(2, 4)])] * 30
    found = score({"f1": spans}, [tuple(zip(*rows, strict=True))], 0)["f1"]
    assert found["value"] == pytest.approx(2 * 1 / (2 + 2))
    assert found["low"] <= found["value"] <= found["high"]

    rows = [({"errors": 1}, ["a", "b"]), ({"errors": 7}, []), ({"errors": 0}, ["c", "d"])]
    found = score({"wer": made["WordErrorRate"]()}, [tuple(zip(*rows, strict=True))], 0)["wer"]
    assert (found["value"], found["rows"]) == (0.25, 2)

    rows = [({"value": value}, truth) for value, truth in ((1.0, 2.0), (5.0, 2.0), (4.0, 4.0)) * 20]
    modules = {"scaled": made["ScaledError"](2.0), "median": made["MedianError"]()}
    found = score(modules, [tuple(zip(*rows, strict=True))], 0)
    assert found["scaled"]["value"] == pytest.approx((1 + 3 + 0) / 3 / 2)
    assert found["median"]["value"] == 1.0
    errors = [1.0, 3.0, 0.0] * 20
    medians = [np.median(np.repeat(errors, counts)) for counts in weights(60, 1000, 0)]
    assert (found["median"]["low"], found["median"]["high"]) == interval(1.0, medians, 60)[:2]


def test_the_hooks_page_is_what_the_docstrings_say():
    made = runpy.run_path(str(PAGES / "make_hooks.py"))["page"]()
    there = (PAGES / "hooks.md").read_text(encoding="utf-8")
    assert there == made, "python docs/plugins/make_hooks.py"
