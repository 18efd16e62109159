"""Panoptic quality beside a straightforward computation of it, and its intervals."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from toolkit.errors import UserError
from toolkit.evaluation import mask_files, panoptic_files, panoptic_matches
from toolkit.evaluation.metrics import mask_overlap
from toolkit.evaluation.metrics import panoptic as metrics

THINGS = {"cat": True, "dog": True, "sky": False, "road": False}
LABELS = list(THINGS)


def prediction(ids, labels):
    """Return the prediction of ids (height, width), with the label of each."""
    segments = [
        {
            "id": number,
            "label": label,
            "score": 0.9,
            "isthing": THINGS[label],
            "area": int((ids == number).sum()),
        }
        for number, label in labels.items()
    ]
    return {"mask": panoptic_files.encode(ids), "segments": segments}


def reference(ids, labels, crowds=()):
    """Return the reference of the same; 0 is void."""
    return {"objects": [{"label": label, "thing": THINGS[label], "crowd": number in crowds,
                         "mask": mask_overlap.encoded(ids == number)}
                        for number, label in labels.items()]}  # fmt: skip


def image(rng, crowds=True):
    """Return random blocks of segments, and a disturbed copy of them."""
    actual = np.kron(rng.integers(0, 7, (6, 6)), np.ones((5, 5), int)).astype(np.int32)
    labels = {number: LABELS[rng.integers(4)] for number in range(1, 7) if (actual == number).any()}
    given = np.roll(actual, int(rng.integers(3)), axis=int(rng.integers(2)))
    given[given == 6] = 1
    given = np.where(rng.random(given.shape) < 0.1, 0, given)
    own = {number: labels.get(number, "cat") for number in np.unique(given).tolist() if number}
    own = {number: LABELS[rng.integers(4)] if rng.random() < 0.2 else label
           for number, label in own.items()}  # fmt: skip
    known = [number for number in labels if THINGS[labels[number]] and crowds and number == 2]
    return (given, own), (actual, labels, known)


def plainly(pairs):
    """Return label -> [sum of IoUs, matched, wrong, missed] by loops over pixels and segments."""
    sums = defaultdict(lambda: [0.0, 0, 0, 0])
    for (given, own), (actual, labels, crowds) in pairs:
        void = ~np.isin(actual, list(labels))
        matched_actual, matched_given = set(), set()
        for number, label in labels.items():
            for other, name in own.items():
                if label != name or number in crowds:
                    continue
                one, two = actual == number, given == other
                iou = (one & two).sum() / ((one | two) & ~(void & two)).sum()
                if iou > 0.5:
                    sums[label][0] += iou
                    sums[label][1] += 1
                    matched_actual.add(number)
                    matched_given.add(other)
        for number, label in labels.items():
            sums[label][3] += number not in matched_actual and number not in crowds
        for other, name in own.items():
            two = given == other
            free = void | np.isin(actual, [n for n in crowds if labels[n] == name])
            sums[name][2] += other not in matched_given and (two & free).sum() <= 0.5 * two.sum()
    return {label: row for label, row in sums.items() if sum(row)}


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(0)
    return [image(rng) for _ in range(60)]


@pytest.fixture(scope="module")
def rows(pairs):
    return [prediction(*one) for one, _ in pairs], [reference(*other) for _, other in pairs]


def test_ids_come_back_from_a_png():
    ids = np.array([[0, 1, 255], [256, 70000, 2**24 - 1]], np.int32)
    assert np.array_equal(panoptic_files.decode(panoptic_files.encode(ids)), ids)
    grey = mask_files.encode(np.zeros((2, 2), np.uint8))
    with pytest.raises(UserError, match="RGB is expected"):
        panoptic_files.decode(grey)


def test_segments_are_matched_as_the_definition_says(pairs, rows):
    seen = np.zeros(4)
    for pair, *coded in zip(pairs, *rows, strict=True):
        found = panoptic_matches.counts(*coded)
        own = {label: [one.iou, one.matched, one.wrong, one.missed] for label, one in found.items()}
        expected = plainly([pair])
        assert own.keys() == expected.keys()
        for label, values in expected.items():
            assert own[label] == pytest.approx(values)
            seen += values
    assert (seen > 20).all()  # all cases occurred


def test_qualities_are_means_over_classes(pairs, rows):
    sums = plainly(pairs)
    for part, chosen in (("", LABELS), ("_things", ["cat", "dog"]), ("_stuff", ["sky", "road"])):
        of = [sums[label] for label in chosen]
        pq = np.mean([iou / (tp + fp / 2 + fn / 2) for iou, tp, fp, fn in of])
        sq = np.mean([iou / tp if tp else 0 for iou, tp, fp, fn in of])
        rq = np.mean([tp / (tp + fp / 2 + fn / 2) for iou, tp, fp, fn in of])
        for name, expected in (("pq", pq), ("sq", sq), ("rq", rq)):
            metric = metrics.load(name + part)
            result = metric.compute(predictions=rows[0], references=rows[1])
            assert result[name + part] == pytest.approx(expected)


def test_crowds_and_void_are_neither_right_nor_wrong():
    actual = np.zeros((4, 4), np.int32)
    actual[:2], actual[2:, :2] = 1, 2
    given = actual.copy()
    given[2:, 2:] = 3  # in void
    labels = {1: "sky", 2: "cat"}
    found = panoptic_matches.counts(
        prediction(given, {**labels, 3: "cat"}), reference(actual, labels, crowds={2})
    )
    assert list(found) == ["sky"]  # the crowd is not missed, what lies in it or in void not wrong
    assert (found["sky"].matched, found["sky"].iou) == (1, 1.0)
    # A match whose rest lies in void has its full IoU.
    wide = np.ones((4, 4), np.int32)
    assert panoptic_matches.counts(
        prediction(wide, {1: "sky"}), reference(np.where(actual == 1, 1, 0), {1: "sky"})
    )["sky"].iou == 1  # fmt: skip


def test_what_is_nowhere_has_no_score():
    empty = {"objects": []}
    nothing = prediction(np.zeros((3, 3), np.int32), {})
    found = metrics.load("pq").compute(predictions=[nothing], references=[empty])
    assert np.isnan(found["pq"])
    sky = np.ones((3, 3), np.int32)
    only = reference(sky, {1: "sky"})
    found = metrics.load("pq_things").compute(
        predictions=[prediction(sky, {1: "sky"})], references=[only]
    )
    assert np.isnan(found["pq_things"])


def test_intervals_draw_images(pairs, rows):
    found = metrics.load("pq").compute(
        predictions=rows[0], references=rows[1], resamples=300, seed=1, draws=True
    )
    assert found["low"] < found["pq"] < found["high"]
    from toolkit.evaluation.bootstrap import weights

    drawn = next(iter(weights(len(pairs), 300, 1)))
    again = [pair for pair, count in zip(pairs, drawn, strict=True) for _ in range(int(count))]
    sums = plainly(again).values()
    expected = np.mean([iou / (tp + fp / 2 + fn / 2) for iou, tp, fp, fn in sums])
    assert found["draws"][0] == pytest.approx(expected)


def test_a_class_of_few_images_leaves_no_interval(rows):
    rare = reference(np.ones((30, 30), np.int32), {1: "cat"})
    rare["objects"][0]["label"] = "bird"
    found = metrics.load("pq").compute(
        predictions=[*rows[0], rows[0][0]], references=[*rows[1], rare], resamples=50
    )
    assert "1 of 5 classes has under 10" in found["no_interval"]


def test_masks_of_another_size_and_unknown_names_are_refused(rows):
    small = prediction(np.zeros((3, 3), np.int32), {})
    with pytest.raises(UserError, match="3 x 3 pixels, the actual one 30 x 30"):
        metrics.load("pq").compute(predictions=[small], references=[rows[1][0]])
    with pytest.raises(UserError, match="Did you mean 'pq_things'"):
        metrics.load("pq_thing")
