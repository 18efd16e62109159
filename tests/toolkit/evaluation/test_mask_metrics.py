"""Scores of masks: equal to scikit-learn's on all pixels, intervals by images, odd masks."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import cdist
from sklearn import metrics as sklearn

from toolkit.errors import UserError
from toolkit.evaluation import pixel_counts
from toolkit.evaluation.mask_files import decode, dtype_for, encode
from toolkit.evaluation.metrics import boundaries, masks
from toolkit.plugin_types import PredictionFile

IGNORED = 255


def rows(classes=4, count=60, ignored=0.1, seed=0):
    """Masks of different sizes, about half of the pixels right; the last class is nowhere."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        size = rng.integers(5, 12, 2)
        actual = rng.integers(0, classes - 1, size).astype(np.uint8)
        predicted = np.where(rng.random(size) < 0.5, actual, rng.integers(0, classes - 1, size))
        actual[rng.random(size) < ignored] = IGNORED
        found.append((predicted.astype(np.uint8), actual))
    return found


def as_files(pairs):
    return [{"mask": encode(one)} for one, _ in pairs], [{"mask": encode(two)} for _, two in pairs]


def scored(name, pairs, classes=4, **how):
    predictions, references = as_files(pairs)
    positive = how.pop("positive", None)
    metric = masks.load(name, classes, positive)
    return metric.compute(predictions=predictions, references=references, **how)


def flat(pairs):
    pixels = [(two[two != IGNORED], one[two != IGNORED]) for one, two in pairs]
    return [np.concatenate(of) for of in zip(*pixels, strict=True)]


@pytest.mark.parametrize(("name", "reference"), [
    ("mean_iou", lambda a, b: sklearn.jaccard_score(a, b, average="macro")),
    ("mean_dice", lambda a, b: sklearn.f1_score(a, b, average="macro")),
    ("mean_accuracy", sklearn.balanced_accuracy_score),
    ("pixel_accuracy", sklearn.accuracy_score),
])  # fmt: skip
def test_scores_are_scikit_learns_on_all_pixels(name, reference):
    pairs = rows()
    found = scored(name, pairs, resamples=200)
    assert found[name] == pytest.approx(reference(*flat(pairs)), abs=1e-12)
    assert found["low"] < found[name] < found["high"]


@pytest.mark.parametrize("positive", [None, 0])
def test_of_two_classes_the_foreground_is_scored(positive):
    pairs, of = rows(3, 20), 1 if positive is None else positive
    truth, given = flat(pairs)
    iou, dice = (scored(n, pairs, 2, positive=positive)[n] for n in ("iou", "dice"))
    assert iou == pytest.approx(sklearn.jaccard_score(truth, given, pos_label=of))
    assert dice == pytest.approx(sklearn.f1_score(truth, given, pos_label=of))
    with pytest.raises(UserError, match="iou is of the foreground.* there are 3; take mean_iou"):
        masks.load("iou", 3)


def test_many_classes_are_stored_sparsely_and_streamed():
    pairs = rows(150, 12, ignored=0)
    predictions, references = as_files(pairs)
    metric = masks.load("mean_iou", 150)
    for at in range(0, 12, 5):
        metric.add_batch(predictions=predictions[at : at + 5], references=references[at : at + 5])
    expected = sklearn.jaccard_score(*flat(pairs), average="macro", zero_division=0)
    assert metric.compute()["mean_iou"] == pytest.approx(expected)
    cells, pixels = pixel_counts.confusion(predictions[0], references[0], 150)
    assert len(cells) <= pixels.sum() == pairs[0][1].size


def test_what_each_row_scores_alone():
    pairs = rows(count=5)
    found = scored("mean_iou", pairs, by_row=True)["by_row"]
    expected = [sklearn.jaccard_score(*flat([pair]), average="macro") for pair in pairs]
    assert found == pytest.approx(expected)


def test_an_interval_needs_ten_images_of_each_class_that_is_there():
    pairs = rows()
    pairs[0][0][0, 0] = 3  # predicted alone: its score is 0 whatever is drawn
    assert "no_interval" not in scored("mean_iou", pairs, resamples=200)
    pairs[0][1][0, 0] = 3
    assert "1 of 4 classes has under 10" in scored("mean_iou", pairs, resamples=200)["no_interval"]
    assert "no_interval" not in scored("pixel_accuracy", pairs, resamples=200)


