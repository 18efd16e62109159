"""Image classifiers as backbones: feature maps of several strides, for detectors and decoders.

transformers has such a class for ResNet, ConvNext, Swin and others (AutoBackbone). MobileNetV2 has
none; the one here is registered for its config, so that models on it are saved and loaded as all
others are. Outside of the toolkit: `import toolkit_plugins.vision.backbones` and `register()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from toolkit.errors import ModelError
from toolkit.utils.text import listing

STRIDES = (8, 16, 32)
PROBED = 128  # pixels a side of the image by which strides are found


@cache
def register() -> type[Any]:
    """Make AutoBackbone know MobileNetV2; return the class of its backbone."""
    from transformers import AutoBackbone, MobileNetV2Config, MobileNetV2Model
    from transformers.modeling_outputs import BackboneOutput

    class MobileNetV2Backbone(MobileNetV2Model):  # type: ignore[no-untyped-call]  # theirs
        """MobileNetV2 without its last convolution: the last map of each of some strides.

        They are `out_strides` of the config, by default STRIDES.
        """

        def __init__(self, config: Any) -> None:
            super().__init__(config, add_pooling_layer=False)
            del self.conv_1x1
            layers: Any = self.layer
            strides = [int(layer.conv_3x3.convolution.stride[0]) for layer in layers]
            self.places = _last_of_each(strides, getattr(config, "out_strides", STRIDES))
            self.channels = [layers[place].reduce_1x1.convolution.out_channels
                             for place in self.places]  # fmt: skip

        def forward(self, pixel_values: Any, **unused: Any) -> Any:
            """Return the feature maps, finest first."""
            maps, found = [], self.conv_stem(pixel_values)
            for place, layer in enumerate(self.layer):
                found = layer(found)
                if place in self.places:
                    maps.append(found)
            return BackboneOutput(feature_maps=tuple(maps))

        def forward_with_filtered_kwargs(self, pixel_values: Any, **unused: Any) -> Any:
            """Return the feature maps, as UPerNet asks for them."""
            return self(pixel_values)

    AutoBackbone.register(MobileNetV2Config, MobileNetV2Backbone, exist_ok=True)
    return MobileNetV2Backbone


def _last_of_each(strides: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """Return the last block of each stride that is wanted, in a network whose stem has stride 2."""
    reached, last = 2, {}
    for place, stride in enumerate(strides):
        reached *= stride
        last[reached] = place
    return [last[stride] for stride in wanted if stride in last]


def is_backbone(config: Any) -> bool:
    """Return whether a model's config is one of which a backbone can be made."""
    from transformers import MODEL_FOR_BACKBONE_MAPPING

    register()
    mapping: Any = MODEL_FOR_BACKBONE_MAPPING
    return type(config) in mapping.keys()  # noqa: SIM118 - the mapping is lazy


def load(folder: Path, wanted: Sequence[int] = STRIDES) -> Any:
    """Return the backbone in a folder of a classifier, its weights as they are there.

    Args:
        wanted: strides of its feature maps, finest first.

    Raises:
        ModelError: it does not give maps of these strides.
    """
    from transformers import MODEL_FOR_BACKBONE_MAPPING, AutoConfig

    register()
    config = AutoConfig.from_pretrained(folder)
    if hasattr(config, "stage_names"):
        stages = len(config.stage_names)
        config.out_indices = list(range(max(stages - len(wanted), 0), stages))
    else:
        config.out_strides = list(wanted)
    # Not by AutoBackbone, which asks the Hub whether a folder's name is a repository.
    kind: Any = MODEL_FOR_BACKBONE_MAPPING[type(config)]
    found, info = kind.from_pretrained(
        folder, config=config, output_loading_info=True, dtype="float32"
    )
    # Norms of the maps that are read alone (ConvNext, Swin) are a backbone's own.
    lacking = [name for name in info["missing_keys"] if "norm" not in name]
    if lacking or info["mismatched_keys"]:
        what = f"lacks {len(lacking)} of the weights of its {kind.__name__} ({listing(lacking, 2)})"
        raise ModelError(f"{folder} ({config.model_type}) {what}: they would be random")
    strides = strides_of(found)
    if strides != list(wanted):
        raise ModelError(
            f"{folder} ({config.model_type}) gives feature maps of stride {listing(strides)}; what "
            f"is built on it needs maps of {listing(wanted)}: choose a convolutional network or "
            "Swin"
        )
    return found


def give(model: Any, body: Any, folder: Path) -> None:
    """Copy the weights of a loaded backbone into the one of a model that was made for its config.

    Args:
        model: the backbone within the model.

    Raises:
        ModelError: they do not fit, in a version of transformers that names layers otherwise.
    """
    result = model.load_state_dict(body.state_dict(), strict=False)
    extra = [name for name in result.unexpected_keys if not name.endswith("num_batches_tracked")]
    if result.missing_keys or extra:
        raise ModelError(f"{folder}: its weights do not fit the backbone of the model on it")


def strides_of(backbone: Any) -> list[int]:
    """Return the stride of each feature map, from the maps of an empty image."""
    import torch

    channels = int(getattr(backbone.config, "num_channels", 3))
    with torch.no_grad():
        maps = backbone.eval()(torch.zeros(1, channels, PROBED, PROBED)).feature_maps
    return [PROBED // int(one.shape[-1]) for one in maps]
