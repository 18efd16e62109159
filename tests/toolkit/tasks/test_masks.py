"""The form of a problem with a class for each pixel: losses, decoding, counts, baselines."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Annotated

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from toolkit import Column, Options, PredictionFile
from toolkit.errors import DataError, RecipeError
from toolkit.plugin_types import BaselineData
from toolkit.tasks.masks import Losses, MasksPlugin, baselines, decoding, shown
from toolkit.tasks.masks.losses import pixel_loss
from toolkit.tasks.masks.png import colours, decode, encode, image_size, nearest

TWO = ("background", "disc")


class DiscOptions(Losses):
    image: Annotated[str, Column("input", files=(".png",))] = "image"
    mask: Annotated[str, Column("target", files=(".png",))] = "mask"
    positive: str | None = None


class Discs(MasksPlugin[DiscOptions]):
    Options = DiscOptions
    classes = TWO

    def load_model(self):
        raise NotImplementedError


def png(values, **how):
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG", **how)
    return {"bytes": file.getvalue(), "path": None}


def disc(n, size=(24, 32), bright=True):
    """A disc that is brighter, or darker, than what is around it; a row of it is ignored."""
    rng = np.random.default_rng(n)
    y, x = np.mgrid[: size[0], : size[1]]
    center = rng.integers(6, 16, 2)
    mask = (np.hypot(y - center[0], x - center[1]) < 6).astype(np.uint8)
    grey = np.where(mask == bright, 200, 60) + rng.normal(0, 20, size)
    mask[0] = 255
    return {"image": png(grey.clip(0, 255).astype(np.uint8)), "mask": png(mask)}


def discs(count, **how):
    return datasets.Dataset.from_list([disc(n, **how) for n in range(count)])


def plugin(train, test=None, **options):
    found = Discs()
    found.options = DiscOptions(**options)
    found.data = datasets.DatasetDict(train=train, test=test or train)
    return found


def logits(seed=0, shape=(4, 3, 8, 8)):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def labels(seed=1, shape=(4, 16, 16), ignored=255):
    found = torch.randint(0, 3, shape, generator=torch.Generator().manual_seed(seed))
    found[0, :5] = ignored
    return found


@pytest.mark.parametrize("kind", ["cross_entropy", "dice", "focal", "cross_entropy+dice"])
@pytest.mark.parametrize("ignored", [255, -100])
@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 3.0]])
def test_losses_of_accumulated_batches_are_that_of_one(kind, ignored, weights):
    loss, given, of = pixel_loss(kind, weights), logits(), labels(ignored=ignored)
    whole = loss(SimpleNamespace(logits=given), of)
    items = of.ne(-100).sum()  # as the Trainer counts
    parts = [loss(SimpleNamespace(logits=given[some]), of[some], items)
             for some in (slice(0, 1), slice(1, 4))]  # fmt: skip
    assert sum(parts) == pytest.approx(float(whole), rel=1e-5)
    # What is ignored changes nothing.
    other = of.clone()
    other[0, :5] = 255 if ignored == 255 else -100
    assert loss(SimpleNamespace(logits=given), other) == whole


def test_cross_entropy_is_torchs_of_the_enlarged_scores():
    given, of = logits(), labels(ignored=-100)
    wide = functional.interpolate(given, size=(16, 16), mode="bilinear", align_corners=False)
    found = pixel_loss("cross_entropy")(SimpleNamespace(logits=given), of)
    assert torch.allclose(found, functional.cross_entropy(wide, of))
    focal = pixel_loss("focal")(SimpleNamespace(logits=given), of)
    ce = functional.cross_entropy(wide, of, reduction="none")
    by_hand = (((1 - (-ce).exp()) ** 2) * ce).sum() / (of >= 0).sum()
    assert torch.allclose(focal, by_hand)


def test_dice_is_small_where_masks_agree():
    of = labels(ignored=255)
    right = functional.one_hot(of.where(of < 255, 0), 3).movedim(-1, 1).float() * 40
    best = pixel_loss("dice")(SimpleNamespace(logits=right), of)
    worst = pixel_loss("dice")(SimpleNamespace(logits=-right), of)
    assert best == pytest.approx(0, abs=1e-4)
    assert worst > 0.5
    nothing = torch.full((1, 16, 16), -100)
    assert pixel_loss("cross_entropy+dice")(SimpleNamespace(logits=right[:1]), nothing) == 0


@pytest.mark.parametrize("size", [(37, 53), (8, 8), (5, 3)])
def test_masks_are_those_of_transformers(size, monkeypatch):
    from transformers import SegformerImageProcessorPil

    outputs = SimpleNamespace(logits=logits(3, (1, 5, 8, 8)))
    (expected,) = SegformerImageProcessorPil().post_process_semantic_segmentation(outputs, [size])
    whole = decoding.mask_strips(outputs.logits[0], size)
    assert whole.mask.dtype == np.uint8
    assert np.array_equal(whole.mask, expected.numpy())
    monkeypatch.setattr(decoding, "AT_ONCE", 5 * 60 * 2)  # two rows, or a few, at a time
    strips = decoding.mask_strips(outputs.logits[0], size)
    assert np.array_equal(strips.mask, whole.mask)
    assert strips.confidence == pytest.approx(whole.confidence, abs=1e-6)


def test_a_decoded_row_has_its_own_upright_size():
    turned = Image.Exif()
    turned[0x0112] = 6
    lying = png(np.zeros((20, 30), np.uint8), exif=turned.tobytes())
    assert image_size(lying) == (30, 20) == colours(lying, 100).shape[:2]
    found = plugin(discs(2)).decode(
        SimpleNamespace(logits=logits(0, (2, 2, 4, 4))), [disc(0), {"image": lying}], []
    )
    assert [decode(one).shape for one in found] == [(24, 32), (30, 20)]
    assert sum(found[0]["shares"].values()) == pytest.approx(1)
    assert found[0]["shares"]["disc"] == decode(found[0]).mean()


def test_deep_images_are_scaled_to_their_range():
    turned = Image.Exif()
    turned[0x0112] = 6
    deep = png((np.arange(12, dtype=np.uint16).reshape(3, 4) + 3000) * 10, exif=turned.tobytes())
    found = colours(deep, 100)
    assert (found.min(), found.max()) == (0, 255)
    assert found.shape == (4, 3, 3)
    assert found[0, -1].tolist() == [0, 0, 0]  # turned to the right


def test_predictions_are_the_same_but_for_a_hundredth_of_the_pixels():
    scenario, mask = plugin(discs(2)), np.zeros((20, 20), np.uint8)
    mask[:10] = 1
    one, other, more = mask, mask.copy(), mask.copy()
    other[10, :4], more[10, :5] = 1, 1
    made = [scenario.prediction(each, 0.9) for each in (one, other, more)]
    assert scenario.same(made[0], made[1])
    assert not scenario.same(made[0], made[2])


def test_references_and_labels_keep_what_is_ignored():
    scenario, row = plugin(discs(2)), disc(3)
    (reference,) = scenario.references([row])
    assert isinstance(reference["mask"], PredictionFile)
    assert (decode(reference)[0] == 255).all()
    (found,) = scenario.target_encoder()({"mask": [row["mask"]]})["labels"]
    assert (found[0] == -100).all()
    assert np.array_equal(found[1:], decode(reference)[1:])
    scenario.label_size = (12, 16)
    assert scenario.target_encoder()({"mask": [row["mask"]]})["labels"][0].shape == (12, 16)
    assert scenario.target_encoder()({"image": [row["image"]]}) == {}
    assert scenario.references([{"image": row["image"]}]) == [{"mask": None}]


def test_the_nearest_class_is_taken_at_another_size():
    mask = np.array([[0, 1], [2, 3]], np.uint8)
    assert nearest(mask, (4, 4)).tolist() == np.kron(mask, np.ones((2, 2), int)).tolist()
    assert np.array_equal(nearest(nearest(mask, (6, 8)), (2, 2)), mask)


def test_weights_of_classes():
    rows = discs(6)
    assert plugin(rows).class_weights is None
    found = plugin(rows, class_weights="balanced")
    counts, weights = found.counts_of("train"), found.class_weights
    assert weights[1] / weights[0] == pytest.approx(counts.pixels[0] / counts.pixels[1])
    assert np.dot(weights, counts.shares) == pytest.approx(1)
    milder = plugin(rows, class_weights="sqrt_balanced").class_weights
    assert milder[1] / milder[0] == pytest.approx((weights[1] / weights[0]) ** 0.5)
    assert plugin(rows, class_weights={"disc": 3}).class_weights == [1, 3]
    with pytest.raises(RecipeError, match="class_weights.disk: is no class. Did you mean 'disc'"):
        plugin(rows, class_weights={"disk": 3}).loss()
    assert plugin(rows, positive="background").positive == 0
    with pytest.raises(RecipeError, match=r"options.positive: is 'disk'"):
        plugin(rows, positive="disk").metrics()


def test_notes_tell_of_classes_and_of_what_is_ignored():
    empty = np.zeros((40, 40), np.uint8)
    few = empty.copy()
    few[0, 0] = 1
    rows = datasets.Dataset.from_list([{**disc(0), "mask": png(m)} for m in (few, empty)])
    notes = plugin(rows, rows.select([1])).notes()
    assert notes == ["train: rare classes: disc (0.03% of the pixels, 1 image)",
                     "test: no pixel of disc: no score is of them"]  # fmt: skip
    assert "train: 4.2% of the pixels are ignored, as their masks say" in plugin(discs(3)).notes()
    wrong = datasets.Dataset.from_list([disc(0), {**disc(1), "mask": png(empty + 7)}])
    with pytest.raises(DataError, match=r"train row 2: its mask holds 7: .* 0 to 1"):
        plugin(wrong).notes()


def run(baseline, train, test, seconds=30.0):
    orders = np.random.default_rng(0)
    data = BaselineData(train, train, test, test, orders.permutation(len(train)),
                        orders.permutation(len(test)))  # fmt: skip
    return baseline(plugin(train, test)).run(data, seconds)


def iou(found, test, scenario):
    metric = scenario.metrics()["iou"]
    references = scenario.references(test.select(found.test_rows).to_list())
    return metric.compute(predictions=found.predictions, references=references)["iou"]


def test_baselines_find_what_they_can():
    train, scores = discs(20), {}
    # Another size: what baselines predict is of each image's own.
    test = datasets.Dataset.from_list([disc(n, size=(30, 26)) for n in range(50, 58)])
    for made in plugin(train).baselines():
        found = run(type(made), train, test)
        assert [decode(one).shape for one in found.predictions] == [(30, 26)] * 8
        assert 0.5 < found.predictions[0]["confidence"] <= 1
        assert found.train_rows == 20
        scores[made.name] = iou(found, test, plugin(train))
    assert list(scores) == ["majority", "position_majority", "otsu_threshold",
                            "pixel_logistic_regression"]  # fmt: skip
    assert scores["majority"] == 0
    assert 0 < scores["position_majority"] < 0.9
    assert scores["otsu_threshold"] > 0.9
    assert scores["pixel_logistic_regression"] > 0.9


def test_otsu_learns_which_side_is_the_foreground():
    train, test = discs(6, bright=False), discs(4, bright=False)
    assert iou(run(baselines.Otsu, train, test), test, plugin(train)) > 0.9
    grey = np.concatenate([np.full(50, 10), np.full(30, 200), np.full(5, 12)])
    assert 12 <= baselines.otsu(np.bincount(grey, minlength=256)) < 200


def test_a_baseline_without_time_uses_a_row():
    train = discs(5)
    for baseline in (baselines.PositionMajority, baselines.Otsu, baselines.PixelLogistic):
        found = run(baseline, train, train, 0.0)
        assert (found.train_rows, len(found.predictions)) == (1, 1)


def test_tables_of_classes():
    scenario = plugin(discs(2))
    actual = np.array([[0, 0, 0, 0], [1, 1, 1, 255]], np.uint8)
    predicted = np.array([[0, 0, 0, 1], [1, 1, 0, 0]], np.uint8)
    pairs = [(scenario.prediction(predicted, 0.9), {"mask": encode(actual)})]
    found = scenario.tables(pairs)
    assert found["classes"].rows[1] == ["disc", 2 / 4, 4 / 6, 2 / 3, 2 / 3, 3 / 7, 3 / 7, 1]
    (confused,) = (table for title, table in found.items() if "actual class" in title)
    assert confused.rows == [["background", 0.75, 0.25], ["disc", 1 / 3, 2 / 3]]
    assert scenario.tables([]) == {}
    many = [str(n) for n in range(30)]
    (largest,) = (t for title, t in shown.tables(pairs, many).items() if "largest" in title)
    assert largest.rows[0][:2] == ("0", "1")
    assert len(largest.rows) == 2


def test_the_worst_images_come_first():
    scenario, half = plugin(discs(2)), np.zeros((2, 4), np.uint8)
    half[1] = 1
    wrong, some = 1 - half, half.copy()
    some[0, 0] = 1
    pairs = [(scenario.prediction(one, 1.0), {"mask": encode(half)}) for one in (half, wrong, some)]
    pairs.append((pairs[0][0], {"mask": encode(np.full((2, 4), 255, np.uint8))}))
    assert shown.worst_rows(pairs, 2, 9) == [(1, 0), (2, pytest.approx((3 / 4 + 4 / 5) / 2)),
                                             (0, 1)]  # fmt: skip
    curve = shown.figures(pairs, 2)["image_iou"]
    assert curve.lines["images"][0] == (0, 1)
    assert curve.lines["images"][-1] == (1, pytest.approx(1 / 3))


def test_what_is_shown_leaves_a_background_clear_and_colours_all_else():
    scenario, row = plugin(discs(2)), disc(1)
    prediction = scenario.prediction(np.ones((24, 32), np.uint8), 1.0)
    (image,) = scenario.show(row, prediction, scenario.references([row])[0])
    assert image.names == {1: "disc"}
    assert set(np.unique(image.mask)) == {1}
    assert set(np.unique(image.actual_mask)) == {0, 1}
    (image,) = shown.shown(row["image"], prediction, None, ("sky", "road"))
    assert image.names == {1: "sky", 2: "road"}
    assert set(np.unique(image.mask)) == {2}
    assert image.actual_mask is None
    (image,) = shown.shown(row["image"], prediction, {"mask": PredictionFile(
        ".png", row["mask"]["bytes"])}, ("sky", "road"))  # fmt: skip
    assert (image.actual_mask[0] == 0).all()  # ignored
    assert set(np.unique(image.actual_mask)) == {0, 1, 2}


def test_a_plugin_without_classes_is_told_so():
    class Nameless(MasksPlugin[DiscOptions]):
        Options = DiscOptions

        def load_model(self):
            raise NotImplementedError

    made = Nameless()
    made.data = datasets.DatasetDict(train=discs(1))
    with pytest.raises(NotImplementedError, match="Nameless needs `classes`"):
        _ = made.classes
    assert issubclass(DiscOptions, Options)
