"""The metric modules against scikit-learn, and what they take besides what it takes."""

from __future__ import annotations

import gc
import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest
from sklearn import metrics as sk

from toolkit.errors import UserError
from toolkit.evaluation import metrics
from toolkit.evaluation.bootstrap import weights
from toolkit.evaluation.metrics.base import RowMetric
from toolkit.evaluation.shares import wilson

Reference = Callable[..., float]
BINARY = ["precision", "recall", "f1", "sensitivity", "specificity"]
SCORED = [
    "roc_auc", "average_precision", "top5_accuracy", "log_loss", "expected_calibration_error"
]  # fmt: skip
UNSEEN_IS_WRONG = ["top5_accuracy", "expected_calibration_error"]
ONE_LABEL = [name for name in metrics.names() if name not in BINARY]
SEVERAL = [n for n in ONE_LABEL if n not in ("matthews_correlation", "top5_accuracy")]
EITHER = [(name, False) for name in metrics.names()] + [(name, True) for name in SEVERAL]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", str(tmp_path / "metrics"))


def per_class(score: Callable[..., float], need_negatives: bool) -> Reference:
    """One class against the rest, averaged over the classes where that is defined."""

    def reference(y: Any, p: Any, sample_weight: Any = None) -> float:
        truth = y if y.ndim == 2 else y[:, None] == np.arange(p.shape[1])
        if y.ndim == 1 and p.shape[1] == 2:
            truth, p = truth[:, 1:], p[:, 1:]
        w = np.ones(len(y)) if sample_weight is None else sample_weight
        columns = [c for c in range(p.shape[1]) if truth[w > 0, c].any()]
        if need_negatives:
            columns = [c for c in columns if not truth[w > 0, c].all()]
        return float(np.mean([score(truth[:, c], p[:, c], sample_weight=w) for c in columns]))

    return reference


def log_loss(y: Any, p: Any, sample_weight: Any = None) -> float:
    if y.ndim == 1:
        return sk.log_loss(y, p, sample_weight=sample_weight, labels=np.arange(p.shape[1]))
    losses = [
        sk.log_loss(t, s, sample_weight=sample_weight, labels=[0, 1])
        for t, s in zip(y.T, p.T, strict=True)
    ]
    return float(np.mean(losses))


def calibration_error(y: Any, p: Any, sample_weight: Any = None) -> float:
    """Guo et al. (2017), equation 3, bin by bin."""
    w = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, float)
    if y.ndim == 1:
        confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    else:
        w = np.repeat(w, p.shape[1])
        confidence, right = p.ravel(), y.ravel() == 1
    total = 0.0
    for m in range(1, 16):
        low = -1.0 if m == 1 else (m - 1) / 15
        inside = (confidence > low) & (confidence <= m / 15)
        if w[inside].sum():
            share = np.average(right[inside], weights=w[inside])
            mean = np.average(confidence[inside], weights=w[inside])
            total += w[inside].sum() / w.sum() * abs(share - mean)
    return total


def top_5(y: Any, p: Any, sample_weight: Any = None) -> float:
    if p.shape[1] <= 5:
        return 1.0
    labels = np.arange(p.shape[1])
    return sk.top_k_accuracy_score(y, p, k=5, sample_weight=sample_weight, labels=labels)


def _references() -> dict[str, Reference]:
    found: dict[str, Reference] = {
        "accuracy": sk.accuracy_score,
        "matthews_correlation": sk.matthews_corrcoef,
        "roc_auc": per_class(sk.roc_auc_score, need_negatives=True),
        "average_precision": per_class(sk.average_precision_score, need_negatives=False),
        "top5_accuracy": top_5,
        "sensitivity": partial(sk.recall_score, zero_division=0),
        "specificity": partial(sk.recall_score, pos_label=0, zero_division=0),
        "log_loss": log_loss,
        "expected_calibration_error": calibration_error,
    }
    scores = {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score}
    for name, score in scores.items():
        found[name] = partial(score, zero_division=0)
        for average in ("macro", "micro", "weighted"):
            found[f"{name}_{average}"] = partial(score, average=average, zero_division=0)
    return found


REFERENCES = _references()


