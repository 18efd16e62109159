"""Detectors of transformers from configs, and on the backbones of classifiers."""

from __future__ import annotations

import copy

import accelerate
import detectors
import numpy as np
import pytest
import torch
import transformers
import transformers.loss.loss_for_object_detection
from toolkit_plugins.vision import backbones
from toolkit_plugins.vision.canvas import Canvas
from toolkit_plugins.vision.canvas_processors import processor_for
from toolkit_plugins.vision.detection import batches, models
from toolkit_plugins.vision.detection.options import Detector
from toolkit_plugins.vision.fast_layers import faster

from toolkit.errors import ModelError, RecipeError
from toolkit.models import scratch
from toolkit.models.methods import get_method

NAMES = ("disc", "square", "triangle")
HEAD = {
    "num_labels": 3, "id2label": dict(enumerate(NAMES)), "ignore_mismatched_sizes": True,
    "label2id": {name: place for place, name in enumerate(NAMES)}, "dtype": "float32",
}  # fmt: skip
SMALL = Detector(width=32, layers=2, queries=12, denoising=8)
SIZE = (64, 96)


def labels():
    """Two objects, and an image without any."""
    two = {"class_labels": torch.tensor([0, 2]),
           "boxes": torch.tensor([[0.5, 0.5, 0.2, 0.2], [0.3, 0.3, 0.2, 0.4]])}  # fmt: skip
    none = {"class_labels": torch.zeros(0, dtype=torch.int64), "boxes": torch.zeros(0, 4)}
    return [two, none]


@pytest.mark.parametrize(
    "model_type",
    [*detectors.QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in detectors.MORE)],
)
def test_each_detector_learns_is_saved_and_decoded_as_transformers_do(model_type, tmp_path):
    transformers.set_seed(0)
    folder = scratch.from_config(detectors.config(model_type)).path
    model = models.load(folder, HEAD, SMALL)
    processor = processor_for(folder, SIZE, False, "boxes")
    canvas = Canvas.of(processor)
    images, _ = canvas.scaled(torch.randint(0, 256, (2, 3, *SIZE)), [SIZE] * 2)
    loss = model.train()(pixel_values=images, labels=labels()).loss
    loss.backward()
    assert torch.isfinite(loss)
    assert not [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]

    model.save_pretrained(tmp_path)
    again = transformers.AutoModelForObjectDetection.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        found, other = model.eval()(pixel_values=images), again(pixel_values=images)
    assert torch.equal(found.logits, other.logits)
    # Untrained, some give all boxes nearly the same score, whose order would be open.
    found.logits = found.logits + torch.randn_like(found.logits)
    boxes, scores, numbers = batches.best(found, len(NAMES), 100)
    theirs = processor.post_process_object_detection(
        found, threshold=0.0, target_sizes=[(200, 300)] * 2
    )
    for place, one in enumerate(theirs):
        count = min(len(one["scores"]), len(scores[place]))
        order = one["scores"].sort(descending=True, stable=True).indices[:count]
        assert np.allclose(one["scores"][order].numpy(), scores[place][:count], atol=1e-6)
        edges = canvas.boxes_off(boxes[place][:count], (200, 300))
        expected = one["boxes"][order].numpy().clip(0, [300, 200, 300, 200])
        assert np.allclose(expected, edges, atol=1e-2)
        assert np.array_equal(one["labels"][order].numpy(), numbers[place][:count])


