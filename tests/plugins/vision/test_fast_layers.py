"""Layers that take less time compute what the library's do."""

import copy

import pytest
import torch
import transformers
from toolkit_plugins.vision.fast_layers import faster


def made(**config):
    torch.manual_seed(0)
    model = transformers.MobileNetV2ForImageClassification(
        transformers.MobileNetV2Config(
            depth_multiplier=0.35, num_labels=3, classifier_dropout_prob=0.0, **config
        )
    )
    for layer in model.modules():  # statistics that are none of an untrained layer
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.2, 0.2)
            layer.running_var.uniform_(0.5, 1.5)
    return model.double()  # in which sums of another order are the same


@pytest.mark.parametrize("size", [(64, 96), (65, 97), (33, 50)])
@pytest.mark.parametrize("config", [{}, {"output_stride": 8}, {"tf_padding": False}])
def test_predictions_and_gradients_are_the_same(config, size):
    plain = made(**config)
    fast, images = faster(copy.deepcopy(plain)), torch.rand(2, 3, *size).double()
    with torch.no_grad():
        one, other = (model.eval()(images).logits for model in (plain, fast))
    assert torch.allclose(one, other, atol=1e-9)
    for model in (plain, fast):
        model.train().requires_grad_(True)
        for block in model.mobilenet_v2.layer[:3]:  # as with frozen layers
            block.requires_grad_(False).eval()
        model(images, labels=torch.tensor([0, 2])).loss.backward()
    for (name, one), (_, other) in zip(
        plain.named_parameters(), fast.named_parameters(), strict=True
    ):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None:
            assert torch.allclose(one.grad, other.grad, atol=1e-9), name
    assert plain.state_dict().keys() == fast.state_dict().keys()


def test_frozen_layers_that_are_followed_by_trained_ones_pass_gradients_on():
    model = faster(made()).train()
    body = model.mobilenet_v2
    for block in body.layer[3:5]:
        block.requires_grad_(False).eval()
    model(torch.rand(2, 3, 64, 64).double(), labels=torch.tensor([0, 1])).loss.backward()
    assert body.conv_stem.first_conv.convolution.weight.grad.abs().sum() > 0
