"""docs/without-toolkit.md: its code runs where `toolkit` cannot be imported, and agrees with it."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from text_rows import sentences
from walkthrough import ROOT

import toolkit

PAGE = (ROOT / "docs" / "without-toolkit.md").read_text(encoding="utf-8")
QUICK = {"training.num_train_epochs": 6, "training.learning_rate": 5e-3,
         "training.per_device_train_batch_size": 8}  # fmt: skip
#: Runs the cells of a page given on stdin, then prints what the models say of the texts.
WITHOUT = """
import json, sys

sys.modules["toolkit"] = sys.modules["toolkit_plugins"] = None  # importing either one fails
given, names = json.load(sys.stdin), {}
for cell in given["cells"]:
    exec(cell, names)
found = {key: names[key] for key in ("accuracy", "run", "recipe") if key in names}
found["labels"] = dict(names["model"].config.id2label)
found["predicted"] = names["predict"](given["texts"])
loaded = [name for name in sys.modules if name.partition(".")[0].startswith("toolkit")]
assert loaded == ["toolkit", "toolkit_plugins"], loaded
print("\\n" + json.dumps(found))
"""


def cells(*headings):
    """Return the Python blocks under these headings."""
    found = []
    for heading in headings:
        text = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        found += re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(found) >= len(headings)
    return found


def without_toolkit(code, texts, folder):
    """Run code in an interpreter that cannot import toolkit; return what it has found."""
    given = json.dumps({"cells": code, "texts": texts})
    done = subprocess.run([sys.executable, "-c", WITHOUT], input=given, cwd=folder, text=True,
                          capture_output=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def train(tmp_path, tiny_model):
    """Return a function that trains a run named as on the page, with a test file of its own."""
    rows = sentences(150)
    for name, part in {"train": rows[:100], "dev": rows[100:120], "test": rows[120:]}.items():
        lines = "\n".join(json.dumps({"text": text, "label": label}) for text, label in part)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")

    def run(name, **settings):
        return toolkit.run("text-classification", data=tmp_path, model=tiny_model,
                           out=tmp_path / name, settings={**QUICK, **settings})  # fmt: skip

    return run


def assert_the_same(found, run):
    """Assert that each test row has the label and the score that predictions.jsonl has."""
    lines = (run.path / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    expected = [json.loads(line)["prediction"] for line in lines]
    assert [label for label, _ in found["predicted"]] == [one["label"] for one in expected]
    assert [score for _, score in found["predicted"]] == pytest.approx(
        [one["score"] for one in expected], abs=1e-4
    )
    assert found["labels"] == {"0": "bird", "1": "fruit", "2": "tool"}
    assert len({label for label, _ in found["predicted"]}) > 1  # not one class for all


TEXTS = [text for text, _ in sentences(150)[120:]]


def test_the_model_predictions_and_recipe_are_read_without_toolkit(tmp_path, train):
    run = train("tickets-run")
    code = cells(
        "Load the model and predict", "Read the predictions", "Read the scores and the recipe"
    )
    found = without_toolkit(code, TEXTS, tmp_path)
    assert_the_same(found, run)
    assert found["accuracy"] == pytest.approx(run.metrics["test"]["accuracy"]["value"])
    assert found["run"] == run.record
    assert found["recipe"]["training"]["num_train_epochs"] == 6


@pytest.mark.slow
def test_an_adapter_is_loaded_without_toolkit(tmp_path, train):
    train("tickets-run", method="head")  # what the page's first blocks load
    run = train("adapter-run", method="lora")
    code = cells("Load the model and predict", "Load an adapter")
    assert_the_same(without_toolkit(code, TEXTS, tmp_path), run)


def test_every_block_of_code_is_under_a_heading_that_is_executed():
    executed = cells("Load the model and predict", "Load an adapter", "Read the predictions",
                     "Read the scores and the recipe")  # fmt: skip
    assert len(executed) == PAGE.count("```python")
    assert not any("toolkit" in re.sub(r"#.*", "", cell) for cell in executed)
