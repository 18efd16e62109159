"""Baselines: what they predict, and that they keep to their time."""

from __future__ import annotations

import random
import time
from contextlib import contextmanager

import datasets
import numpy as np
import pytest

from toolkit import FittedBaseline
from toolkit.evaluation import baselines, classification_baselines
from toolkit.evaluation.baselines import FIRST, fit_within, score_baselines
from toolkit.plugin_types import BaselineData, BaselineResult
from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import prepare
from toolkit.runner.score import baseline_seconds


@pytest.fixture(scope="module")
def job(tmp_path_factory, tiny_model):
    from text_rows import sentences

    folder = tmp_path_factory.mktemp("baselines")
    lines = "\n".join(f"{text},{label}" for text, label in sentences(900))
    (folder / "rows.csv").write_text(f"text,label\n{lines}\n")
    return prepare(
        find_recipe(
            "text-classification",
            [(("data", "source"), str(folder / "rows.csv")), (("model",), str(tiny_model))],
        )
    )


def test_all_rows_where_there_is_time(job):
    scores, used, _ = score_baselines(job.plugin, job.prepared, job.plugin.metrics, 60.0, 0)
    rows = {"train": len(job.prepared["train"]), "test": len(job.prepared["test"])}
    assert list(scores) == ["majority", "tfidf_logistic_regression", "frozen_linear"]
    assert all({**rows, **count} == count for count in used.values())
    # One word tells the class, so TF-IDF must find it, and the majority must not.
    assert scores["tfidf_logistic_regression"]["accuracy"]["value"] > 0.95
    assert scores["majority"]["accuracy"]["value"] < 0.5


def test_of_very_many_test_rows_some_are_predicted(job, monkeypatch):
    monkeypatch.setattr(baselines, "MOST_TESTED", 60)
    kept, test = {}, job.plugin.data["test"]

    def keep(name, few, pairs):
        kept[name] = few.tolist(), *pairs[0]

    scores, used, _ = score_baselines(
        job.plugin, job.prepared, job.plugin.metrics, 60.0, 0, keep=keep
    )
    assert {count["test"] for count in used.values()} == {60}
    assert len(test) > 60
    for name, (rows, predictions, references) in kept.items():
        assert rows == sorted(set(rows)) == kept["majority"][0]
        assert references == test[rows]["label"]
        right = np.mean([p["label"] == r for p, r in zip(predictions, references, strict=True)])
        assert scores[name]["accuracy"]["value"] == pytest.approx(right)


def test_the_linear_baselines_tell_which_setting_validation_chose(job):
    _, used, _ = score_baselines(job.plugin, job.prepared, job.plugin.metrics, 60.0, 0)
    settings = {name: found.get("setting") for name, found in used.items()}
    assert settings["majority"] is None
    names = {str(one) for one in classification_baselines.TfidfLogistic.settings}
    assert settings["tfidf_logistic_regression"] in names
    assert settings["frozen_linear"] in {"C=0.01", "C=0.1", "C=1"}


def test_without_time_fewer_rows_and_the_first_setting(job):
    _, used, _ = score_baselines(job.plugin, job.prepared, job.plugin.metrics, 0.0, 0)
    assert used["frozen_linear"]["train"] < len(job.prepared["train"])
    assert used["frozen_linear"]["test"] == len(job.prepared["test"])
    assert used["tfidf_logistic_regression"]["setting"] == "words and characters, C=10"


@pytest.fixture(scope="module")
def parts_of_words(tmp_path_factory, tiny_model):
    """Texts of words that never come again; what they begin with tells which of 40 classes."""
    rng = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    begins = ["".join(rng.sample(letters, 4)) for _ in range(40)]
    folder = tmp_path_factory.mktemp("parts")
    for split, count in (("train", 6000), ("validation", 200), ("test", 400)):
        lines = ["text,label"]
        for place in range(count):
            tail, other = ("".join(rng.choices(letters, k=8)) for _ in range(2))
            lines.append(f"{begins[place % 40]}{tail} {other},class{place % 40}")
        (folder / f"{split}.csv").write_text("\n".join(lines))
    return prepare(
        find_recipe(
            "text-classification",
            [(("data", "source"), str(folder)), (("model",), str(tiny_model))],
        )
    )