def one_label(classes: int, seed: int = 0, rows: int = 300, tied: bool = False) -> tuple[Any, Any]:
    """True ids, and probability rows; tied: multiples of 0.1, many of them equal."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, rows)
    logits = rng.normal(size=(rows, classes)) + 1.5 * (truth[:, None] == np.arange(classes))
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    return truth, np.array([rng.multinomial(10, row) for row in p]) / 10 if tied else p


def several(labels: int, seed: int = 0, rows: int = 300, tied: bool = False) -> tuple[Any, Any]:
    """True 0/1 rows, and a probability for each label."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((rows, labels)) < 0.3).astype(int)
    p = np.clip(0.35 * truth + 0.6 * rng.random((rows, labels)), 0, 1)
    return truth, p.round(1) if tied else p


def given(name: str, p: Any, multilabel: bool = False) -> Any:
    """What a metric takes for probabilities: themselves, or the labels that follow."""
    if name in SCORED:
        return p
    return (p > 0.5).astype(int) if multilabel else p.argmax(axis=1)


def value(metric: Any, predictions: Any, references: Any, **kwargs: Any) -> float:
    result = metric.compute(predictions=predictions, references=references, **kwargs)
    return result[metric.name]


def test_every_name_loads_a_module_of_that_name() -> None:
    for name in metrics.names():
        metric = metrics.load(name)
        assert isinstance(metric, RowMetric)
        assert isinstance(metric, evaluate.Metric)
        assert metric.name == name
        assert metric.description
        assert metric.greater_is_better == (name not in SCORED[3:])
    assert len(metrics.names()) == 21
    assert set(REFERENCES) == set(metrics.names())


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    ("name", "classes"),
    [(name, 2) for name in metrics.names()] + [(n, c) for n in ONE_LABEL for c in (5, 77)],
)
def test_equals_scikit_learn(name: str, classes: int, tied: bool) -> None:
    truth, p = one_label(classes, seed=classes, tied=tied)
    predictions = given(name, p)
    expected = REFERENCES[name](truth, predictions)
    assert value(metrics.load(name), predictions, truth) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("name", SEVERAL)
def test_equals_scikit_learn_for_several_labels_per_row(name: str, tied: bool) -> None:
    truth, p = several(7, tied=tied)
    truth[:, 4] = 0
    truth[:, 5], p[:, 5] = 0, 0
    predictions = given(name, p, multilabel=True)
    expected = REFERENCES[name](truth, predictions)
    found = value(metrics.load(name, multilabel=True), predictions, truth)
    assert found == pytest.approx(expected, rel=1e-9)


def test_areas_equal_scikit_learn_in_its_own_multiclass_form() -> None:
    truth, p = one_label(5, tied=True)
    expected = sk.roc_auc_score(truth, p, multi_class="ovr")
    assert value(metrics.load("roc_auc"), p, truth) == pytest.approx(expected, rel=1e-12)
    expected = sk.average_precision_score(truth, p)
    assert value(metrics.load("average_precision"), p, truth) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("whole", [True, False], ids=["counts", "fractions"])
@pytest.mark.parametrize(("name", "multilabel"), EITHER)
def test_weights_equal_scikit_learn(name: str, multilabel: bool, whole: bool) -> None:
    classes = 2 if name in BINARY else 8 if name == "top5_accuracy" else 5
    truth, p = several(5, tied=True) if multilabel else one_label(classes)
    rng = np.random.default_rng(5)
    # scikit-learn counts classes that only rows of weight 0 have; so weights are positive here.
    w = (rng.integers(1, 4, len(truth)) if whole else rng.random(len(truth)) + 0.1).astype(float)
    predictions = given(name, p, multilabel)
    metric = metrics.load(name, multilabel=multilabel)
    found = metric.statistic(metric.rows(predictions, truth), w)
    expected = REFERENCES[name](truth, predictions, sample_weight=w)
    assert found == pytest.approx(expected, rel=1e-9)
    assert found != pytest.approx(REFERENCES[name](truth, predictions), rel=1e-6)


@pytest.mark.parametrize(("name", "multilabel"), EITHER)
def test_a_weighted_draw_is_what_the_drawn_rows_give(name: str, multilabel: bool) -> None:
    labels = ["no", "yes"] if name in BINARY else list("abcdefgh")
    size = len(labels)
    truth, p = (several if multilabel else one_label)(size, rows=25, tied=True)
    if multilabel:
        truth = np.pad(truth, ((0, 0), (0, 1)))
        truth[3, size] = 1
    else:
        truth[3] = size
    metric = metrics.load(name, labels=labels, multilabel=multilabel)
    predictions = given(name, p, multilabel)
    if multilabel and name not in SCORED:
        predictions = np.pad(predictions, ((0, 0), (0, 1)))
    rows = metric.rows(predictions, truth)
    for draw in weights(len(truth), 10, seed=2):
        drawn = np.repeat(np.arange(len(truth)), draw)
        again = metric.rows(predictions[drawn], truth[drawn])
        expected = metric.statistic(again, np.ones(len(drawn)))
        assert metric.statistic(rows, draw.astype(float)) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("name", ONE_LABEL)
