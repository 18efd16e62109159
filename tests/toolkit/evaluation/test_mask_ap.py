"""Scores of objects with masks: equal to pycocotools', and what objects without a mask do."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pyarrow as pa
import pytest
from box_scenes import box, image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from toolkit.evaluation.metrics import boxes, mask_overlap
from toolkit.evaluation.metrics.box_matching import at_threshold
from toolkit.evaluation.metrics.box_scene import Scene
from toolkit.tasks.boxes import mistakes
from toolkit.tasks.boxes.thresholds import Sweep

PLACES = {"mask_ap": 0, "mask_ap50": 1, "mask_ap75": 2, "mask_ap_small": 3, "mask_ap_medium": 4,
          "mask_ap_large": 5, "mask_ar100": 8}  # fmt: skip
SIZE = (160, 200)


def disc(x, y, radius, label="a", score=0.5, crowd=False):
    """Return an object with the mask of a disc and its box."""
    down, across = np.mgrid[: SIZE[0], : SIZE[1]]
    mask = (across + 0.5 - x) ** 2 + (down + 0.5 - y) ** 2 <= radius**2
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    found = box(float(xs[0]), float(ys[0]), xs[-1] + 1.0, ys[-1] + 1.0, label, score, crowd)
    return {**found, "mask": mask_overlap.encoded(mask), "area": float(mask.sum())}


def random_pairs(seed, images):
    """Return predictions near actual discs, and others, of three classes, some in crowds."""
    rng, pairs = np.random.default_rng(seed), []
    for number in range(images):
        places = [(*rng.uniform(30, 130, 2), np.exp(rng.uniform(1.5, 4.3)), "abc"[rng.integers(3)])
                  for _ in range(rng.integers(0, 6) if number % 4 else 0)]  # fmt: skip
        actual = [disc(*place, crowd=bool(rng.random() < 0.15)) for place in places]
        found = [disc(x + rng.normal(0, r / 6), y + rng.normal(0, r / 6), r * rng.uniform(0.8, 1.2),
                      label if rng.random() < 0.9 else "z", round(float(rng.random()), 2))
                 for x, y, r, label in places for _ in range(rng.integers(0, 4))]  # fmt: skip
        found += [disc(*rng.uniform(30, 130, 2), 12, "a", float(rng.random())) for _ in range(2)]
        found.sort(key=lambda one: -one["score"])
        over = sum(one["score"] >= 0.5 for one in found)
        pairs.append((
            {"objects": found[:over], "candidates": found[over:], "counts": {}},
            {"objects": actual},
        ))  # fmt: skip
    return pairs


def by_pycocotools(pairs):
    """Return the twelve numbers of pycocotools for masks."""
    labels = sorted({one["label"] for pair in pairs for side in pair
                     for one in (*side["objects"], *side.get("candidates", ()))})  # fmt: skip

    def annotation(place, one):
        return {"image_id": place, "category_id": labels.index(one["label"]) + 1,
                "segmentation": {**one["mask"], "counts": one["mask"]["counts"].encode()},
                "area": one["area"], "iscrowd": int(one["crowd"]),
                "score": one["score"]}  # fmt: skip

    actual = [annotation(n, one) for n, (_, given) in enumerate(pairs) for one in given["objects"]]
    found = [annotation(n, one) for n, (given, _) in enumerate(pairs)
             for one in (*given["objects"], *given["candidates"])]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        gold = COCO()
        gold.dataset = {
            "images": [{"id": n, "height": SIZE[0], "width": SIZE[1]} for n in range(len(pairs))],
            "categories": [{"id": n} for n in range(1, len(labels) + 1)],
            "annotations": [{"id": n + 1, **one} for n, one in enumerate(actual)],
        }
        gold.createIndex()
        evaluation = COCOeval(gold, gold.loadRes(found), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def scored(name, pairs, **how):
    predictions, references = zip(*pairs, strict=True)
    return boxes.load(name).compute(predictions=predictions, references=references, **how)


def test_scores_of_masks_are_those_of_pycocotools():
    pairs = random_pairs(0, 16)
    expected = by_pycocotools(pairs)
    found = {name: scored(name, pairs)[name] for name in PLACES}
    assert found == {name: pytest.approx(expected[place], abs=1e-9)
                     for name, place in PLACES.items()}  # fmt: skip
    assert 0 < found["mask_ap"] < 1
    assert scored("ap", pairs)["ap"] != found["mask_ap"]  # boxes overlap otherwise
    assert "|segm|" in scored("mask_ap", pairs)["signature"]


def test_an_image_that_counts_twice_is_two_images_so_that_intervals_are_by_images():
    pairs = random_pairs(1, 12)
    metric = boxes.load("mask_ap")
    alone = scored("mask_ap", pairs, by_row=True)["by_row"]
    expected = [scored("mask_ap", [pair])["mask_ap"] for pair in pairs]
    assert alone == pytest.approx(expected, abs=1e-12, nan_ok=True)
    stored = metric.encode(*zip(*pairs, strict=True))
    rows = metric.rows(*map(pa.array, stored))
    times = np.random.default_rng(0).integers(0, 4, 12)
    drawn = [pair for pair, count in zip(pairs, times, strict=True) for _ in range(count)]
    assert metric.statistic(rows, times.astype(float)) == pytest.approx(
        scored("mask_ap", drawn)["mask_ap"], abs=1e-12
    )


def test_two_halves_of_one_box_are_two_objects_and_their_boxes_are_one():
    upper, lower = disc(80, 80, 40), disc(80, 80, 40)
    for one, keep in ((upper, np.s_[:80]), (lower, np.s_[80:])):
        mask = np.zeros(SIZE, np.uint8)
        mask[keep] = mask_overlap.decoded(one["mask"])[keep]
        one["mask"] = mask_overlap.encoded(mask)  # the box stays that of the whole disc
    pair = (image({**upper, "score": 0.9}), image(lower))
    assert scored("f1", [pair])["f1"] == 0
    assert scored("ap50", [pair])["ap50"] == pytest.approx(1)
    assert scored("mask_ap50", [pair])["mask_ap50"] == 0
    assert mistakes.kinds(*pair)[0] == ["background"]
    assert at_threshold(image({**lower, "score": 0.9}), image(lower))[0] == [0]


def test_an_object_without_a_mask_has_all_pixels_of_its_box():
    actual = disc(80, 80, 40)
    found = box(*actual["box"], score=0.9)
    overlap = actual["area"] / 80**2
    assert mask_overlap.ious(
        mask_overlap.of_objects([found], SIZE), [actual["mask"]]
    )[0, 0] == pytest.approx(overlap)  # fmt: skip
    empty = (image(found), image())
    assert scored("mask_ap50", [(image(found), image(actual)), empty])["mask_ap50"] == (
        pytest.approx(1)
    )


def test_the_threshold_is_chosen_by_the_overlap_of_masks():
    actual = [disc(80, 80, 40)] * 6
    right = [{**one, "score": 0.3} for one in actual]
    thin = np.zeros(SIZE, np.uint8)
    thin[40:120, 78:82] = 1
    wrong = [{**one, "score": 0.2, "mask": mask_overlap.encoded(thin)} for one in actual]
    pairs = [(image(good, bad), image(one))
             for good, bad, one in zip(right, wrong, actual, strict=True)]  # fmt: skip
    assert Sweep.of(Scene.of_pairs(pairs)).best() == pytest.approx(0.25)


def test_masks_are_alike_but_for_a_share_of_their_pixels():
    one, other, third = disc(80, 80, 40)["mask"], disc(80.2, 80, 40)["mask"], disc(90, 80, 40)
    assert mask_overlap.alike(one, other, 0.02)
    assert not mask_overlap.alike(one, third["mask"], 0.02)
    assert mask_overlap.from_text(mask_overlap.to_text(one)) == one
