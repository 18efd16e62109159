"""Objects in images for any model: threshold, sameness, errors, tables and notes."""

from __future__ import annotations

import math
from collections import Counter

import datasets
import numpy as np
import pytest
from box_scenes import box, boxes_plugin, image, random_pairs, two_squares
from walkthrough import page_file

import toolkit
from toolkit.errors import DataError
from toolkit.evaluation.metrics import boxes as metrics
from toolkit.evaluation.metrics.box_scene import Scene
from toolkit.tasks.boxes import found, geometry, mistakes, tables
from toolkit.tasks.boxes.thresholds import Sweep


def f1_at(pairs, threshold):
    """Return F1 as the metric has it, with objects split by a threshold."""
    metric, sums = metrics.BoxF1(), np.zeros(3)
    for prediction, reference in pairs:
        every = [(one["box"], one["label"], one["score"]) for one in found.every(prediction)]
        sums += metric.counts(found.split(every, threshold, 10_000), reference)
    return metric.value(sums)


def test_boxes_are_split_at_the_threshold_and_odd_ones_are_left_out():
    odd = [([1, 1, 1, 9], "a", 0.8), ([0, 0, math.nan, 9], "a", 0.8), ([0, 0, 9, 9], "a", math.inf)]
    boxes = [([0, 0, 5, 5], "b", 0.5), ([0, 0, 9, 9], "a", 0.9), *odd, ([2, 2, 5, 5], "a", 0.5),
             ([0, 0, 3, 3], "a", 0.2), ([0, 0, 4, 4], "a", 0.1)]  # fmt: skip
    one = found.split(boxes, 0.5, most=4)
    assert [(b["label"], b["box"][2], b["score"]) for b in one["objects"]] == [
        ("a", 9, 0.9), ("b", 5, 0.5), ("a", 5, 0.5)]  # fmt: skip
    assert [b["score"] for b in one["candidates"]] == [0.2]
    assert one["counts"] == {"a": 2, "b": 1}
    assert found.split([]) == {"objects": [], "candidates": [], "counts": {}}


@pytest.mark.parametrize("seed", range(2))
def test_the_threshold_is_that_of_the_best_f1(seed):
    pairs = random_pairs(seed, 6, 10, labels=("a", "b"))
    sweep = Sweep.of(Scene.of_pairs(pairs))
    best = sweep.best()
    scores = sorted({one["score"] for pair in pairs for one in found.every(pair[0])})
    values = {score: f1_at(pairs, score) for score in scores}
    assert f1_at(pairs, best) == pytest.approx(max(values.values()))
    assert sweep.at(best) == pytest.approx(max(values.values()))
    chosen, *higher = [score for score in scores if score > best]
    assert values[chosen] > max(values[score] for score in higher)
    assert best not in scores  # between two of them


def test_few_hits_choose_no_threshold(tmp_path):
    few = [(image(*(box(9 * n, 0, 9 * n + 9, 9) for n in range(4))),) * 2]
    assert Sweep.of(Scene.of_pairs(few)).best() is None
    assert Sweep.of(Scene.of_pairs([(image(), image())])).best() is None
    plugin = boxes_plugin(tmp_path, train=[few[0][1]["objects"]], validation=[few[0][1]["objects"]])
    assert plugin.calibrate([few[0][0]]) == {"threshold": 0.5}


def test_the_threshold_of_validation_is_what_splits_boxes(tmp_path):
    objects = [box(9 * n, 0, 9 * n + 9, 9) for n in range(6)]
    plugin = boxes_plugin(tmp_path, train=[objects], validation=[objects])
    hits = [(one["box"], "a", 0.3 + n / 100) for n, one in enumerate(objects)]
    wrong = [([200, 200, 210, 210], "a", 0.1)]
    prediction = plugin.split_by_threshold(hits + wrong)
    assert not prediction["objects"]
    chosen = plugin.calibrate([prediction])
    assert chosen == {"threshold": pytest.approx(0.2)}
    plugin.calibration = chosen
    found_again = plugin.split_by_threshold(hits + wrong)
    assert found_again["counts"] == {"a": 6}
    assert plugin.decision_margin(found_again) == pytest.approx(0.1)
    assert plugin.decision_margin(found.split([])) == math.inf


