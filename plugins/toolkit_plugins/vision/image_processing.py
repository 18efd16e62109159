"""Image preprocessing of a model: its processor's geometry and scaling, found by probing.

The processors of transformers differ in how they resize, crop and scale, but nearly all end in one
image of a fixed size and a linear map per channel. Both are read off the processor itself, so
that resizing can be done once, and scaling on whole batches of tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import ModelError
from toolkit.utils.pictures import SMALL, resized
from toolkit_plugins.vision.images import Levels, use_all

Array = np.ndarray[Any, Any]

LEVELS = "toolkit_levels"  # attribute of an image processor, saved with it
PROBES = ((301, 417), (417, 301), (64, 64))
NARROW = 64  # how many times as long as it is wide an image may be before a processor resizes it


def processor_of(folder: Path, size: int | None) -> Any:
    """Return a folder's image processor; of a model from scratch, one made for its config.

    Args:
        size: pixels a side, where it is not the config's.

    Raises:
        ModelError: a folder with weights holds no image processor.
    """
    from transformers import AutoConfig, AutoImageProcessor, ViTImageProcessorPil

    from toolkit.models import pretrained

    config = AutoConfig.from_pretrained(folder)
    if (folder / "preprocessor_config.json").is_file():
        auto: Any = AutoImageProcessor
        found = auto.from_pretrained(folder, backend="pil")
        return _resized(found, size)
    if not pretrained.is_scratch(folder):
        raise ModelError(
            f"{folder} ({config.model_type}) holds no preprocessor_config.json. Is it an "
            "image model? If it is, save its image processor there."
        )
    own = size or getattr(config, "image_size", None) or 224
    height, width = own if isinstance(own, list | tuple) else (own, own)
    channels = getattr(config, "num_channels", 3)
    return ViTImageProcessorPil(
        size={"height": int(height), "width": int(width)},
        do_convert_rgb=channels == 3,
        image_mean=[0.5] * channels,
        image_std=[0.5] * channels,
    )


def _resized(processor: Any, size: int | None) -> Any:
    """Set the pixels a side of what comes out, and what is cropped in proportion."""
    if size is None:
        return processor
    crop = getattr(processor, "crop_size", None)
    edge = processor.size.get("shortest_edge")
    if getattr(processor, "do_center_crop", False) and crop is not None and edge:
        processor.size = {"shortest_edge": round(edge * size / crop["height"])}
        processor.crop_size = {"height": size, "width": size}
    elif edge:
        processor.size = {"shortest_edge": size}
    else:
        processor.size = {"height": size, "width": size}
    return processor


@dataclass(frozen=True)
class View:
    """Sizes are (height, width).

    canvas: what an image is resized to, and kept as. final: the middle of it that the model takes.
    shortest: the canvas is cut out of an image whose shorter edge has become that of the canvas.
    own: the processor itself makes the canvas. slope, offset: per channel, from 8-bit values to
    what the model takes, float32 of shape (channels,).
    """

    processor: Any
    mode: str
    canvas: tuple[int, int]
    final: tuple[int, int]
    shortest: bool
    own: bool
    slope: Array
    offset: Array

    @classmethod
    def of(cls, processor: Any, channels: int) -> View:
        """Probe a processor.

        Raises:
            ModelError: it gives images of different sizes, or does more than resize and scale.
        """
        mode = "L" if channels == 1 else "RGB"
        rng = np.random.default_rng(0)
        probes = [_as_image(rng.integers(0, 256, (*size, channels), np.uint8)) for size in PROBES]
        try:
            plain = [_unscaled(processor, probe) for probe in probes]
            final = (plain[0].shape[0], plain[0].shape[1])
            flat = [_scaled(processor, _as_image(np.full((64, 64, channels), v, np.uint8)))[0, 0]
                    for v in (0, 255)]  # fmt: skip
            slope, offset = (flat[1] - flat[0]) / 255, flat[0]
            odd = len({item.shape for item in plain}) > 1 or any(
                np.abs(one * slope + offset - _scaled(processor, probe)).max() > 1e-2
                for one, probe in zip(plain, probes, strict=True)
            )
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise ModelError(f"{type(processor).__name__} refuses an image: {error}") from error
        if odd:
            what = "does more than resize to one size and scale"
            raise ModelError(f"{type(processor).__name__} {what}, which is not supported")
        edge = (getattr(processor, "size", None) or {}).get("shortest_edge")
        for canvas, shortest in (((edge or 0,) * 2, True), (final, False)):
            view = cls(processor, mode, canvas, final, shortest, False,
                       slope.astype(np.float32), offset.astype(np.float32))  # fmt: skip
            if canvas[0] >= final[0] and canvas[1] >= final[1] and all(
                np.array_equal(view.middle(view.on_canvas(probe)[None])[0], one)
                for probe, one in zip(probes, plain, strict=True)
            ):  # fmt: skip
                return view
        return cls(processor, mode, final, final, False, True,
                   slope.astype(np.float32), offset.astype(np.float32))  # fmt: skip

    def describe(self) -> str:
        """Return everything that the canvas of an image depends on."""
        settings = self.processor.to_json_string() if self.own else self.processor.resample
        facts = (2, self.mode, self.canvas, self.shortest, self.own, str(settings))
        return repr((*facts, self.levels) if self.levels else facts)

    @property
    def levels(self) -> Levels | None:
        """The values that are black and white in images of more than 8 bits, where it is known."""
        found = getattr(self.processor, LEVELS, None)
        return (float(found[0]), float(found[1])) if found else None

    def on_canvas(self, image: Any) -> Array:
        """Return an image as uint8 of shape (height, width, channels)."""
        if self.own:
            return _unscaled(self.processor, self._bounded(image))
        height, width = self.canvas
        resample = self.processor.resample
        if self.shortest:
            image = _middle_at(image, height, width, resample)
        elif image.size != (width, height):
            image = resized(image, (width, height), resample)
        found = np.asarray(image)
        return found if found.ndim == 3 else found[:, :, None]

    def _bounded(self, image: Any) -> Any:
        """Return an image that becomes no large one within the processor."""
        factor = min(
            side // (2 * edge) for side, edge in zip(image.size, self.canvas[::-1], strict=True)
        )
        if factor > 1 and image.width * image.height > SMALL:
            image = image.reduce(factor)  # as large jpegs are decoded
        width, height = (min(side, NARROW * min(image.size)) for side in image.size)
        if (width, height) == image.size:
            return image
        if (getattr(self.processor, "size", None) or {}).get("shortest_edge"):  # cut out of it
            left, top = (image.width - width) // 2, (image.height - height) // 2
            return image.crop((left, top, left + width, top + height))
        return resized(image, (width, height), self.processor.resample)

    def canvases(self, values: Sequence[Any]) -> Array:
        """Return files as uint8 of shape (files, height, width, channels).

        Raises:
            DataError: some cannot be read.
        """
        about = (self.canvas[1], self.canvas[0])
        return np.stack(use_all(values, self.mode, about, self.on_canvas, self.levels))

    def middle(self, canvases: Array) -> Array:
        """Return the part of canvases that the model sees when nothing is left to chance."""
        (height, width), (h, w) = self.canvas, self.final
        top, left = (height - h) // 2, (width - w) // 2
        return canvases[:, top : top + h, left : left + w]

    def scaled(self, values: Any) -> Any:
        """Return 8-bit values (as a float tensor, rows x channels x height x width) as inputs."""
        import torch

        shape = (1, -1, 1, 1)
        slope = torch.from_numpy(self.slope).to(values.device).view(shape)
        return values * slope + torch.from_numpy(self.offset).to(values.device).view(shape)


def _middle_at(image: Any, height: int, width: int, resample: Any) -> Any:
    """Return the middle, of the given size, of an image whose shorter edge has become `height`."""
    short = min(image.size)
    scale = height / short
    size = tuple(height if side == short else int(side * scale) for side in image.size)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    if size[0] * size[1] > SMALL:  # a long, narrow one: only what is cut out is made
        x, y = image.width / size[0], image.height / size[1]
        box = (left * x, top * y, (left + width) * x, (top + height) * y)
        return resized(image, (width, height), resample, box)
    image = image if image.size == size else resized(image, size, resample)
    return image.crop((left, top, left + width, top + height))


def _as_image(values: Array) -> Any:
    from PIL import Image

    return Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values)


def _unscaled(processor: Any, image: Any) -> Array:
    found = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")
    values: Array = np.asarray(found["pixel_values"][0]).transpose(1, 2, 0)
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _scaled(processor: Any, image: Any) -> Array:
    found = processor(image, return_tensors="np")["pixel_values"][0]
    return np.asarray(found, np.float32).transpose(1, 2, 0)
