"""Baselines of boxes: frequent ones, and blobs of a threshold."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from box_scenes import box, boxes_plugin, png, two_squares
from PIL import Image

from toolkit.evaluation.metrics import boxes as metrics
from toolkit.plugin_types import BaselineData
from toolkit.tasks.boxes import images
from toolkit.tasks.boxes.baselines import FrequentBoxes
from toolkit.tasks.boxes.blobs import ThresholdBlobs, blobs_of


def run(kind, plugin, seconds=30.0):
    data = plugin.data
    orders = [np.random.default_rng(0).permutation(len(data[name])) for name in ("train", "test")]
    given = BaselineData(data["train"], data["train"], data["test"], data["test"], *orders,
                         data.get("validation"), data.get("validation"))  # fmt: skip
    result = kind(plugin).run(given, seconds)
    rows = data["test"].select(result.test_rows).to_list()
    return result, list(zip(result.predictions, plugin.references(rows), strict=True))


def scored(name, pairs):
    metric = metrics.load(name)
    metric.add_batch(predictions=[one for one, _ in pairs], references=[one for _, one in pairs])
    return metric.compute()[name]


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    sizes = {"train": 14, "validation": 5, "test": 5}
    parts = {name: two_squares(seed, size) for seed, (name, size) in enumerate(sizes.items())}
    objects = {name: [one for _, one in rows] for name, rows in parts.items()}
    files = {name: [one for one, _ in rows] for name, rows in parts.items()}
    return boxes_plugin(tmp_path_factory.mktemp("model"), images=files, **objects)


def test_frequent_boxes_are_placed_on_every_image(squares):
    result, pairs = run(FrequentBoxes, squares)
    assert result.train_rows == 14
    assert result.setting.endswith("per class")
    first, second = (prediction for prediction, _ in pairs[:2])
    assert first == second  # all images are of one size
    assert {one["label"] for one in first["objects"] + first["candidates"]} == {"large", "small"}
    assert 0.1 < scored("ap50", pairs) < 0.9


def test_boxes_that_never_move_are_found_in_any_size(tmp_path):
    sizes = [(40, 80), (80, 40), (160, 160)] * 4
    files = [png(np.zeros((height, width))) for width, height in sizes]
    objects = [[box(0.25 * w, 0.5 * h, 0.75 * w, h)] for w, h in sizes]
    plugin = boxes_plugin(tmp_path, images={"train": files, "validation": files, "test": files},
                          train=objects, validation=objects, test=objects)  # fmt: skip
    result, pairs = run(FrequentBoxes, plugin)
    assert scored("ap", pairs) == pytest.approx(1)
    assert scored("f1", pairs) == 1
    assert result.setting == "1 box per class"


def test_blobs_find_what_stands_out(squares):
    result, pairs = run(ThresholdBlobs, squares)
    assert len(result.predictions) == 5
    assert scored("ap50", pairs) > 0.9
    assert scored("f1", pairs) > 0.9


def test_blobs_keep_to_their_time_and_predict_at_least_one(squares):
    start = time.monotonic()
    result, _ = run(ThresholdBlobs, squares, seconds=0.0)
    assert len(result.predictions) == 1
    assert time.monotonic() - start < 5


def test_odd_images_fail_no_baseline(tmp_path):
    odd = [b"no image", png(np.zeros((20, 30))), png(np.full((1, 1), 7)), png(np.zeros((1, 900))),
           png(np.random.default_rng(0).integers(0, 255, (700, 40))),
           png(np.zeros((20, 20, 4))), b""]  # fmt: skip
    objects = [[box(1, 1, 9, 9)] for _ in odd]
    plugin = boxes_plugin(tmp_path, images={"train": odd, "test": odd}, train=objects, test=objects)
    for kind in (FrequentBoxes, ThresholdBlobs):
        result, pairs = run(kind, plugin)
        assert len(result.predictions) == len(odd)
        nothing = [one for one, row in zip(result.predictions, result.test_rows, strict=True)
                   if row in (0, 6)]  # fmt: skip
        assert all(not one["objects"] and not one["candidates"] for one in nothing)
        assert 0 <= scored("ap50", pairs) <= 1


def test_sizes_and_pixels_are_those_of_the_upright_image():
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6
    file = png(np.zeros((600, 1200, 3)), format="jpeg", exif=exif)
    assert images.size_of(file) == (600, 1200)
    pixels, size = images.pixels_of({"bytes": file, "path": None})
    assert size == (600, 1200)
    assert pixels.shape == (512, 256, 3)
    deep = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 900).save(deep, "png")
    assert images.pixels_of(deep.getvalue())[0].max() == 255
    assert len(blobs_of(np.zeros((5, 5, 3), np.uint8)).boxes) == 0