def moved(prediction, by=0.0, score=0.0):
    """Return a prediction with all boxes shifted, and other scores."""
    every = [(np.add(one["box"], by), one["label"], one["score"] + score)
             for one in found.every(prediction)]  # fmt: skip
    return found.split(every, 0.5)


def test_predictions_are_the_same_but_for_rounding(tmp_path):
    plugin = boxes_plugin(tmp_path, train=[[box(0, 0, 9, 9)]])
    one = found.split([([0, 0, 300, 300], "a", 0.501), ([5, 5, 20, 20], "b", 0.2)], 0.5)
    assert plugin.same(one, one)
    assert plugin.same(one, moved(one, 0.9, -0.002))  # an object in the first alone
    assert not plugin.same(one, moved(one, 1.5))  # much for the small one
    assert not plugin.same(one, moved(one, score=0.02))
    other = found.split([([0, 0, 300, 300], "a", 0.501), ([5, 5, 20, 20], "a", 0.18)], 0.5)
    assert not plugin.same(one, other)
    assert not plugin.same(one, found.split([([0, 0, 300, 300], "a", 0.501)], 0.5))


def test_boxes_that_a_full_list_cut_off_may_differ():
    first = ([0, 0, 9, 9], "a", 0.9)
    one = found.split([first, ([50, 50, 60, 60], "a", 0.101)], 0.5, 2)
    other = found.split([first, ([80, 80, 99, 99], "a", 0.1)], 0.5, 2)
    assert found.same(one, other, 2)
    short = [found.split([first, ([n, n, n + 9, n + 9], "a", 0.03)], 0.5) for n in (50, 80)]
    assert found.same(*short)  # few are left by suppression
    assert not found.same(one, other, 3)  # neither list is full: both boxes must be there
    assert not found.same(one, found.split([([80, 80, 99, 99], "a", 0.1)] * 2, 0.5, 2), 2)


def test_each_wrong_object_is_of_one_kind():
    actual = image(box(0, 0, 10, 10, "a"), box(20, 0, 30, 10, "b"), box(40, 0, 50, 10, "a"),
                   box(60, 0, 70, 10, "a"), box(80, 0, 90, 10, crowd=True))  # fmt: skip
    predicted = image(
        box(0, 0, 10, 10, "a", 0.9), box(0, 0, 10, 9, "a", 0.8), box(20, 0, 30, 10, "a", 0.7),
        box(45, 0, 55, 10, "a", 0.6), box(45, 5, 55, 10, "b", 0.55), box(90, 90, 99, 99, "a"),
        box(82, 0, 88, 10, "a"),
    )  # fmt: skip
    assert mistakes.kinds(predicted, actual) == (
        ["right", "duplicate", "wrong class", "poor overlap", "wrong class, poor overlap",
         "background", ""], 1)  # fmt: skip
    assert mistakes.totals([(image(), actual), (predicted, image())]) == Counter(
        {"missed": 4, "background": 7}
    )


def test_galleries_have_the_worst_first():
    good = image(box(0, 0, 9, 9))
    pairs = [(good, good), (image(box(50, 50, 59, 59, score=0.7)), good),
             (image(box(0, 0, 9, 9), box(50, 50, 59, 59, score=0.9)), good),
             (image(), image(box(0, 0, 99, 99)))]  # fmt: skip
    of = mistakes.galleries(pairs)
    assert of["worst"] == [1, 3, 2]
    assert [(row, one["score"]) for row, one in of["false_positives"]] == [(2, 0.9), (1, 0.7)]
    assert [row for row, _ in of["missed"]] == [3, 1]
    assert mistakes.galleries(pairs, 1)["worst"] == [1]


