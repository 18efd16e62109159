"""Runs whose rows belong to groups: splits, intervals, predictions, reports and comparisons."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from text_rows import sentences

import toolkit
from toolkit import Run
from toolkit.data import groups
from toolkit.errors import DataError, UserError
from toolkit.evaluation import run_metrics, scoring
from toolkit.evaluation.bootstrap import against_zero, unit_count
from toolkit.reporting import comparison
from toolkit.reporting.html.comparison import page
from toolkit.runs import changed_answers
from toolkit.runs.compare import compare
from toolkit.runs.folder import read_groups, read_predictions
from toolkit.runs.predictor import plugin_of
from toolkit.utils.jsonable import finite


def recipe(folder, tiny_model, **settings):
    """Return arguments of `toolkit.run` for 160 rows of 40 speakers, of whom two are unknown."""
    speakers = ["" if n in (3, 9) else f"s{n % 40}" for n in range(160)]
    lines = [f"{t},{y},{s},{'ab'[n % 2]}" for n, ((t, y), s)
             in enumerate(zip(sentences(160), speakers, strict=True))]  # fmt: skip
    (folder / "rows.csv").write_text("text,label,speaker,half\n" + "\n".join(lines))
    given = {
        "data.group": "speaker",
        "data.split.test": 0.3,
        "training.max_steps": 5,
        "training.learning_rate": 3e-3,
    }
    return {"data": folder / "rows.csv", "model": tiny_model, "settings": {**given, **settings}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_model):
    """A model that has learnt little, and one that has learnt nothing."""
    folder = tmp_path_factory.mktemp("groups")
    little = recipe(folder, tiny_model, **{"report.slices": ["half"]})
    nothing = recipe(folder, tiny_model, **{"training.learning_rate": 0.0})
    return [
        Run(toolkit.run("text-classification", out=folder / name, **given).path)
        for name, given in (("little", little), ("nothing", nothing))
    ]


def test_splits_keep_groups_whole_and_the_record_counts_them(runs):
    data = runs[0].record["data"]
    assert data["group"]["column"] == "speaker"
    counts = data["group"]["groups"]
    assert sum(counts.values()) == 42  # 40, and two rows that are groups by themselves
    assert 9 <= counts["test"] <= 15
    notes = "\n".join(data["notes"])
    assert "(by group 'speaker')" in notes
    assert "2 rows have no 'speaker', and each of them counts as a group" in notes
    assert "stratify is not used" in notes
    assert "are in both" not in notes


def test_predictions_name_the_group_of_each_row(runs):
    lines = [json.loads(n) for n in (runs[0].path / "predictions.jsonl").read_text().splitlines()]
    found = read_groups(runs[0])
    assert [line["group"] for line in lines] == found["speaker"]
    assert all(group is None or group[0] == "s" for group in found["speaker"])
    assert (
        len(set(groups.codes(found["speaker"])))
        == runs[0].record["data"]["group"]["groups"]["test"]
    )


def test_all_scores_of_a_run_resample_groups(runs):
    run = runs[0]
    units, plugin = groups.of_columns(read_groups(run)), plugin_of(run.path)

    def scored(keep=None, of=units):
        pairs = read_predictions(run.path / "predictions.jsonl", keep)
        return finite(scoring.score(run_metrics.modules(plugin), pairs, run.record["seed"], of))

    assert run.metrics["test"] == scored()
    assert run.metrics["test"]["accuracy"]["low"] != scored(of=None)["accuracy"]["low"]
    # Each speaker's rows are of one half; those without a speaker are in the other.
    names = read_groups(run)["speaker"]
    even = np.array([bool(group) and int(group[1:]) % 2 == 0 for group in names])
    half = dict(run.record["slices"]["half"]["a"])
    assert half.pop("rows") == even.sum()
    assert half == scored(even, units[even])


def test_terminal_report_and_card_name_the_unit(runs, capsys):
    from rich.console import Console

    from toolkit.reporting import terminal

    run = runs[0]
    count = run.record["data"]["group"]["groups"]["test"]
    terminal.summary(run, Console(width=100))
    assert f"intervals draw {count} groups of 'speaker'" in capsys.readouterr().out
    card = (run.path / "README.md").read_text(encoding="utf-8")
    assert f"intervals by {count} groups of 'speaker'" in card
    assert f"only {count} test groups" in card
    assert f"95% interval (by {count} groups of" in run.report.read_text(encoding="utf-8")


def test_runs_are_compared_by_groups(runs):
    (found,) = compare([runs[1].path, runs[0].path])
    assert found.mcnemar is None
    assert 0 < found.by_groups <= 1
    text = page(runs[1], [found])
    assert "(p, groups resampled: " in text
    assert "McNemar p" not in text
    (said,) = comparison.as_json(runs[1], [found])["runs"]
    assert said["groups_p"] == found.by_groups
    log_loss = found.differences["log_loss"]
    units = groups.of_columns(read_groups(runs[0]))
    one, other = (
        scoring.draws(
            run_metrics.modules(plugin_of(run.path)),
            read_predictions(run.path / "predictions.jsonl"), 0, units,
        )["log_loss"] for run in (runs[1], runs[0])
    )  # fmt: skip
    expected = against_zero(log_loss.value - log_loss.reference, np.subtract(other, one), 
                            unit_count(len(units), units))  # fmt: skip
    assert (log_loss.low, log_loss.high, log_loss.p) == pytest.approx(expected)


def test_gains_in_one_group_alone_may_be_chance(runs, tmp_path):
    """All 20 rows gained are of one of 12 groups; McNemar's test takes them for no chance."""
    folders = []
    for name in ("before", "after"):
        folders.append(shutil.copytree(runs[0].path, tmp_path / name))
        right = {"before": lambda n: n >= 20, "after": lambda n: True}[name]
        lines = [{"row": n, "group": f"g{n // 20}", "reference": "tool",
                  "prediction": {"label": "tool" if right(n) else "bird"}}
                 for n in range(240)]  # fmt: skip
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folders[-1] / "predictions.jsonl").write_text(text)
    found = changed_answers.between(*map(Run, folders))
    assert (found.gained, found.lost) == (20, 0)
    # One group of 12 gains all: Student's t is 1 with 11 degrees of freedom.
    assert found.by_groups == pytest.approx(0.34, abs=0.03)
    for folder in folders:
        record = json.loads((folder / "run.json").read_text())
        record["data"]["group"] = None
        (folder / "run.json").write_text(json.dumps(record))
    assert changed_answers.between(*map(Run, folders)).mcnemar < 1e-4


