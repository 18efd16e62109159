"""Models of semantic segmentation: which can be taken, and how they are loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from toolkit.errors import DataError, Fault, RecipeError
from toolkit.models import pretrained
from toolkit.utils.text import listing
from toolkit_plugins.vision import backbones
from toolkit_plugins.vision.segmentation import query_models

IGNORED = 255
FINE = (4, 8, 16, 32)  # strides of the maps that UPerNet reads
AUXILIARY = "auxiliary_logits"
PATCH = 8  # pixels: models of larger patches have positions, or a neck, of one size


def config_of(folder: Path, decoder: str = "auto") -> Any:
    """Return a folder's config: of a model with a head for semantic segmentation, or a backbone.

    Args:
        decoder: "own" for such a head, "upernet" for one on a backbone, "auto" for either.

    Raises:
        RecipeError: the model has no head of its own, and is no backbone that carries one.
    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES as names,  # noqa: N811 - theirs
    )

    config = AutoConfig.from_pretrained(folder)
    own = config.model_type in names
    if by_masks(config) and decoder != "upernet":
        return config
    carries = not own or decoder == "upernet"
    if carries and decoder != "own" and backbones.is_backbone(config):
        return config
    if (own or by_masks(config)) and decoder == "upernet" and config.model_type != "upernet":
        what = (f"upernet needs a backbone, and {config.model_type} is none: leave it out, or, "
                "where a recipe sets it, give --set options.decoder=auto")  # fmt: skip
        raise RecipeError(Fault("options.decoder", what))
    if not own:
        what = (
            f"transformers has no semantic segmentation with {config.model_type!r}; the types that "
            f"have are {listing(sorted(names), 20)} (a classifier of such a type is taken as the "
            f"pretrained encoder), {listing(query_models.TYPES)}, or backbones such as ResNet, "
            "ConvNext and Swin"
        )
        raise RecipeError(Fault("model", what))
    return config


def by_masks(config: Any) -> bool:
    """Return whether a model predicts masks with a class each, and no scores of pixels."""
    return config.model_type in query_models.TYPES


def channels_of(config: Any) -> int:
    """Return how many channels the images of a model have."""
    inner = getattr(config, "backbone_config", None)
    found = getattr(config, "num_channels", None) or getattr(inner, "num_channels", None)
    return int(found or 3)


def own_size(config: Any) -> tuple[int, int] | None:
    """Return height and width of the images of a model that takes one size; None for all others.

    Vision transformers have positions for so many patches, and DPT's neck wants a square.
    """
    side, patch = (getattr(config, name, None) for name in ("image_size", "patch_size"))
    if not side or not patch or (isinstance(patch, int) and patch < PATCH):
        return None
    height, width = side if isinstance(side, Sequence) else (side, side)
    return int(height), int(width)


def load(
    folder: Path, head: Mapping[str, Any], output_stride: int | None = None, decoder: str = "auto",
    width: int = 64,
) -> Any:  # fmt: skip
    """Return the model with a new head where the folder's is of other classes.

    Args:
        head: arguments of `from_pretrained` for the classes.
        output_stride: by how much features are smaller than the image, for models that can choose.
        decoder: as of `config_of`. width: features of UPerNet's layers on a backbone.

    Raises:
        RecipeError: transformers has no such model, or it cannot choose its output stride.
    """
    from transformers import AutoModelForSemanticSegmentation

    config, settings = config_of(folder, decoder), dict(head)
    if _carries(config, decoder):
        if pretrained.is_scratch(folder):
            what = f"{config.model_type} has no head: name upernet, with it as backbone_config"
            raise RecipeError(Fault("model.from_config.model_type", what))
        if output_stride is not None:
            what = "is of models' own heads; UPerNet reads maps of 4 to 32"
            raise RecipeError(Fault("options.output_stride", what))
        return _on_backbone(folder, head, width)
    for name in ("semantic_loss_ignore_index", "loss_ignore_index"):
        if hasattr(config, name) and not by_masks(config):
            settings[name] = IGNORED
    if output_stride is not None:
        if not hasattr(config, "output_stride"):
            what = f"{config.model_type} has a fixed stride (mobilenet_v2 and mobilevit can choose)"
            raise RecipeError(Fault("options.output_stride", what))
        settings["output_stride"] = output_stride
    if by_masks(config):
        return query_models.load(folder, head)
    found = pretrained.model(AutoModelForSemanticSegmentation, folder, **settings)
    _tell_auxiliary(found)
    return found