def test_after_a_training_of_a_second_baselines_see_all_rows(parts_of_words):
    """TF-IDF saw 512 of 15,100 rows, where it was fitted for a fifth of the training time."""
    job = parts_of_words
    scores, used, _ = score_baselines(job.plugin, job.prepared, job.plugin.metrics,
                                   baseline_seconds(1.0), 0)  # fmt: skip
    assert all((found["train"], found["test"]) == (6000, 400) for found in used.values())
    # Words alone know nothing of a word that is new.
    assert "characters" in used["tfidf_logistic_regression"]["setting"]
    assert scores["tfidf_logistic_regression"]["accuracy"]["value"] > 0.8


def test_without_validation_the_first_setting_is_taken(parts_of_words):
    job = parts_of_words
    splits = {name: job.prepared[name] for name in ("train", "test")}
    rows = {name: job.plugin.data[name].select(range(200)) for name in splits}
    few = {name: split.select(range(200)) for name, split in splits.items()}
    _, used, _ = score_baselines(job.plugin, few, job.plugin.metrics, 60.0, 0, rows=rows)
    assert used["tfidf_logistic_regression"]["setting"] == "words and characters, C=10"
    assert used["frozen_linear"]["setting"] == "C=0.1"


def test_several_labels_choose_a_setting_too():
    """Ten classes, each with a word of its own."""
    rng = np.random.default_rng(0)

    def split(count):
        found = rng.random((count, 10)) < 0.2
        texts = [" ".join(f"w{c}" for c in np.flatnonzero(row)) or "none" for row in found]
        return datasets.Dataset.from_dict({"text": texts, "labels": found.astype(float).tolist()})

    task = classification_baselines.Classification(
        10, True, lambda rows: np.array([row["labels"] for row in rows]),
        lambda shares, rows: [{"scores": row.tolist()} for row in shares],
    )  # fmt: skip
    texts = classification_baselines.TfidfLogistic(task, lambda rows: [r["text"] for r in rows])
    train, validation, test = split(300), split(60), split(50)
    orders = np.arange(300), np.arange(50)
    found = texts.run(BaselineData(train, train, test, test, *orders, validation, validation), 60.0)
    assert found.setting in {str(setting) for setting in texts.settings}
    scores = np.array([one["scores"] for one in found.predictions])
    assert ((scores > 0.5) == np.array(test["labels"])).mean() > 0.97


def test_very_long_texts_are_read_by_words_alone(monkeypatch):
    task = classification_baselines.Classification(2, False, len, lambda shares, rows: [])
    texts = classification_baselines.TfidfLogistic(task, list)
    assert texts.candidates(["a" * 30, "b" * 30]) == texts.settings
    monkeypatch.setattr(classification_baselines, "CHARACTERS", 50)
    assert [one.reads for one in texts.candidates(["a" * 30, "b" * 30])] == ["words"]


def test_the_majority_baseline_gives_the_shares_of_the_classes(job):
    baseline = next(iter(job.plugin.baselines()))
    raw = job.plugin.data
    order = np.arange(3)
    data = BaselineData(
        raw["train"], job.prepared["train"], raw["test"].select(order),
        job.prepared["test"].select(order), np.arange(len(raw["train"])), order,
    )  # fmt: skip
    found = baseline.run(data, 1.0).predictions
    labels = raw["train"]["label"]
    for name, share in found[0]["scores"].items():
        assert share == pytest.approx(labels.count(name) / len(labels), abs=1e-5)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("cost", "seconds", "expected"),
    [(0.0, 10.0, 100_000), (1e-4, 0.0, FIRST), (1e-5, 0.2, None)],
)
def test_fitting_within_a_time(cost, seconds, expected):
    calls = []

    def fit(count):
        calls.append(count)
        time.sleep(cost * count)
        return count

    model, count = fit_within(fit, 100_000, seconds)
    assert model == count == calls[-1]
    assert count == expected or (expected is None and FIRST <= count < 100_000)