def test_classes_that_never_occur_leave_the_rest_as_it_is(name: str) -> None:
    truth, p = one_label(5)
    truth[truth == 3] = 1
    p[:, 2] = 0  # never predicted either
    truth[truth == 2] = 0
    p /= p.sum(axis=1, keepdims=True)
    predictions = given(name, p)
    expected = REFERENCES[name](truth, predictions)
    assert value(metrics.load(name), predictions, truth) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["accuracy", "f1_macro", "roc_auc", "log_loss"])
def test_streamed_equals_at_once(name: str) -> None:
    truth, p = one_label(5)
    predictions = given(name, p)
    metric = metrics.load(name)
    expected = metric.compute(predictions=predictions, references=truth, resamples=20)
    for start in range(0, len(truth), 37):
        part = slice(start, start + 37)
        metric.add_batch(predictions=predictions[part].tolist(), references=truth[part].tolist())
    metric.add_batch(predictions=[], references=[])
    assert metric.compute(resamples=20) == expected
    for prediction, reference in zip(predictions, truth, strict=True):
        metric.add(prediction=prediction, reference=reference)
    assert metric.compute(resamples=20) == expected


def decoded(p: Any, labels: list[str]) -> list[dict[str, Any]]:
    # Scores in another order than the labels: what counts is the name.
    return [
        {
            "label": labels[row.argmax()],
            "score": row.max(),
            "scores": dict(reversed(list(zip(labels, row, strict=True)))),
        }
        for row in p
    ]


def decoded_several(p: Any, labels: list[str]) -> list[dict[str, Any]]:
    scores = [dict(zip(labels, row, strict=True)) for row in p]
    return [{"labels": [n for n in row if row[n] > 0.5], "scores": row} for row in scores]


def texts(truth: Any, labels: list[str]) -> list[Any]:
    if truth.ndim == 1:
        return [labels[place] for place in truth]
    return [[labels[place] for place in np.flatnonzero(row)] for row in truth]


@pytest.mark.parametrize("name", metrics.names())
def test_decoded_predictions_equal_plain_ones(name: str) -> None:
    labels = ["no", "yes"] if name in BINARY else ["refund", "billing", "other"]
    truth, p = one_label(len(labels))
    found = value(metrics.load(name, labels=labels), decoded(p, labels), texts(truth, labels))
    assert found == value(metrics.load(name), given(name, p), truth)


@pytest.mark.parametrize("name", SEVERAL)
def test_decoded_predictions_of_several_labels_equal_plain_ones(name: str) -> None:
    labels = ["price", "quality", "speed", "support"]
    truth, p = several(4)
    truth[0] = 0
    metric = metrics.load(name, labels=labels, multilabel=True)
    predictions = given(name, p, multilabel=True)
    expected = value(metrics.load(name, multilabel=True), predictions, truth)
    assert value(metric, decoded_several(p, labels), texts(truth, labels)) == expected
    assert value(metric, predictions, truth) == expected


def test_the_positive_class_is_the_last_or_the_one_that_is_named() -> None:
    labels = ["no", "yes"]
    truth, p = one_label(2)
    for name in [*BINARY, "roc_auc", "average_precision"]:
        reference = REFERENCES[name]
        predictions = given(name, p)
        turned = p[:, ::-1] if name in SCORED else 1 - predictions
        for positive, expected in {
            "yes": reference(truth, predictions),
            "no": reference(1 - truth, turned),
        }.items():
            metric = metrics.load(name, labels=labels, pos_label=positive)
            found = value(metric, decoded(p, labels), texts(truth, labels))
            assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", SCORED)
