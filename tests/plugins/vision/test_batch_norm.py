"""Frozen BatchNorm layers that compute in one operation."""

from __future__ import annotations

import copy

import pytest
import torch
from toolkit_plugins.vision.batch_norm import fuse_frozen
from torch import nn
from transformers.models.detr.modeling_detr import DetrFrozenBatchNorm2d
from transformers.models.rt_detr_v2.modeling_rt_detr_v2 import RTDetrV2FrozenBatchNorm2d


class OtherFrozenBatchNorm2d(RTDetrV2FrozenBatchNorm2d):
    """One that does something else."""

    def forward(self, images):
        return super().forward(images) * 2


def layers(kind):
    """Return a convolution and a layer with statistics that are drawn."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 4, 3), kind(4))
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(made[1], name).data = torch.rand(4) + 0.1
    return made


def outcome(model, images):
    """Return outputs, and the gradients of inputs and weights."""
    images = images.clone().requires_grad_()
    found = model(images)
    found.square().sum().backward()
    return found.detach(), images.grad, model[0].weight.grad


@pytest.mark.parametrize("kind", [RTDetrV2FrozenBatchNorm2d, DetrFrozenBatchNorm2d])
def test_outputs_gradients_and_names_stay(kind):
    plain, images = layers(kind), torch.rand(2, 3, 8, 8)
    fused = copy.deepcopy(plain)
    fuse_frozen(fused)
    assert type(fused[1]) is not kind
    assert isinstance(fused[1], kind)
    for model in (fused.train(), copy.deepcopy(fused)):
        for one, other in zip(outcome(model, images), outcome(plain, images), strict=True):
            torch.testing.assert_close(one, other)
        plain.zero_grad()
    assert list(fused.state_dict()) == list(plain.state_dict())


def test_a_layer_that_computes_otherwise_is_left_alone():
    model = layers(OtherFrozenBatchNorm2d)
    fuse_frozen(model)
    assert type(model[1]) is OtherFrozenBatchNorm2d
