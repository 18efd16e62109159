"""Detectors: those of transformers, and RT-DETRv2 on the backbone of an image classifier."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from toolkit.errors import Fault, ModelError, RecipeError
from toolkit.models import pretrained
from toolkit_plugins.vision import backbones
from toolkit_plugins.vision.detection.options import Detector

#: Models whose processors need torchvision, or whose forward takes other labels.
OTHERS = ("rf_detr", "timm_backbone", "table-transformer")

#: Modules of losses that ask other ranks -> a name in them, and what it is for one rank.
ASKING: Mapping[str, tuple[str, Any]] = {
    "loss_for_object_detection": ("is_accelerate_available", lambda: False),
    "loss_lw_detr": ("dist", SimpleNamespace(is_available=lambda: False)),
}


def load(folder: Path, head: Mapping[str, Any], detector: Detector) -> Any:
    """Return the detector in a folder, or one on the classifier that is there.

    Args:
        head: arguments of `from_pretrained` for a model with one output per class.
        detector: sizes of what is built on a backbone.

    Raises:
        ModelError: the folder holds neither.
    """
    from transformers import AutoConfig, AutoModelForObjectDetection

    backbones.register()
    config = AutoConfig.from_pretrained(folder)
    if is_detector(config):
        scratch = _unfrozen(config) if pretrained.is_scratch(folder) else {}
        return pretrained.model(AutoModelForObjectDetection, folder, **scratch, **head)
    if pretrained.is_scratch(folder):
        what = "is no detector: name one (rt_detr_v2, d_fine, detr, yolos, ...)"
        raise ModelError(f"model_type {config.model_type!r} {what}, with a backbone_config")
    if not backbones.is_backbone(config):
        raise ModelError(
            f"{folder} ({config.model_type}) is neither a detector nor a network that can carry "
            "one: choose a model for object detection, or an image classifier such as ResNet, "
            "ConvNext, Swin or MobileNetV2"
        )
    return _on_backbone(folder, head, detector)


def alone(model: Any) -> Any:
    """Return the model, its loss divided by the objects of its batch, whatever other ranks have.

    Some losses ask all ranks, which waits forever where one has no batch any more (validation), and
    that of DETR then divides by the number of ranks twice. `DetectionTrainer` weighs instead.
    """
    usual = model.loss_function

    def loss(*given: Any, **named: Any) -> Any:
        with ExitStack() as stack:
            for name, (attribute, value) in ASKING.items():
                module = importlib.import_module(f"transformers.loss.{name}")
                stack.enter_context(mock.patch.object(module, attribute, value))
            return usual(*given, **named)

    model.loss_function = loss
    return model


def is_detector(config: Any) -> bool:
    """Return whether AutoModelForObjectDetection makes a model of a config."""
    from transformers import MODEL_FOR_OBJECT_DETECTION_MAPPING

    mapping: Any = MODEL_FOR_OBJECT_DETECTION_MAPPING
    return type(config) in mapping.keys()  # noqa: SIM118 - the mapping is lazy


def _unfrozen(config: Any) -> dict[str, Any]:
    """Return what lets BatchNorm layers of a backbone without weights learn their statistics.

    By default the configs of RT-DETR freeze them, which leaves random maps unscaled.
    """
    return {name: False for name in ("freeze_backbone_batch_norms",) if hasattr(config, name)}


def _on_backbone(folder: Path, head: Mapping[str, Any], detector: Detector) -> Any:
    """Return RT-DETRv2 (Lv et al. 2024, arXiv 2407.17140) on pretrained feature maps."""
    from transformers import AutoModelForObjectDetection, RTDetrV2Config

    body, width = backbones.load(folder), detector.width
    levels = len(body.channels)
    config = RTDetrV2Config(
        backbone_config=body.config,
        freeze_backbone_batch_norms=True,
        encoder_in_channels=body.channels,
        decoder_in_channels=[width] * levels,
        feat_strides=list(backbones.STRIDES),
        d_model=width,
        encoder_hidden_dim=width,
        encoder_ffn_dim=2 * width,
        decoder_ffn_dim=2 * width,
        encoder_attention_heads=max(1, width // 32),
        decoder_attention_heads=max(1, width // 32),
        decoder_layers=detector.layers,
        num_queries=detector.queries,
        num_denoising=detector.denoising,
        hidden_expansion=0.5,
        **{name: head[name] for name in ("num_labels", "id2label", "label2id")},
    )
    auto: Any = AutoModelForObjectDetection
    found = auto.from_config(config, dtype="float32")
    backbones.give(found.model.backbone.model, body, folder)
    return found


def backbone_parameters(model: Any) -> dict[str, Any]:
    """Return the parameters of a detector's backbone by name; {} where it has none of its own."""
    return {name: value for name, value in model.named_parameters()
            if "backbone" in name.split(".")}  # fmt: skip


def lowest(model: Any, layers: int) -> set[str]:
    """Return the names of the parameters of the first layers of the backbone, and of its stem.

    Layers are the items of the outermost lists in it, in the order in which they are registered.

    Raises:
        RecipeError: the model has no backbone of its own.
    """
    names = list(backbone_parameters(model))
    if not names:
        what = "this model has no backbone of its own (such as YOLOS): leave it at 0"
        raise RecipeError(Fault("options.frozen_layers", what))
    found: dict[str, int] = {}
    below: set[str] = set()
    for name in names:
        path = name.split(".")
        inside = path[path.index("backbone") + 1 :]
        place = next((n for n, part in enumerate(inside) if part.isdigit()), None)
        if place is None:
            if not found:
                below.add(name)
            continue
        found.setdefault(".".join(inside[: place + 1]), len(found))
        if found[".".join(inside[: place + 1])] < layers:
            below.add(name)
    return below


def longest_side(sizes: Iterable[tuple[int, int]]) -> int:
    """Return the longest side of images, in pixels."""
    return max((max(size) for size in sizes), default=0)