def test_runs_of_other_groups_are_not_compared(runs, tmp_path):
    other = shutil.copytree(runs[1].path, tmp_path / "other")
    lines = [json.loads(n) for n in (other / "predictions.jsonl").read_text().splitlines()]
    lines[0]["group"] = "someone"
    (other / "predictions.jsonl").write_text("".join(json.dumps(n) + "\n" for n in lines))
    with pytest.raises(UserError, match="its test rows have other groups in 'speaker'"):
        compare([runs[0].path, other])
    record = json.loads((other / "run.json").read_text())
    record["data"]["group"] = None
    (other / "run.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="it draws groups of none, the other of speaker"):
        compare([runs[0].path, other])


def test_a_missing_column_is_told_with_the_nearest(tmp_path, tiny_model):
    given = recipe(tmp_path, tiny_model, **{"data.group": "speakr"})
    with pytest.raises(DataError, match=r"data\.group: .*'speakr'.* Did you mean 'speaker'"):
        toolkit.run("text-classification", **given)


@pytest.mark.parametrize(
    "way",
    [{"data.split.group": "text", "data.split.seed": 1}, {"data.split.time": "day"}],
    ids=["another-group", "time"],
)
def test_splits_made_otherwise_that_share_groups_are_told(tmp_path, tiny_model, way):
    from toolkit.recipe.library import find_recipe
    from toolkit.runner.prepare import load_rows
    from toolkit.runner.resolve import resolve_recipe

    given = recipe(tmp_path, tiny_model, **way)
    lines = given["data"].read_text().splitlines()
    days = ["day", *(f"2024-01-{1 + n // 8:02}" for n in range(160))]
    given["data"].write_text("\n".join(map(",".join, zip(lines, days, strict=True))))
    changes = [(tuple(key.split(".")), value) for key, value in given["settings"].items()]
    changes += [(("data", "source"), str(given["data"])), (("model",), str(tiny_model))]
    loaded = load_rows(*resolve_recipe(find_recipe("text-classification", changes)))
    rows = {name: set(found["speaker"]) - {None} for name, found in loaded.groups.items()}
    shared = len(rows["train"] & rows["test"])
    assert shared > 10
    assert f"{shared} groups of 'speaker' are in both train and test" in loaded.notes
    if "data.split.time" in way:
        assert str(loaded.splits["test"]["day"][0]) == "2024-01-15"