def test_one_score_is_that_of_the_positive_of_two_classes(name: str) -> None:
    truth, p = one_label(2)
    expected = value(metrics.load(name), p, truth)
    assert value(metrics.load(name), p[:, 1], truth) == pytest.approx(expected, rel=1e-12)
    first = metrics.load(name, labels=["a", "b"], pos_label="a")
    expected = value(first, p, truth)
    assert value(first, p[:, 0], truth) == pytest.approx(expected, rel=1e-12)


def test_an_unknown_class_is_wrong_and_a_class_of_its_own_for_labels() -> None:
    labels = ["a", "b", "c"]
    truth, p = one_label(3, rows=60)
    said = texts(truth, labels)
    said[5], said[9] = "new", "newer"
    truth[[5, 9]] = 3
    for name in ONE_LABEL:
        if name not in SCORED:
            found = value(metrics.load(name, labels=labels), decoded(p, labels), said)
            assert found == pytest.approx(REFERENCES[name](truth, p.argmax(axis=1)), rel=1e-9)
    pair, scores = texts(truth.clip(max=1), ["a", "b"]), p[:, :2] / p[:, :2].sum(1, keepdims=True)
    pair[5] = "new"
    found = value(metrics.load("precision", labels=["a", "b"]), decoded(scores, ["a", "b"]), pair)
    predicted = scores.argmax(axis=1) == 1
    assert found == pytest.approx((predicted & np.equal(pair, "b")).sum() / predicted.sum())


@pytest.mark.parametrize("name", sorted({*SCORED} - {*UNSEEN_IS_WRONG}))
def test_rows_of_an_unknown_class_are_left_out_of_scores(name: str) -> None:
    labels = ["a", "b", "c"]
    truth, p = one_label(3, rows=60)
    said = texts(truth, labels)
    said[5], said[9] = "new", "newer"
    kept = np.setdiff1d(np.arange(60), [5, 9])
    metric = metrics.load(name, labels=labels)
    found = metric.compute(predictions=decoded(p, labels), references=said)
    assert found == {
        name: pytest.approx(REFERENCES[name](truth[kept], p[kept]), rel=1e-9),
        "left_out": 2,
    }
    found = metric.compute(predictions=decoded(p[:2], labels), references=["x", "y"], resamples=5)
    assert found["left_out"] == 2
    assert all(math.isnan(found[key]) for key in (name, "low", "high"))


@pytest.mark.parametrize("name", UNSEEN_IS_WRONG)
def test_rows_of_an_unknown_class_are_wrong_where_that_is_known(name: str) -> None:
    labels = ["a", "b", "c", "d", "e", "f"]
    truth, p = one_label(6, rows=60)
    said, odd = texts(truth, labels), np.flatnonzero(truth == p.argmax(axis=1))[:1]
    said[odd[0]] = "new"
    found = metrics.load(name, labels=labels).compute(
        predictions=decoded(p, labels), references=said
    )
    wrong = truth.copy()
    wrong[odd] = p[odd].argmin(axis=1)  # surely not what is predicted
    assert found[name] == pytest.approx(REFERENCES[name](wrong, p), rel=1e-9)
    assert "left_out" not in found
    assert found[name] != pytest.approx(REFERENCES[name](truth, p), rel=1e-6)


def test_an_unknown_label_among_several() -> None:
    labels = ["a", "b", "c"]
    truth, p = several(3)
    said = texts(truth, labels)
    said[2] = [*said[2], "new", "newer"]
    with_new = np.pad(truth, ((0, 0), (0, 1)))
    with_new[2, 3] = 1
    for name in SEVERAL:
        metric = metrics.load(name, labels=labels, multilabel=True)
        found = metric.compute(predictions=decoded_several(p, labels), references=said)
        if name in SCORED:
            expected = REFERENCES[name](truth, p)
        else:
            predicted = np.pad((p > 0.5).astype(int), ((0, 0), (0, 1)))
            expected = REFERENCES[name](with_new, predicted)
        assert found == {name: pytest.approx(expected, rel=1e-9)}


@pytest.mark.parametrize(("name", "multilabel"), EITHER)
def test_no_rows_give_no_number(name: str, multilabel: bool) -> None:
    metric = metrics.load(name, labels=["a", "b"], multilabel=multilabel)
    for inputs in ({}, {"predictions": [], "references": []}):
        found = metric.compute(**inputs)
        assert set(found) == {name}
        assert math.isnan(found[name])
        found = metric.compute(resamples=None, **inputs)
        assert set(found) == {name, "low", "high"}
        assert all(math.isnan(number) for number in found.values())