class Nearest(FittedBaseline):
    """The label of the training text with most of the same words; notes what it is given."""

    name = "nearest"

    def __init__(self, labels):
        self.labels, self.fitted = labels, []

    def fit(self, rows, prepared):
        assert [len(ids) for ids in prepared["input_ids"]] == prepared["length"]
        self.fitted.append(len(rows))
        return [(set(text.split()), label) for text, label in zip(*rows[:].values(), strict=True)]

    def predict(self, model, rows, prepared):
        assert len(rows) == len(prepared)
        found = [max(model, key=lambda one: len(one[0] & set(text.split())))[1]
                 for text in rows["text"]]  # fmt: skip
        return [{"label": label, "scores": {n: float(n == label) for n in self.labels}}
                for label in found]  # fmt: skip


class Broken(Nearest):
    """Fails as its predictions lack what the metrics need."""

    name = "broken"

    def predict(self, model, rows, prepared):
        raise RuntimeError("no neighbours")


def scored(job, own, seconds, **how):
    plugin = job.plugin.with_()
    plugin.baselines = lambda: own
    return score_baselines(plugin, job.prepared, plugin.metrics, seconds, 0, **how)


def test_a_model_as_baseline_is_fitted_on_all_rows_within_its_time(job):
    own = Nearest(job.plugin.data["train"].unique("label"))
    rows = {name: len(job.prepared[name]) for name in ("train", "test")}
    scores, used, _ = scored(job, [own], 60.0)
    assert used == {"nearest": rows}
    assert own.fitted == [rows["train"]]
    assert scores["nearest"]["accuracy"]["value"] > 0.6


def test_a_baseline_that_fails_leaves_the_others(job):
    failed = []

    @contextmanager
    def attempt(*what):
        try:
            yield
        except RuntimeError as error:
            failed.append((*what, str(error)))

    labels = job.plugin.data["train"].unique("label")
    scores, used, _ = scored(job, [Broken(labels), Nearest(labels)], 60.0, attempt=attempt)
    assert list(scores) == list(used) == ["nearest"]
    assert failed == [("baseline", "broken", "no neighbours")]


def test_baselines_resample_groups(job):
    own = [Nearest(job.plugin.data["train"].unique("label"))]
    units = np.arange(len(job.prepared["test"])) // 15
    by_rows, by_groups = (scored(job, own, 60.0, groups=g)[0]["nearest"] for g in (None, units))
    assert by_rows["accuracy"]["value"] == by_groups["accuracy"]["value"]
    assert by_rows["accuracy"]["low"] != by_groups["accuracy"]["low"]


class OfSome(Nearest):
    """Fitted on the first 40 rows, of which the model sees as many, or all."""

    def __init__(self, labels, available):
        super().__init__(labels)
        self.available = available

    def run(self, data, seconds):
        few = range(40)
        fitted = self.fit(data.train.select(few), data.train_prepared.select(few))
        found = self.predict(fitted, data.test, data.test_prepared)
        return BaselineResult(found, np.arange(len(data.test)), 40, available=self.available)


@pytest.mark.parametrize("available", [None, 40])
def test_a_baseline_on_fewer_rows_than_the_model_gets_no_verdict(job, available):
    own = OfSome(job.plugin.data["train"].unique("label"), available)
    scores, used, _ = scored(job, [own], 60.0)
    draws = {name: [0.5, 0.6] * 100 for name in scores["nearest"]}
    how = {"model": lambda rows: (scores["nearest"], draws)}
    verdict = scored(job, [own], 60.0, **how)[2]["nearest"]["accuracy"]["verdict"]
    assert (verdict == "fitted on fewer rows") is (available is None)
    assert used["nearest"].get("available") == available
