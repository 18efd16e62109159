"""Scores of boxes: equal to pycocotools', and what odd images do."""

from __future__ import annotations

import contextlib
import io
import math

import numpy as np
import pytest
from box_scenes import box, image, random_pairs
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from toolkit.errors import UserError
from toolkit.evaluation.metrics import boxes
from toolkit.evaluation.metrics.box_curves import Curves, curve
from toolkit.evaluation.metrics.box_scene import Scene

PLACES = {"ap": 0, "ap50": 1, "ap75": 2, "ap_small": 3, "ap_medium": 4, "ap_large": 5, "ar100": 8}


def scored(name, pairs, **how):
    predictions, references = zip(*pairs, strict=True)
    metric = boxes.load(name)
    return metric.compute(predictions=predictions, references=references, **how)


def by_pycocotools(pairs):
    """Return the twelve numbers of pycocotools."""
    labels = sorted({one["label"] for pair in pairs for side in pair
                     for one in (*side["objects"], *side.get("candidates", ()))})  # fmt: skip
    number = {label: place + 1 for place, label in enumerate(labels)}

    def annotation(place, one):
        left, top, right, bottom = one["box"]
        size = [left, top, right - left, bottom - top]
        return {"image_id": place, "category_id": number[one["label"]], "bbox": size,
                "area": one.get("area", size[2] * size[3]), "iscrowd": int(one.get("crowd", 0)),
                "score": one.get("score")}  # fmt: skip

    actual = [annotation(n, one) for n, (_, given) in enumerate(pairs) for one in given["objects"]]
    found = [annotation(n, one) for n, (given, _) in enumerate(pairs)
             for one in (*given["objects"], *given["candidates"])]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        gold = COCO()
        gold.dataset = {
            "images": [{"id": n} for n in range(len(pairs))],
            "categories": [{"id": n} for n in number.values()],
            "annotations": [{"id": n + 1, **one} for n, one in enumerate(actual)],
        }
        gold.createIndex()
        evaluation = COCOeval(gold, gold.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


@pytest.mark.parametrize(("seed", "images", "found"), [(0, 12, 40), (1, 25, 12), (2, 4, 450)])
def test_scores_are_those_of_pycocotools(seed, images, found):
    pairs = random_pairs(seed, images, found)
    expected = by_pycocotools(pairs)
    for name, place in PLACES.items():
        assert scored(name, pairs)[name] == pytest.approx(expected[place], abs=1e-9), name


def computed(name, pairs, weights):
    """Return a score for any weights of the images, without the library."""
    area, levels, recall = boxes.KINDS[name]
    curves = Curves.made(Scene.of_pairs(pairs), area, levels)
    weights = np.asarray(weights, np.float64)
    return boxes.mean(curves.recall(weights) if recall else curves.average_precision(weights))


@pytest.mark.parametrize("name", boxes.KINDS)
def test_what_resamples_compute_is_the_value_where_each_image_counts_once(name):
    for seed, found in ((3, 40), (4, 15)):
        pairs = random_pairs(seed, 20, found)
        expected = scored(name, pairs)[name]
        assert computed(name, pairs, np.ones(20)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["ap", "ap50", "ar100", "ap_medium"])
def test_an_image_that_counts_twice_is_two_images(name):
    pairs = random_pairs(5, 12, 30, ties=False)
    times = np.random.default_rng(0).integers(0, 4, 12)
    drawn = [pair for pair, count in zip(pairs, times, strict=True) for _ in range(count)]
    expected = scored(name, drawn)[name]
    assert computed(name, pairs, times) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["ap", "ar100", "f1"])
def test_the_score_of_each_image_alone_is_that_of_a_split_of_one(name):
    pairs = random_pairs(6, 6, 20, ties=False)
    alone = scored(name, pairs, by_row=True)["by_row"]
    expected = [scored(name, [pair])[name] for pair in pairs]
    assert alone == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert math.isnan(alone[3]) == (name != "f1")  # no objects, and predicted ones


def test_classes_are_compared_by_name_and_an_exact_half_counts():
    actual = image(box(0, 0, 10, 10, "a"), box(20, 0, 30, 10, "b"))
    # Half of each is overlapped: an IoU of exactly 0.5 is right.
    found = image(box(0, 0, 10, 5, "a", 0.9), box(20, 0, 30, 10, "a", 0.8))
    assert scored("ap50", [(found, actual)])["ap50"] == pytest.approx(0.5)  # of b nothing
    assert scored("precision", [(found, actual)])["precision"] == 0.5
    assert scored("recall", [(found, actual)])["recall"] == 0.5
    assert scored("f1", [(found, actual)])["f1"] == 0.5