@pytest.mark.parametrize("name", SCORED)
def test_scores_that_are_no_numbers_give_no_number(name: str) -> None:
    truth, p = one_label(3)
    p[7, 1] = np.nan
    assert math.isnan(value(metrics.load(name), p, truth))


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_undefined_areas(name: str) -> None:
    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert math.isnan(value(metrics.load(name), p, [0, 0]))
    only_positive = value(metrics.load(name), p, [1, 1])
    assert math.isnan(only_positive) if name == "roc_auc" else only_positive == 1.0


def test_log_loss_clips_and_scales() -> None:
    metric = metrics.load("log_loss")
    wrong = np.array([[1.0, 0.0], [0.5, 0.5]])
    expected = sk.log_loss([1, 0], wrong)
    assert value(metric, wrong, [1, 0]) == pytest.approx(expected, rel=1e-12)
    assert value(metric, [[0.4, 0.4], [0.2, 0.6]], [1, 1]) == pytest.approx(-np.log(0.375) / 2)
    assert math.isfinite(value(metric, [[0.0, 0.0]], [1]))


def test_calibration_bins_are_closed_on_the_right() -> None:
    # 0.6 = 9/15 ends a bin, and 0.65 lies in the next: (|1 - 0.6| + |0 - 0.65|) / 2.
    found = value(metrics.load("expected_calibration_error"), [[0.6, 0.4], [0.65, 0.35]], [0, 1])
    assert found == pytest.approx(0.525)


@pytest.mark.parametrize("name", [name for name in SEVERAL if name.endswith("_weighted")])
def test_an_average_by_true_rows_is_zero_where_nothing_is_true(name: str) -> None:
    assert value(metrics.load(name, multilabel=True), [[1, 0], [0, 1]], [[0, 0], [0, 0]]) == 0.0


def test_all_unknown_ids_are_one_class() -> None:
    metric = metrics.load("f1_macro", labels=["a", "b"])
    assert value(metric, [0, 1, 1, 1], [0, 1, 2, 7]) == pytest.approx((1 + 0.5 + 0) / 3)


def test_interval_resamples_rows_and_repeats() -> None:
    truth, p = one_label(3, rows=120)
    metric = metrics.load("accuracy")
    found = metric.compute(predictions=p.argmax(1), references=truth, resamples=300, seed=4)
    right = p.argmax(axis=1) == truth
    values = [draw @ right / 120 for draw in weights(120, 300, seed=4)]
    assert found["accuracy"] == right.mean()
    drawn = metric.compute(
        predictions=p.argmax(1), references=truth, resamples=300, seed=4, draws=True
    )
    assert drawn.pop("draws") == pytest.approx(values)
    assert drawn == found
    assert (found["low"], found["high"]) == pytest.approx(wilson(right.sum(), 120))
    other = metrics.load("f1_weighted")
    one, two = (other.compute(predictions=p.argmax(1), references=truth, resamples=300, seed=seed)
                for seed in (4, 5))  # fmt: skip
    assert (one["low"], one["high"]) != (two["low"], two["high"])
    automatic = metric.compute(predictions=p.argmax(1), references=truth, resamples=None, seed=4)
    full = metric.compute(predictions=p.argmax(1), references=truth, resamples=1000, seed=4)
    assert automatic == full


@pytest.mark.parametrize("name", sorted({*SCORED} - {"expected_calibration_error"}))
def test_intervals_surround_values(name: str) -> None:
    truth, p = one_label(8 if name == "top5_accuracy" else 3, rows=400)
    found = metrics.load(name).compute(predictions=p, references=truth, resamples=200)
    assert found["low"] < found[name] < found["high"]


def test_instances_do_not_wait_for_each_other_and_leave_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    first, second = metrics.load("accuracy"), metrics.load("accuracy")
    assert not folder.exists() or not list(folder.iterdir())
    first.add_batch(predictions=[0, 1], references=[0, 1])
    second.add_batch(predictions=[0, 1], references=[1, 1])
    assert len(list(folder.iterdir())) == 2
    assert first.compute()["accuracy"] == 1.0
    assert len(list(folder.iterdir())) == 1
    with pytest.raises(UserError):
        second.compute(predictions=["a"], references=["a"])
    assert second.compute()["accuracy"] == 0.5  # what was added before the mistake is still there
    second.add(prediction=0, reference=0)
    assert second.compute()["accuracy"] == 1.0
    first.add(prediction=0, reference=1)
    del first, second
    gc.collect()
    assert not list(folder.iterdir())


