"""The simulator of microscope images: the same for a seed, and nothing for a threshold."""

from __future__ import annotations

import io

import numpy as np
import pytest
from mask_files import MaskOptions
from PIL import Image
from toolkit_plugins.vision.masks import reshaped
from toolkit_plugins.vision.segmentation.cells import CLASSES, IGNORED, microscopy


@pytest.fixture(scope="module")
def scenes():
    """Images as grey values and masks, of shape (images, size, size)."""
    rows = microscopy(60, seed=1, size=64)
    images = np.stack([np.asarray(image.convert("L"), np.float64) for image in rows["image"]])
    masks = [np.asarray(Image.open(io.BytesIO(cell["bytes"]))) for cell in rows["mask"]]
    return images, np.stack(masks)


def mean_iou(predicted, actual):
    seen = actual != IGNORED
    scores = []
    for number in range(len(CLASSES)):
        one, other = predicted[seen] == number, actual[seen] == number
        scores.append((one & other).sum() / (one | other).sum())
    return float(np.mean(scores))


def otsu(values):
    """Return the two thresholds that part grey values with the most variance between the parts."""
    pixels, edges = np.histogram(values, bins=64, range=(0, 256))
    count = np.concatenate([[0], np.cumsum(pixels)])
    total = np.concatenate([[0], np.cumsum(pixels * (edges[:-1] + 2))])
    one, other = np.triu_indices(65, 1)
    between = 0.0
    for first, last in ((np.zeros_like(one), one), (one, other), (other, np.full_like(one, 64))):
        between = between + (total[last] - total[first]) ** 2 / np.maximum(
            count[last] - count[first], 1
        )
    best = int(np.argmax(between))
    return edges[one[best]], edges[other[best]]


def test_a_seed_gives_the_same_rows():
    assert microscopy(3, seed=5, size=48).to_dict() == microscopy(3, seed=5, size=48).to_dict()
    assert microscopy(3, seed=5, size=48).to_dict() != microscopy(3, seed=6, size=48).to_dict()


def test_rows_have_the_canonical_form():
    rows = microscopy(4, size=48)
    made, known = reshaped(rows, "train", MaskOptions())
    assert made.rows is rows
    assert known.names == CLASSES


def test_all_classes_are_there_and_few_pixels_are_ignored(scenes):
    _, masks = scenes
    shares = [np.mean(masks == number) for number in (*range(len(CLASSES)), IGNORED)]
    assert min(shares[:3]) > 0.02
    assert 0.01 < shares[3] < 0.1


def test_positions_say_little(scenes):
    _, masks = scenes
    counts = np.stack([(masks[:40] == number).sum(axis=0) for number in range(3)])
    usual = np.broadcast_to(counts.argmax(axis=0), masks[40:].shape)
    assert mean_iou(usual, masks[40:]) < 0.35


def test_thresholds_say_little_even_where_the_order_of_the_classes_is_given(scenes):
    images, masks = scenes
    predicted = np.empty_like(masks)
    for place, (image, mask) in enumerate(zip(images[:20], masks[:20], strict=True)):
        parts = np.digitize(image, otsu(image))
        orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
        predicted[place] = max((np.array(order)[parts] for order in orders),
                               key=lambda found, mask=mask: np.mean(found == mask))  # fmt: skip
    assert mean_iou(predicted[:20], masks[:20]) < 0.6


@pytest.mark.parametrize("wrong", [{"images": 0}, {"size": 8}])
def test_sizes_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="at least"):
        microscopy(**wrong)