def _carries(config: Any, decoder: str) -> bool:
    """Return whether a head is built on the model of a config, which has none, or not this one."""
    from transformers import MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING

    mapping: Any = MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING
    own = type(config) in mapping.keys()  # noqa: SIM118 - the mapping is lazy
    return backbones.is_backbone(config) and (not own or decoder == "upernet")


def _on_backbone(folder: Path, head: Mapping[str, Any], width: int) -> Any:
    """Return UPerNet (Xiao et al. 2018, arXiv 1807.10221) on pretrained feature maps."""
    from transformers import AutoModelForSemanticSegmentation, UperNetConfig

    body = backbones.load(folder, FINE)
    config = UperNetConfig(
        backbone_config=body.config,
        hidden_size=width,
        use_auxiliary_head=False,
        loss_ignore_index=IGNORED,
        **{name: head[name] for name in ("num_labels", "id2label", "label2id")},
    )
    auto: Any = AutoModelForSemanticSegmentation
    found = auto.from_config(config, dtype="float32")
    backbones.give(found.backbone, body, folder)
    return found


def require_size(model: Any, size: tuple[int, int]) -> None:
    """Let a model that is made for one size see an image of the run's.

    Raises:
        RecipeError: it does not take images of (height, width).
    """
    import torch

    own = own_size(model.config)
    if own in (None, size):
        return
    image = torch.zeros(1, channels_of(model.config), *size)
    try:
        with torch.inference_mode():
            model.eval()(pixel_values=image)
    except (RuntimeError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        what = (
            f"{type(model).__name__} takes no images of {size[0]} x {size[1]} ({reason}): leave it "
            f"out for the model's own {own[0]} x {own[1]}"
        )
        raise RecipeError(Fault("options.size", what)) from error


def _tell_auxiliary(model: Any) -> None:
    """Let outputs in training have the logits of an auxiliary head (UPerNet, BEiT, DPT), too.

    transformers keeps them for the loss that the model computes by itself.
    """
    head = getattr(model, "auxiliary_head", None)
    if head is None:
        return
    seen: list[Any] = []

    def note(module: Any, inputs: Any, output: Any) -> None:
        seen[:] = [output]

    def add(module: Any, inputs: Any, outputs: Any) -> Any:
        logits = seen.pop() if seen else None
        if module.training and logits is not None:
            outputs[AUXILIARY] = (logits, float(module.config.auxiliary_loss_weight))
        return outputs

    head.register_forward_hook(note)
    model.register_forward_hook(add)


def with_auxiliary(
    measure: Callable[..., Any], outputs: Any, labels: Any, num_items_in_batch: Any = None
) -> Any:
    """Return the loss of the logits, and of an auxiliary head's by its weight in the config."""
    found = measure(outputs, labels, num_items_in_batch)
    if isinstance(outputs, Mapping) and AUXILIARY in outputs:
        logits, weight = outputs[AUXILIARY]
        found = found + weight * measure(SimpleNamespace(logits=logits), labels, num_items_in_batch)
    return found


def require_classes(names: Sequence[str], mask: str) -> None:
    """Refuse masks in which there is nothing to tell apart.

    Raises:
        DataError: there are fewer than two classes.
    """
    if len(names) < 2:
        what = f"the masks of train have {len(names)} class ({listing(names)}): two are needed"
        raise DataError(Fault(mask, what))
