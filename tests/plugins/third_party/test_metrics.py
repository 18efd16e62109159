"""Metrics that other packages bring, named in a recipe: `metrics: [my-package:my_metric]`."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import toolkit
from toolkit import registry
from toolkit.cli.main import outcome
from toolkit.errors import UserError
from toolkit.evaluation import run_metrics
from toolkit.evaluation.bootstrap import interval, weights
from toolkit.evaluation.scoring import score
from toolkit.plugin import Plugin
from toolkit.recipe.schema import Recipe

MODULE = '''
import datasets
import evaluate

text = datasets.Value("string")


class Metric(evaluate.Metric):
    key = "label"

    def _info(self):
        features = datasets.Features({"predictions": {self.key: text}, "references": text})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        wrong = sum(p[self.key] != r for p, r in zip(predictions, references))
        return {"wrong": wrong / len(references)}


class Wrong(Metric):
    """The share of wrong answers."""

    greater_is_better = False


class OfText(Metric):
    key = "answer"


class Nothing(Metric):
    def _compute(self, predictions, references):
        return {"text": "no number"}


def classes(plugin):
    """A metric that knows its scenario."""
    assert plugin.labels.names
    return Wrong()


def fails():
    raise RuntimeError("boom")


number = 3
'''
NAMES = ("Wrong", "OfText", "Nothing", "classes", "fails", "number", "gone")


@pytest.fixture
def package(site):
    """A package of metrics, good and bad, and one that cannot be imported."""
    points = {name.lower(): f"their_metrics:{name}" for name in NAMES}
    site.add("My_Package", {run_metrics.GROUP: points}, {"their_metrics.py": MODULE})
    site.add("absent", {run_metrics.GROUP: {"wrong": "no_such_metrics:Wrong"}}, {})
    return site


@pytest.fixture
def settings(table, tiny_model):
    """Arguments of `toolkit check` that name metrics."""

    def made(*metrics):
        names = ", ".join(f"'{name}'" for name in metrics)
        return ["text-classification", "--data", str(table), "--model", str(tiny_model),
                "--set", f"report.metrics=[{names}]"]  # fmt: skip

    return made


def test_they_are_scored_beside_the_scenarios_own(package, table, tiny_model, tmp_path):
    run = toolkit.run(
        "text-classification", data=table, model=tiny_model, out=tmp_path / "run", method="head",
        settings={"training.max_steps": 2,
                  "report.metrics": ["my-package:wrong", "accuracy"]},
    )  # fmt: skip
    scores = run.metrics["test"]
    assert list(scores) == ["my-package:wrong", "accuracy"]
    wrong = scores["my-package:wrong"]
    assert wrong["value"] == pytest.approx(1 - scores["accuracy"]["value"])
    assert wrong["no_interval"] == "under 50 rows"
    assert run.record["headline"] == {"metric": "my-package:wrong", "greater_is_better": False}
    assert run.record["baselines"]["majority"].keys() == scores.keys()
    assert "my-package:wrong" in (run.path / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my-package:wrogn", "there is no metric 'my-package:wrogn'. Did you mean "
                             "'my-package:wrong'? Of packages: absent:wrong, my-package:classes, "),
        ("my-pakage:wrong", "Did you mean 'my-package:wrong'?"),
        ("oftext", "there is no metric 'oftext'."),
        ("oftext", "Did you mean 'my-package:oftext'?"),
        ("absent:wrong", "metric 'wrong' of absent 1.0 (no_such_metrics:Wrong) cannot be imported: "
                         "ModuleNotFoundError: No module named 'no_such_metrics'"),
        ("my-package:gone", "(their_metrics:gone) cannot be imported: AttributeError"),
        ("my-package:number", "(their_metrics:number) is not a class or function but 3"),
        ("my-package:fails", "(their_metrics:fails) cannot be created: RuntimeError: boom"),
        ("my-package:oftext", "my-package:oftext does not take what text-classification predicts: "
                              "KeyError: 'answer' (a prediction is {'label': "),
        ("my-package:nothing", "compute gave {'text': 'no number'}: it has no number"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_before_training(package, settings, capsys, name, said):
    assert outcome(["check", *settings("accuracy", name)]) == 2
    shown = capsys.readouterr().err
    assert "report.metrics" in shown
    assert said in shown


@pytest.mark.nightly
def test_a_spelling_of_the_distribution_is_no_fault(package, settings, capsys):
    assert outcome(["check", *settings("MY.package:wrong", "my-package:classes")]) == 0


def test_listing_names_them_and_imports_nothing(package, capsys):
    assert outcome(["list"]) == 0
    shown = capsys.readouterr().out
    assert "\n  my-package:wrong\n" in shown
    assert "\n  absent:wrong [broken: there is no module 'no_such_metrics']\n" in shown
    assert "their_metrics" not in sys.modules


def test_without_a_package_that_brings_one(settings, capsys):
    assert outcome(["check", *settings("my-package:wrong")]) == 2
    assert "no installed package has any" in capsys.readouterr().err
    assert outcome(["list"]) == 0
    assert "Metrics" not in capsys.readouterr().out


def test_each_is_tried(package):
    good = {}
    for entry in registry.entries(run_metrics.GROUP):
        try:
            good[entry.name] = run_metrics.describe_metric(entry)
        except UserError:
            assert entry.name in ("fails", "number", "gone", "wrong")
    assert good.keys() == {"wrong", "oftext", "nothing", "classes"}
    assert good["wrong"] == "report.metrics: ['my-package:wrong']"


def test_the_interval_is_that_of_rows_drawn_again(package):
    text, truth = ["a", "b", "a", "c", "b", "a"] * 9, ["a", "b", "b", "c", "a", "a"] * 9
    rows = [({"label": one, "score": 0.5}, other) for one, other in zip(text, truth, strict=True)]
    batches = [([p for p, _ in part], [r for _, r in part]) for part in (rows[:7], rows[7:])]
    (found,) = score({"wrong": run_metrics.load("my-package:wrong")}, batches, seed=3).values()
    wrong = np.array([prediction["label"] != other for prediction, other in rows], float)
    draws = [float(wrong @ counts) / len(rows) for counts in weights(len(rows), 200, 3)]
    assert found["value"] == pytest.approx(wrong.mean())
    assert (found["low"], found["high"]) == pytest.approx(
        interval(wrong.mean(), draws, len(rows))[:2]
    )


class Careless(Plugin):
    """A scenario that has three metrics, and never looks at what the recipe names."""

    def load_model(self):
        raise NotImplementedError

    def metrics(self):
        return {"one": 1, "two": 2, "three": 3}


@pytest.mark.parametrize(
    ("named", "found"),
    [([], ["one", "two", "three"]), (["three", "one"], ["three", "one"]),
     (["two", "my-package:wrong"], ["two", "my-package:wrong"]),
     (["my-package:wrong"], ["my-package:wrong"])],
)  # fmt: skip
def test_the_recipes_choice_holds_for_every_scenario(package, named, found):
    plugin = Careless()
    plugin.recipe = recipe = Recipe.model_validate(
        {"scenario": "x", "model": "m", "data": {"source": "x.csv"}, "report": {"metrics": named}}
    )
    assert list(run_metrics.modules(plugin)) == found
    assert plugin.recipe is recipe


def test_a_name_that_the_scenario_has_not_is_no_longer_let_pass(package):
    plugin = Careless()
    plugin.recipe = Recipe.model_validate(
        {"scenario": "x", "model": "m", "data": {"source": "x.csv"},
         "report": {"metrics": ["thre", "fuor"]}}
    )  # fmt: skip
    with pytest.raises(UserError, match="no metric 'thre'. Did you mean 'three'") as caught:
        run_metrics.modules(plugin)
    assert len(caught.value.faults) == 2