def test_an_unknown_metric_is_named_with_the_nearest_and_all() -> None:
    with pytest.raises(UserError, match=r"no metric 'acuracy'.* mean 'accuracy'") as error:
        metrics.load("acuracy")
    assert all(name in str(error.value) for name in metrics.names())


@pytest.mark.parametrize("name", BINARY)
def test_metrics_of_a_positive_class_refuse_more_classes(name: str) -> None:
    averaged = "recall" if name in ("sensitivity", "specificity") else name
    other = f"take {averaged}_macro, {averaged}_micro or {averaged}_weighted"
    with pytest.raises(UserError, match=f"3 classes; {other}"):
        metrics.load(name, labels=["a", "b", "c"])
    with pytest.raises(UserError, match=f"several labels per row; {other}"):
        metrics.load(name, labels=["a", "b"], multilabel=True)
    with pytest.raises(UserError, match=f"3 classes; {other}"):
        metrics.load(name).compute(predictions=[0, 1, 2], references=[0, 1, 1])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"name": "matthews_correlation", "multilabel": True}, "take f1_macro or f1_micro"),
        ({"name": "f1", "labels": ["no", "yes"], "pos_label": "yess"}, "mean 'yes'"),
        ({"name": "f1", "pos_label": "yes"}, "'yes' is not one of the labels (none)"),
        ({"name": "accuracy", "labels": ["a", "a"]}, "more than once"),
    ],
)
def test_refused_when_loaded(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        metrics.load(**kwargs)


@pytest.mark.parametrize(
    ("name", "kwargs", "predictions", "references", "message"),
    [
        ("accuracy", {}, ["a"], ["a"], "loaded without labels"),
        ("accuracy", {}, [-1], [1], "whole numbers from 0"),
        ("accuracy", {}, [0.5], [1], "whole numbers from 0"),
        ("accuracy", {"labels": ["a", "b"]}, [{"label": "c"}], ["a"], "'c' is not among"),
        ("accuracy", {"labels": ["a", "b"]}, [{"scores": {}}], ["a"], "no 'label'"),
        ("accuracy", {"labels": ["a", "b"]}, ["a"], [["a", "b"]], "must be a text"),
        ("accuracy", {"labels": ["a"], "multilabel": True}, [["a"]], ["a"], "takes a list"),
        ("accuracy", {"labels": ["a"], "multilabel": True}, [["b"]], [["a"]], "is not among"),
        ("accuracy", {"labels": ["a"], "multilabel": True}, [[1, 0, 1]], [["a"]], "3 columns"),
        ("accuracy", {"multilabel": True}, [[2, 0]], [[1, 0]], "0 or 1"),
        ("accuracy", {"multilabel": True}, [[1, 0], [1]], [[1, 0], [1, 0]], "as many each"),
        ("accuracy", {"multilabel": True}, [[1, 0]], [[1, 0, 0]], "2 labels per row"),
        ("log_loss", {"labels": ["a", "b"]}, [{"scores": {"a": 1.0}}], ["a"], "label 'b'"),
        ("log_loss", {"labels": ["a", "b"]}, [[0.1, 0.2, 0.7]], ["a"], "3 scores for 2"),
        ("log_loss", {}, [[1.5, -0.5]], [0], "from 0 to 1"),
        ("expected_calibration_error", {}, [[3.0, 1.0]], [0], "from 0 to 1"),
        ("roc_auc", {"multilabel": True}, [[0.1, 0.2, 0.7]], [[1, 0]], "3 scores"),
        ("roc_auc", {}, [{"scores": {"a": 1.0}}], [0], "loaded without labels"),
    ],
)
def test_refused_values(
    name: str, kwargs: dict[str, Any], predictions: Any, references: Any, message: str
) -> None:
    metric = metrics.load(name, **kwargs)
    with pytest.raises(UserError, match=message):
        metric.compute(predictions=predictions, references=references)


def test_rows_of_different_width_in_different_batches_are_refused() -> None:
    metric = metrics.load("roc_auc")
    metric.add_batch(predictions=[[0.5, 0.5]], references=[0])
    metric.add_batch(predictions=[[0.2, 0.3, 0.5]], references=[0])
    with pytest.raises(UserError, match="differ in width"):
        metric.compute()
