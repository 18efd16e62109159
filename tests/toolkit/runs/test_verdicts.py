"""Verdicts on baselines by paired draws: in the record, in words, and again from what is kept."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from text_rows import sentences as rows_of

import toolkit
from toolkit import Run
from toolkit.cli.main import cli
from toolkit.data import groups
from toolkit.evaluation import run_metrics
from toolkit.evaluation.bootstrap import unit_count
from toolkit.evaluation.differences import NEITHER, difference, direction
from toolkit.evaluation.metrics.generation import LengthRatio
from toolkit.evaluation.scoring import score_and_draws
from toolkit.reporting import verdicts
from toolkit.reporting.html import headline
from toolkit.runs.compare import compare
from toolkit.runs.folder import read_groups, read_predictions
from toolkit.runs.predictor import plugin_of
from toolkit.utils.jsonable import finite

QUICK = {"training.max_steps": 5, "training.learning_rate": 3e-3, "data.split.test": 0.3}


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_model):
    """A run of 160 rows of customers and shops, by a linear probe."""
    folder = tmp_path_factory.mktemp("verdicts")
    lines = [f"{text},{label},c{n % 23},s{n % 17}"
             for n, (text, label) in enumerate(rows_of(160))]  # fmt: skip
    (folder / "rows.csv").write_text("text,label,customer,shop\n" + "\n".join(lines))
    settings = {**QUICK, "report.cluster": ["customer", "shop"]}
    found = toolkit.run(
        "text-classification", data=folder / "rows.csv", model=tiny_model, method="head",
        settings=settings, out=folder / "run",
    )  # fmt: skip
    return Run(found.path)


def test_each_baseline_has_a_verdict_on_each_score(run):
    found = run.record["verdicts"]
    assert found.pop("frozen_linear") == {}  # a linear probe is what it fits
    assert list(found) == list(run.record["baselines"])
    assert all(list(one) == list(run.metrics["test"]) for one in found.values())
    assert found["majority"]["accuracy"]["verdict"] in ("better", "worse", "no clear difference")
    said = (run.path / "README.md").read_text(encoding="utf-8")
    assert "frozen linear is what this method trains: nothing to beat" in said


def test_a_verdict_follows_from_the_predictions_that_are_kept(run):
    of, plugin = groups.of_columns(read_groups(run)), plugin_of(run.path)
    files = [run.path / "baselines" / "majority" / "predictions.jsonl",
             run.path / "predictions.jsonl"]  # fmt: skip
    modules = run_metrics.modules(plugin)
    (_, one), (_, two) = (
        score_and_draws(run_metrics.modules(plugin), read_predictions(file), run.record["seed"], of)
        for file in files
    )
    for name, module in modules.items():
        values = [run.record["baselines"]["majority"][name]["value"],
                  run.metrics["test"][name]["value"]]  # fmt: skip
        more = module.greater_is_better
        again = difference((values[0], values[1]), (one[name], two[name]), unit_count(48, of), more)
        assert run.record["verdicts"]["majority"][name] == finite(again.as_record())


def test_intervals_by_several_columns_name_each(run):
    group = run.record["data"]["group"]
    assert group["columns"]["test"].keys() == {"customer", "shop"}
    assert group["groups"]["test"] == min(group["columns"]["test"].values())
    first = json.loads((run.path / "predictions.jsonl").read_text().splitlines()[0])
    assert [part[0] for part in first["group"]] == ["c", "s"]
    page = run.report.read_text(encoding="utf-8")
    assert "groups of &#39;customer&#39; and " in page or "groups of 'customer' and " in page
    (found,) = compare([run.path, run.path])
    assert all(one.p == 1.0 for one in found.differences.values())


def test_other_clusters_give_other_intervals(run, tmp_path, tiny_model):
    given = {"data": run.path.parent / "rows.csv", "model": tiny_model, "method": "head"}
    other = toolkit.run("text-classification", settings=QUICK, out=tmp_path / "rows", **given)
    scores = [one.metrics["test"]["accuracy"] for one in (run, other)]
    assert scores[0]["value"] == scores[1]["value"]
    assert scores[0]["low"] != scores[1]["low"]
    assert other.record["data"]["group"] is None


def record(verdict, low=0.01, **more):
    """Return a record with one baseline, and log loss beside the headline."""
    ends = {"low": low, "high": None if low is None else 0.1, "p": more.pop("p", 0.02)}
    one = {"difference": 0.05, **ends, "greater_is_better": True, "verdict": verdict}
    loss = {**one, "greater_is_better": False, "verdict": "worse"}
    return {
        "headline": {"metric": "accuracy", "greater_is_better": True},
        "metrics": {"test": {"accuracy": {"value": 0.8, **more}, "log_loss": {"value": 0.841}}},
        "baselines": {"frozen": {"accuracy": {"value": 0.75}, "log_loss": {"value": 0.686}}},
        "verdicts": {"frozen": {"accuracy": one, "log_loss": loss}},
        "data": {"rows": {"test": 500}},
    }


@pytest.mark.parametrize(
    ("given", "warns", "words"),
    [
        (
            record("better"),
            False,
            "accuracy is better than that of the best baseline frozen (0.800",
        ),
        (record("worse"), True, "accuracy is worse than that of the best baseline frozen"),
        (record("no clear difference", -0.01), True, "shows no clear difference from the best"),
        (record("fitted on fewer rows"), True, "no verdict on the best baseline frozen"),
        (record("no clear difference", None, p=None), True, "too few test rows for a verdict"),
        (record("no clear difference", None, p=1.0), True, "the same as that of the best"),
    ],
)
def test_a_verdict_in_words(given, warns, words):
    first = next(iter(verdicts.sentences(given)))
    assert first[0] is warns
    assert words in first[1]


def test_scores_that_point_another_way_are_named():
    (_, (warns, text)) = verdicts.sentences(record("better"))
    assert warns
    assert "other scores point another way: log loss 0.841 against 0.686 (worse)" in text
    assert len(list(verdicts.sentences(record("fitted on fewer rows")))) == 1


def test_a_score_without_a_better_direction_has_no_verdict():
    rng = np.random.default_rng(0)
    drawn = rng.normal(1.0, 0.01, 500).tolist(), rng.normal(1.5, 0.01, 500).tolist()
    found = difference((1.0, 1.5), drawn, 100, direction(LengthRatio("text")))
    assert (found.better, found.verdict, found.low > 0) == (None, NEITHER, True)
    given = record("better")
    given["verdicts"]["frozen"]["log_loss"] = found.as_record()
    assert not any("another way" in text for _, text in verdicts.sentences(given))


def test_few_rows_and_scores_without_an_interval_are_told():
    given = record("better", no_interval="under 10 rows", trials=30)
    given["data"]["rows"]["test"] = 30
    found = list(verdicts.few(given))
    assert (
        "only 30 test rows: a difference in shares, such as accuracy, below about 0.23" in found[0]
    )
    assert "no error was made, and there may still be up to 10.0% (rule of three)" in found[1]
    assert found[2] == "no interval for accuracy: under 10 rows"


def test_check_says_what_the_test_split_can_show(run, tiny_model):
    rows = str(run.path.parent / "rows.csv")
    words = ["check", "text-classification", "--data", rows, "--model", str(tiny_model)]
    words += ["--no-estimate", "--set", "data.split.test=20"]
    said = " ".join(CliRunner().invoke(cli, words).output.split())
    assert (
        "with 20 test rows a difference in shares, such as accuracy, will mostly show from" in said
    )
    assert "test is small for its classes: 3 of 3 have under 10 rows" in said


def test_the_page_answers_with_the_verdict_on_the_best_baseline():
    given = record("no clear difference", -0.01)
    given["metrics"]["test"]["accuracy"] |= {"low": 0.7, "high": 0.9}
    given |= {"baseline_rows": {}}
    notes = [text for warns, text in verdicts.sentences(given) if warns]
    found = headline.section(given, notes)
    top = verdicts.verdict(given)  # at the top of the page, and not a second time below
    assert top.startswith("Accuracy shows no clear difference from the best baseline frozen")
    assert not [text for text in found.answer if "no clear difference" in text]
    assert notes[0] not in found.notes
    assert notes[1] in found.notes
