"""The figures of README and gallery are those of runs of the recipes that are included."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import toolkit
from toolkit.reporting import terminal
from toolkit.reporting.display import best_baseline

PAGE = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
METRICS = ("accuracy", "f1_macro", "log_loss", "expected_calibration_error")
NUMBER = r"\d+\.\d+"
#: Of a score, as a share of it where it is above 1: other processors round otherwise, which moves a
#: few test rows.
NEAR = 0.03


def example():
    """Return the page's example, as (rows of its table by their label, the lines below it)."""
    block = next(part for part in PAGE.split("```") if "━" in part)
    table, below = block.strip("\n").split("\n\n", 1)
    rows, label = {}, ""
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split("│")]
        if len(cells) == len(METRICS) + 1:
            kind = "value" if cells[0] else "interval"
            label = cells[0].removesuffix(" ...") or label
            rows[label, kind] = cells[1:]
    return rows, re.sub(r"\n +", " ", below.strip()).splitlines()


def claims():
    """Yield what the table of scenarios says of each: (scenario, figures by what they are)."""
    score = rf"(?P<metric>[A-Za-z][A-Za-z0-9 ]*?) (?P<value>{NUMBER})"
    score += rf"(?: \[(?P<low>{NUMBER}), (?P<high>{NUMBER})\])?"
    score += rf"(?:, (?P<baseline>[a-z][a-z, -]*?),? (?P<beaten>{NUMBER}))?(?: \(|$)"
    for scenario, said in re.findall(r"^\| `([\w-]+)` \|[^|]*\|([^|]*)\|$", PAGE, re.M):
        yield scenario, re.search(score, said.split(":")[1].strip()).groupdict()


def gallery():
    """Return what the gallery says of recipes that need no network: (value, low, high) by name."""
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    table = page.partition("## Included data")[2].partition("\n## ")[0]
    score = rf"({NUMBER}) \[({NUMBER}), ({NUMBER})\]"
    return {
        name: figures for name, *figures in re.findall(rf"^\| `([\w/-]+)` .*? {score}", table, re.M)
    }


def near(value):
    """Return by how much a score may differ on another processor."""
    return NEAR * max(1.0, value)


def close(said, found, slack):
    """Whether a printed number is that value, but for its rounding and `slack`."""
    step = 0.5 * 10.0 ** -len(said.partition(".")[2])
    return abs(float(said) - found) <= step * 1.001 + slack


def test_the_page_has_the_figures_that_are_checked():
    rows, below = example()
    assert {label for label, _ in rows} >= {"test", "baseline: majority", "baseline: frozen"}
    assert any(line.startswith("note ") for line in below)
    said = dict(claims())
    assert set(said) == {"text-classification", "image-classification", "fraud-detection",
                         "question-answering", "token-classification", "translation",
                         "summarization", "object-detection", "image-segmentation"}  # fmt: skip
    assert all(found["metric"] and found["value"] for found in said.values())
    assert all(found["beaten"] for found in said.values())


def test_the_gallery_has_the_figures_that_are_checked():
    assert {*dict(claims()), "text-classification/topics"} <= set(gallery())


def test_rounding_alone_is_no_difference():
    assert close("0.81", 0.8083, 0.0)
    assert not close("0.808", 0.8167, 0.0)
    assert close("0.808", 0.8167, 0.01)


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """Run a scenario's default recipe, once, as the page does: with all cores."""
    found = {}

    def go(scenario):
        if scenario not in found:
            out = tmp_path_factory.mktemp("figures") / scenario
            own = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
            words = [sys.executable, "-m", "toolkit", "run", scenario, "--quiet", "--out", str(out)]
            subprocess.run(words, check=True, env=own)
            found[scenario] = toolkit.load_run(out)
        return found[scenario]

    return go


@pytest.mark.nightly
def test_the_table_of_the_example_is_what_a_run_prints(run_of):
    record = run_of("text-classification").record
    shown = {label.partition(" (")[0]: scores for label, scores in terminal.score_rows(record)}
    wrong = []
    for (label, kind), cells in example()[0].items():
        scores = next(scores for name, scores in shown.items() if name.startswith(label))
        slack = NEAR if label == "test" else 0.005
        keys = ("value",) if kind == "value" else ("low", "high")
        for metric, cell in zip(METRICS, cells, strict=True):
            found = [scores[metric][key] for key in keys]
            bare = not cell or cell.startswith("chance")  # no interval
            said = [None] * len(keys) if bare else cell.split("-")
            if not all(one is other if None in (one, other) else close(one, other, slack)
                       for one, other in zip(said, found, strict=True)):  # fmt: skip
                wrong.append(f"{label} {metric}: {cell!r} for {found}")
    assert not wrong


@pytest.mark.nightly
def test_the_lines_below_the_example_are_those_of_a_run(run_of):
    """Their words; numbers of seconds and of scores differ between machines."""
    record = run_of("text-classification").record
    facts = [*terminal.run_facts(record), *(f"note {note}" for note in terminal.warnings(record))]
    printed = {re.sub(r"[\d.,+-]+", "#", fact) for fact in facts}
    for line in example()[1]:
        assert re.sub(r"[\d.,+-]+", "#", line) in printed, line


@pytest.mark.nightly
@pytest.mark.parametrize("scenario", dict(claims()))
def test_the_table_of_scenarios_is_what_runs_give(scenario, run_of):
    record, said = run_of(scenario).record, dict(claims())[scenario]
    headline = record["headline"]
    assert said["metric"].lower().replace(" ", "_") == headline["metric"]
    found = record["metrics"]["test"][headline["metric"]]
    for key in ("value", "low", "high"):
        assert said[key] is None or close(said[key], found[key], near(found[key])), key
    if said["beaten"]:
        best = best_baseline(record, headline["metric"], headline["greater_is_better"])
        beaten = record["baselines"][best][headline["metric"]]["value"]
        assert close(said["beaten"], beaten, 0.005 * max(1.0, beaten)), (best, beaten)


@pytest.mark.nightly
@pytest.mark.parametrize("recipe", gallery())
def test_the_gallery_is_what_runs_give(recipe, run_of):
    record = run_of(recipe).record
    found = record["metrics"]["test"][record["headline"]["metric"]]
    for said, key in zip(gallery()[recipe], ("value", "low", "high"), strict=True):
        assert close(said, found[key], near(found[key])), key