def test_pixels_that_are_all_ignored_have_no_score():
    nothing = (np.zeros((3, 3), np.uint8), np.full((3, 3), IGNORED, np.uint8))
    assert math.isnan(scored("mean_iou", [nothing])["mean_iou"])
    pairs = rows()
    assert scored("mean_iou", pairs) == scored("mean_iou", [*pairs, nothing])
    assert math.isnan(scored("boundary_f1", [nothing])["boundary_f1"])


@pytest.mark.parametrize(("predicted", "actual", "why"), [
    (np.zeros((2, 3)), np.zeros((3, 2)), "is 3 x 2 pixels, the actual one 2 x 3"),
    (np.full((2, 2), 4), np.zeros((2, 2)), "prediction holds 4: classes are numbered 0 to 3"),
    (np.zeros((2, 2)), np.full((2, 2), 9), "reference holds 9: classes are numbered 0 to 3"),
])  # fmt: skip
def test_masks_that_do_not_fit_are_refused(predicted, actual, why):
    with pytest.raises(UserError, match=why):
        scored("mean_iou", [(predicted.astype(np.uint8), actual.astype(np.uint8))])


def png(image, form="PNG"):
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def test_masks_are_read_as_class_numbers_in_whatever_form_they_come(tmp_path):
    numbers = np.array([[0, 1, 2], [2, 255, 0]], np.uint8)
    palette = Image.fromarray(numbers).convert("P")
    palette.putdata(numbers.ravel().tolist())
    palette.putpalette([9, 8, 7] * 256)
    (tmp_path / "m.png").write_bytes(png(palette))
    for cell in (numbers, encode(numbers), png(palette), str(tmp_path / "m.png"),
                 {"bytes": png(palette), "path": None}, {"mask": encode(numbers)},
                 PredictionFile(".png", path=tmp_path / "m.png")):  # fmt: skip
        found = decode(cell)
        assert found.dtype == np.uint8
        assert np.array_equal(found, numbers)
    many = np.array([[0, 299], [65535, 1]], dtype_for(300))
    assert np.array_equal(decode(encode(many)), many)
    assert decode(png(Image.fromarray(numbers > 1))).tolist() == [[0, 0, 1], [1, 1, 0]]
    with pytest.raises(UserError, match="mode RGB, which has 3 channels: one of class numbers"):
        decode(png(palette.convert("RGB")))
    with pytest.raises(UserError, match="a mask cannot be read: UnidentifiedImageError"):
        decode(b"no image")


def plain_boundary_f1(predicted, actual, classes):
    """Csurka et al. 2013 in plain loops."""

    def edge(mask):
        padded = np.pad(mask, 1, constant_values=True)
        around = [padded[1 + y : padded.shape[0] - 1 + y, 1 + x : padded.shape[1] - 1 + x]
                  for y, x in ((0, 1), (1, 0), (0, -1), (-1, 0))]  # fmt: skip
        return np.argwhere(mask & ~np.logical_and.reduce(around))

    found = []
    for one in classes:
        a, b = edge(predicted == one), edge(actual == one)
        apart = cdist(a, b) < 0.0075 * math.hypot(*actual.shape)
        precision, recall = apart.any(1).mean(), apart.any(0).mean()
        both = precision + recall
        found.append(2 * precision * recall / both if both else 0)
    return np.mean(found)


def test_boundary_f1_is_that_of_the_paper():
    y, x = np.mgrid[:200, :260]
    actual = (np.hypot(y - 90, x - 120) < 50).astype(np.uint8) + 2 * (x > 220)
    predicted = (np.hypot(y - 93, x - 122) < 50).astype(np.uint8) + 2 * (x > 221)
    found = boundaries.of_masks(predicted, actual.astype(np.uint8))
    assert found == pytest.approx(plain_boundary_f1(predicted, actual, range(3)))
    assert 0.5 < found < 1


def test_boundaries_of_what_is_ignored_and_of_whole_images_do_not_count():
    actual = np.zeros((20, 20), np.uint8)
    predicted = actual.copy()
    actual[5:9], predicted[5:9] = IGNORED, 1
    assert boundaries.of_masks(predicted, actual) == 1
    predicted[9:11, 3] = 1
    assert boundaries.of_masks(predicted, actual) == 0  # both classes: one has no boundary at all
    assert boundaries.of_masks(actual * 0 + 1, actual * 0) == 0


def test_unknown_names_are_told_with_the_nearest():
    with pytest.raises(UserError, match="no metric 'mean_iuo'. Did you mean 'mean_iou'"):
        masks.load("mean_iuo", 3)
    assert [masks.load(name, 2).name for name in masks.names()] == masks.names()