def test_precision_and_counts_are_of_the_objects_over_the_threshold_alone():
    actual = image(box(0, 0, 9, 9), box(20, 20, 29, 29))
    found = image(box(0, 0, 9, 9, score=0.9))
    found["candidates"] = image(box(20, 20, 29, 29, score=0.1), box(50, 50, 59, 59))["objects"]
    assert scored("precision", [(found, actual)])["precision"] == 1
    assert scored("recall", [(found, actual)])["recall"] == 0.5
    assert scored("count_error", [(found, actual)])["count_error"] == 1
    assert scored("ap50", [(found, actual)])["ap50"] == pytest.approx(
        by_pycocotools([(found, actual)])[1]
    )


def test_a_box_in_a_crowd_is_neither_right_nor_wrong():
    actual = image(box(0, 0, 9, 9), box(20, 20, 60, 60, crowd=True))
    found = image(box(0, 0, 9, 9, score=0.9), box(22, 22, 30, 30), box(30, 30, 40, 40))
    assert scored("precision", [(found, actual)])["precision"] == 1
    assert scored("recall", [(found, actual)])["recall"] == 1
    assert scored("count_error", [(found, actual)])["count_error"] == 0
    found["objects"] += [*image(box(70, 70, 79, 79), box(22, 22, 30, 30, "other"))["objects"]]
    assert scored("count_error", [(found, actual)])["count_error"] == 2


def test_scores_without_objects_are_undefined_and_without_predictions_0():
    nothing, one = image(), image(box(0, 0, 9, 9))
    for name in boxes.KINDS:
        if name not in ("ap_medium", "ap_large"):
            assert scored(name, [(nothing, one)])[name] == 0
        assert math.isnan(scored(name, [(nothing, nothing)])[name])
        assert math.isnan(scored(name, [(one, nothing)])[name])
    assert scored("precision", [(nothing, one)])["precision"] == 0
    assert scored("count_error", [(nothing, nothing), (one, nothing)])["count_error"] == 0.5
    assert math.isnan(scored("f1", [(nothing, nothing)])["f1"])


def test_boxes_that_are_no_numbers_are_wrong_ones():
    actual = image(box(0, 0, 9, 9))
    odd = image(box(0, 0, math.nan, 9), box(0, 0, math.inf, 9), box(0, 0, 9, 9, score=0.2))
    assert scored("ap", [(odd, actual)])["ap"] == pytest.approx(1 / 3)
    assert scored("precision", [(odd, actual)])["precision"] == pytest.approx(1 / 3)


def test_intervals_are_by_images_and_none_is_given_for_a_class_of_few():
    pairs = random_pairs(7, 60, 10)
    for name in ("ap", "f1"):
        of = scored(name, pairs, resamples=60)
        assert of["low"] < of[name] < of["high"]
        assert of["high"] - of["low"] < 0.3
    pairs[0][1]["objects"].append(box(0, 0, 9, 9, "rare"))
    assert "under 10 test rows" in scored("ap", pairs, resamples=20)["no_interval"]


def test_rows_that_were_changed_are_matched_anew():
    pairs = random_pairs(8, 5, 10)
    before = scored("ap50", pairs)["ap50"]
    for one in pairs[1][0]["objects"]:
        one["label"] = "none"
    after = scored("ap50", pairs)["ap50"]
    assert after != before
    assert after == pytest.approx(by_pycocotools(pairs)[1], abs=1e-9)


def test_the_curve_of_a_class_ends_at_its_recall():
    pairs = random_pairs(9, 10, 30)
    scene = Scene.of_pairs(pairs)
    recalls, precisions = curve(scene, 1)
    known = Curves.made(scene, "all", [0]).recall(np.ones(10))
    assert recalls[-1] == pytest.approx(known[1, 0])
    assert (np.diff(recalls) > 0).all()
    assert (np.diff(precisions) <= 0).all()


def test_an_unknown_metric_is_named_with_the_nearest():
    with pytest.raises(UserError, match="'ap_smal'.*ap_small"):
        boxes.load("ap_smal")