@pytest.mark.parametrize(
    "model_type",
    [*detectors.QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in detectors.MORE)],
)
def test_the_faster_model_has_the_same_loss(model_type):
    transformers.set_seed(0)
    plain = models.load(scratch.from_config(detectors.config(model_type)).path, HEAD, SMALL)
    images, found = torch.rand(2, 3, *SIZE), []
    for model in (plain, faster(copy.deepcopy(plain))):
        model.train()(pixel_values=images, labels=labels()).loss.backward()
        assert not [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
        with torch.no_grad():  # what dropout draws depends on the order in memory
            found.append(model.eval()(pixel_values=images, labels=labels()).loss.item())
    assert found[1] == pytest.approx(found[0], rel=1e-3)


def test_a_classifier_carries_a_detector_with_its_weights(tiny_mobilenet, tmp_path):
    body = backbones.load(tiny_mobilenet)
    model = models.load(tiny_mobilenet, HEAD, SMALL)
    inner = model.model.backbone.model
    name = "layer.3.expand_1x1.convolution.weight"
    assert torch.equal(inner.get_parameter(name), body.get_parameter(name))
    images = torch.rand(2, 3, *SIZE)
    model.train()(pixel_values=images, labels=labels()).loss.backward()
    model.save_pretrained(tmp_path)
    again = transformers.AutoModelForObjectDetection.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        one, other = model.eval()(pixel_values=images), again(pixel_values=images)
    assert torch.equal(one.pred_boxes, other.pred_boxes)
    assert not hasattr(inner, "conv_1x1")  # weights without a gradient would stop two processes


def test_a_backbone_of_transformers_gives_maps_of_three_strides(tmp_path):
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1], layer_type="basic"
    )
    transformers.ResNetForImageClassification(config).save_pretrained(tmp_path)
    body = backbones.load(tmp_path)
    assert body.channels == [12, 16, 20]
    assert backbones.strides_of(body) == [8, 16, 32]


def test_models_that_carry_no_detector_are_refused(tmp_path):
    vit = transformers.ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=1,
                                 intermediate_size=16, image_size=32)  # fmt: skip
    transformers.ViTForImageClassification(vit).save_pretrained(tmp_path / "vit")
    with pytest.raises(ModelError, match="neither a detector nor a network that can carry one"):
        models.load(tmp_path / "vit", HEAD, SMALL)
    plain = scratch.from_config({"model_type": "resnet", "layer_type": "basic"}).path
    with pytest.raises(ModelError, match="'resnet' is no detector: name one"):
        models.load(plain, HEAD, SMALL)
    dino = transformers.Dinov2Config(hidden_size=16, num_hidden_layers=2, num_attention_heads=1,
                                     image_size=28)  # fmt: skip
    transformers.Dinov2ForImageClassification(dino).save_pretrained(tmp_path / "dino")
    with pytest.raises(ModelError, match="stride 14.*needs maps of 8, 16, 32"):
        models.load(tmp_path / "dino", HEAD, SMALL)


def test_batch_norm_of_a_backbone_from_scratch_learns():
    model = models.load(scratch.from_config(detectors.config("rt_detr_v2")).path, HEAD, SMALL)
    norms = [m for m in model.model.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    assert all(m.weight.requires_grad for m in norms)


def test_lowest_layers_of_the_backbone(tiny_mobilenet):
    model = models.load(tiny_mobilenet, HEAD, SMALL)
    few, more = models.lowest(model, 1), models.lowest(model, 3)
    assert few < more < set(models.backbone_parameters(model))
    assert any(".conv_stem." in name for name in few)
    assert any(".layer.2." in name for name in more)
    assert not any(".layer.3." in name for name in more)
    yolos = models.load(scratch.from_config(detectors.config("yolos")).path, HEAD, SMALL)
    with pytest.raises(RecipeError, match="options.frozen_layers: this model has no backbone"):
        models.lowest(yolos, 1)


@pytest.mark.parametrize("method", ["lora", "head"])
def test_methods_that_heads_with_shared_weights_cannot_have_are_refused(method):
    model = models.load(scratch.from_config(detectors.config("rt_detr_v2")).path, HEAD, SMALL)
    with pytest.raises(RecipeError, match="RTDetrV2.*use full, partial or layerwise$"):
        get_method(method)().check(model)


def test_losses_ask_no_other_rank(monkeypatch):
    asked = []
    monkeypatch.setattr(
        transformers.loss.loss_for_object_detection, "reduce", lambda n: asked.append(n) or n
    )
    given = {"pixel_values": torch.rand(2, 3, *SIZE), "labels": labels()}
    folder = scratch.from_config(detectors.config("detr")).path
    accelerate.PartialState()
    models.load(folder, HEAD, SMALL)(**given)
    assert len(asked) == 1
    models.alone(models.load(folder, HEAD, SMALL))(**given)
    assert len(asked) == 1
