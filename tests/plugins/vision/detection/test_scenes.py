"""The simulator of scenes: tight boxes, all classes, colours that say nothing."""

from __future__ import annotations

import numpy as np
import pytest
from toolkit_plugins.vision.detection.scenes import CLASSES, shapes


@pytest.fixture(scope="module")
def scenes():
    return shapes(80, seed=2, size=96)


def test_a_seed_gives_the_same_rows(scenes):
    assert shapes(5, seed=2, size=96).to_dict() == scenes.select(range(5)).to_dict()
    assert shapes(5, seed=3, size=96).to_dict() != scenes.select(range(5)).to_dict()


def test_objects_have_the_shared_form(scenes):
    counts = [len(objects) for objects in scenes["objects"]]
    assert (min(counts), 8) == (0, max(counts))
    for one in (one for objects in scenes["objects"] for one in objects):
        assert set(one) == {"box", "label", "crowd", "area"}
        x_min, y_min, x_max, y_max = one["box"]
        assert 0 <= x_min < x_max <= 96
        assert 0 <= y_min < y_max <= 96
        assert 0 < one["area"] <= (x_max - x_min) * (y_max - y_min)
        assert not one["crowd"]
    labels = [one["label"] for objects in scenes["objects"] for one in objects]
    assert {name: labels.count(name) > 30 for name in CLASSES} == dict.fromkeys(CLASSES, True)


def test_what_a_box_covers_tells_the_class_and_its_colour_does_not(scenes):
    filled, colours = {name: [] for name in CLASSES}, {name: [] for name in CLASSES}
    for row in scenes:
        pixels = np.asarray(row["image"].convert("RGB"), float)
        for one in row["objects"]:
            x_min, y_min, x_max, y_max = map(int, one["box"])
            filled[one["label"]].append(one["area"] / ((x_max - x_min) * (y_max - y_min)))
            colours[one["label"]].append(pixels[(y_min + y_max) // 2, (x_min + x_max) // 2])
    assert np.median(filled["disc"]) == pytest.approx(np.pi / 4, abs=0.04)
    assert np.median(filled["triangle"]) < 0.6
    means = np.stack([np.mean(found, axis=0) for found in colours.values()])
    assert np.ptp(means, axis=0).max() < 40


@pytest.mark.parametrize("wrong", [{"images": 0}, {"size": 8}])
def test_sizes_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="at least"):
        shapes(**wrong)