def test_tables_and_curves_agree_with_the_metrics():
    pairs = random_pairs(1, 12, 20)
    shown = tables.tables(pairs)
    by_class = {row[0]: row for row in shown["classes"].rows}
    known = [row[1] for row in by_class.values() if row[1] is not None]
    expected = {}
    for name in ("ap", "ap_small", "precision", "recall"):
        metric = metrics.load(name)
        metric.add_batch(predictions=[p for p, _ in pairs], references=[r for _, r in pairs])
        expected[name] = metric.compute()[name]
    assert np.mean(known) == pytest.approx(expected["ap"])
    sizes = {row[0].split()[0]: row for row in shown["sizes"].rows}
    assert sizes["all"][1] == pytest.approx(expected["ap"])
    assert sizes["small"][1] == pytest.approx(expected["ap_small"])
    assert by_class["not there"][1] is None  # predicted, and of no image
    errors = dict(shown["errors at the threshold"].rows)
    predicted = sum(count for kind, count in errors.items() if kind != "missed")
    assert errors["right"] / predicted == pytest.approx(expected["precision"])
    drawn = tables.curves(pairs, 0.4)
    assert set(drawn["precision_recall"].lines) == {"a", "b", "c"}
    assert drawn["f1_by_threshold"].marks["chosen: 0.40"][1] == pytest.approx(f1_at(pairs, 0.4))


def test_tables_and_curves_without_objects_are_left_out():
    assert tables.tables([(image(), image())]) == {}
    assert tables.curves([(image(), image(box(0, 0, 9, 9)))], 0.5) == {}
    many = [(image(*(box(0, 0, 9, 9, f"c{n}") for n in range(13))),) * 2]
    (line,) = tables.curves(many, 0.5)["precision_recall"].lines.items()
    assert line[0] == "mean of 13 classes"
    assert {y for _, y in line[1]} == {1.0}


def test_classes_are_those_of_training_or_in_the_order_of_a_model_that_has_them(tmp_path):
    rows = [[box(0, 0, 9, 9, "b"), box(0, 0, 9, 9, "crowded", crowd=True)], [],
            [box(0, 0, 9, 9, "a")]]  # fmt: skip
    assert boxes_plugin(tmp_path, train=rows).classes == ["a", "b"]
    ordered = boxes_plugin(tmp_path, names=["b", "a"], train=rows)
    assert ordered.classes == ["b", "a"]
    assert ordered.head["label2id"] == {"b": 0, "a": 1}
    assert boxes_plugin(tmp_path, names=["x", "y"]).classes == ["x", "y"]
    with pytest.raises(DataError, match="no object"):
        boxes_plugin(tmp_path, train=[[], []]).classes  # noqa: B018 - it is computed
    encode = ordered.target_encoder()
    expected = {"boxes": [[[0, 0, 9, 9]], []], "class_labels": [[0], []], "crowd": [[False], []]}
    assert encode({"objects": [rows[0], []]}) == expected
    assert encode({"image": [b""]}) == {}


def test_notes_name_few_and_new_classes(tmp_path):
    objects = [[box(0, 0, 9, 9, "a")] * 12 + [box(0, 0, 9, 9, "b")], []]
    test = [[box(0, 0, 9, 9, "new"), box(0, 0, 9, 9, "a", crowd=True)]]
    notes = boxes_plugin(tmp_path, train=objects, test=test).notes()
    assert "train: 13 objects in 2 images (6.5 per image), 1 image without any" in notes
    assert "train: fewer than 10 objects of b (1)" in notes
    assert any("no training image has new (1)" in note for note in notes)
    assert any("1 crowd is ignored" in note for note in notes)


