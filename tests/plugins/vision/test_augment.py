"""Random changes: by the seed, of training only, and none that was not asked for."""

from __future__ import annotations

import sys

import pytest
import torch
import transformers
from toolkit_plugins.vision import augment
from toolkit_plugins.vision.augment import Augment
from toolkit_plugins.vision.batch_norm import freeze, layers, mend_momentum
from toolkit_plugins.vision.image_processing import View

from toolkit.errors import UserError
from toolkit.tasks.classification import cross_entropy as loss

ALL = [
    {"crop": 0.4}, {"shift": 0.2}, {"rotate": 30}, {"flip": "horizontal"}, {"flip": "vertical"},
    {"flip": "both"}, {"colour": 0.5}, {"policy": "trivial_augment"}, {"policy": "rand_augment"},
    {"random_erasing": 1.0}, {"crop": 0.5, "flip": "horizontal", "colour": 0.2},
]  # fmt: skip


@pytest.fixture(scope="module", params=[1, 3])
def view(request):
    channels = request.param
    processor = transformers.ViTImageProcessorPil(
        size={"height": 16, "width": 16}, do_convert_rgb=channels == 3,
        image_mean=[0.5] * channels, image_std=[0.5] * channels,
    )  # fmt: skip
    return View.of(processor, channels)


def drawn(settings, view, seed):
    images = torch.rand(12, len(view.slope), 16, 16, generator=torch.Generator().manual_seed(5))
    transformers.set_seed(seed)
    return images, augment.changes(Augment(**settings), view)(images)


@pytest.mark.parametrize("settings", ALL, ids=str)
def test_a_seed_gives_the_same_changes_and_another_one_others(settings, view):
    images, first = drawn(settings, view, 1)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1
    assert not torch.equal(first, images)
    assert torch.equal(first, drawn(settings, view, 1)[1])
    assert not torch.equal(first, drawn(settings, view, 2)[1])


@pytest.mark.parametrize("settings", ALL, ids=str)
def test_torchs_generator_alone_decides(settings, view):
    """A checkpoint keeps its state: what is drawn after it is what would have been drawn."""
    images, _ = drawn(settings, view, 1)
    change = augment.changes(Augment(**settings), view)
    state = torch.get_rng_state()
    first = change(images)
    torch.set_rng_state(state)
    assert torch.equal(first, augment.changes(Augment(**settings), view)(images))


def test_nothing_is_changed_unasked(view):
    images = torch.rand(4, len(view.slope), 16, 16)
    assert torch.equal(augment.changes(None, view)(images), images)
    assert torch.equal(augment.changes(Augment(), view)(images), images)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixed_labels_are_the_shares_of_the_pictures(kind):
    images = torch.eye(6)[:, :, None, None].expand(6, 6, 10, 10).clone()  # a channel a picture
    transformers.set_seed(0)
    for _ in range(20):
        mixed, labels = augment.mix(images, torch.arange(6), 6, Augment(**{kind: 1.0}))
        assert torch.allclose(mixed.mean((2, 3)), labels, atol=1e-6)
        assert torch.allclose(labels.sum(1), torch.ones(6))


def test_shares_of_classes_have_the_loss_of_their_parts():
    logits, ids = torch.randn(5, 3), torch.tensor([0, 1, 2, -100, 1])
    outputs = transformers.modeling_outputs.ImageClassifierOutput(logits=logits)
    assert float(loss(None, 0.0)(outputs, ids)) == pytest.approx(
        float(torch.nn.functional.cross_entropy(logits, ids)), rel=1e-6
    )
    sure = torch.nn.functional.one_hot(ids.clamp(min=0), 3).float()
    assert float(loss(None, 0.0)(outputs, sure)) == pytest.approx(
        float(torch.nn.functional.cross_entropy(logits, ids.clamp(min=0))), rel=1e-6
    )
    doubled = loss([1.0, 1.0, 1.0], 0.0)(outputs, ids, num_items_in_batch=torch.tensor(8))
    assert float(doubled) == pytest.approx(float(loss(None, 0.0)(outputs, ids)) / 2, rel=1e-6)


def test_statistics_of_batch_norm_are_left_alone_or_follow_slowly():
    layer = torch.nn.Sequential(torch.nn.BatchNorm2d(2, momentum=0.997))
    mend_momentum(layer)
    assert layer[0].momentum == pytest.approx(0.003)
    layer.train()
    freeze(layers(layer))
    layer(torch.randn(4, 2, 3, 3) + 5)
    assert layer[0].running_mean.tolist() == [0, 0]


def test_statistics_that_begin_at_random_follow_soon():
    layer = torch.nn.Sequential(torch.nn.BatchNorm2d(2, momentum=0.997))
    mend_momentum(layer, scratch=True)
    layer.train()
    for _ in range(60):
        layer(torch.randn(4, 2, 3, 3) + 5)
    assert layer[0].running_mean.tolist() == pytest.approx([5, 5], abs=0.5)


def test_without_kornia_the_extra_is_named(monkeypatch, view):
    monkeypatch.setitem(sys.modules, "kornia", None)
    with pytest.raises(UserError, match=r"toolkit\[vision\]"):
        augment.changes(Augment(crop=0.5), view)
    assert augment.changes(None, view)