def test_what_people_see_has_both_kinds_of_boxes(tmp_path):
    plugin = boxes_plugin(tmp_path, train=[[box(0, 0, 9, 9)]])
    row = {"image": b"png", "objects": [box(0, 0, 9, 9)]}
    (reference,) = plugin.references([row])
    assert reference["objects"][0]["area"] == 81
    prediction = plugin.split_by_threshold([([1, 1, 8, 8], "a", 0.87), ([1, 1, 8, 8], "a", 0.1)])
    (shown,) = plugin.show(row, prediction, reference)
    assert [(one.label, one.actual) for one in shown.boxes] == [("a 0.87", False), ("a", True)]
    assert list(plugin.explained_scores(prediction)) == ["a"]
    assert plugin.references([{"objects": None}]) == [{"objects": []}]


def test_boxes_are_converted_clipped_and_suppressed():
    corners = np.array([[10.0, 20, 30, 60]])
    shares = geometry.to_centres(corners, (100, 200))
    assert shares == pytest.approx(np.array([[0.2, 0.2, 0.2, 0.2]]))
    assert geometry.from_centres(shares, (100, 200)) == pytest.approx(corners)
    assert geometry.clip([[-5, 5, 120, 300]], (100, 200)).tolist() == [[0, 5, 100, 200]]
    boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 10], [50, 0, 60, 10]]
    kept = geometry.suppressed(boxes, [0.5, 0.9, 0.8, 0.1], np.array(["a", "a", "b", "a"]), 0.5)
    assert kept.tolist() == [1, 2, 3]
    assert geometry.suppressed([], [], np.array([]), 0.5).tolist() == []


def test_tiles_give_one_box_for_each_object():
    tiles = np.array([[0, 0, 100, 100], [60, 0, 160, 100]])
    boxes = [np.array([[70, 10, 95, 30], [80, 50, 100, 80]]),  # the second is cut off at 100
             np.array([[10, 10, 35, 30], [20, 50, 70, 80], [90, 0, 100, 9]])]  # fmt: skip
    scores = [np.array([0.6, 0.9]), np.array([0.8, 0.7, 0.5])]
    labels = [np.array([1, 1]), np.array([1, 1, 1])]
    found_boxes, found_scores, _ = geometry.merge_tiles(boxes, scores, labels, tiles, (160, 100))
    assert found_boxes.tolist() == [[70, 10, 95, 30], [80, 50, 130, 80], [150, 0, 160, 9]]
    assert found_scores.tolist() == [0.8, 0.7, 0.5]


@pytest.mark.slow
def test_the_plugin_for_spots_of_the_page(scenario, tmp_path):
    rows = []
    for number, (file, objects) in enumerate(two_squares(0, 80)):
        (tmp_path / f"{number}.png").write_bytes(file)
        rows.append({"image": f"{number}.png", "objects": objects})
    model = {"from_config": {
        "model_type": "yolos", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64, "image_size": [64, 64], "patch_size": 8, "num_detection_tokens": 8,
    }}  # fmt: skip
    code = page_file("docs/plugins/tasks.md", "spots.py")
    training = {"num_train_epochs": 1, "per_device_train_batch_size": 8, "learning_rate": 1e-3}
    recipe = scenario("spots", code, "Spots", rows, model=model, training=training)
    run = toolkit.run(recipe, out=tmp_path / "run")
    assert 0 <= run.metrics["test"]["ap"]["value"] < 1
    assert run.record["reload"]["different"] == 0
    assert set(run.record["baselines"]) == {"frequent_boxes", "threshold_blobs"}
    (found_there,) = run.predict([{"image": str(tmp_path / "0.png")}])
    assert found_there.keys() >= {"objects", "candidates", "counts"}


def test_predictions_come_back_the_same_from_a_dataset():
    prediction = found.split([([0, 0, 9, 9], "a", 0.9)])
    stored = datasets.Dataset.from_list([prediction]).to_list()
    assert found.same(stored[0], prediction)
