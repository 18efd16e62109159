"""Images of one size per run for boxes and masks, and where an image lies on its canvas.

An image is stretched to the canvas, or keeps its aspect ratio and lies at the upper left, the rest
being padding (letterbox), as the image processors of DETR-like models pad. Coordinates are edges of
pixels: a canvas reaches from 0 to its width, the center of its first pixel is 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.errors import ModelError
from toolkit.utils.pictures import resized
from toolkit_plugins.vision.image_processing import LEVELS
from toolkit_plugins.vision.images import Levels, original_size, use_all

Array = np.ndarray[Any, Any]

IGNORED = 255  # the value of a mask where nothing is known, and of padding
PROBES = ((60, 83), (83, 60), (40, 40))
STEP = 32  # sides are multiples of it: the coarsest features of usual backbones have this stride
LONGEST, LONGEST_ON_CPU = 640, 320


@dataclass(frozen=True)
class Canvas:
    """How images become tensors of one size.

    keep_ratio: images keep their aspect ratio, and are padded; else they are stretched. mode: "RGB"
    or "L". resample: Pillow's number of the filter. slope, offset: per channel, from 8-bit values
    to what the model takes. levels: the values that are black and white in images of more than 8
    bits, where it is known.
    """

    height: int
    width: int
    keep_ratio: bool
    mode: str
    resample: int
    slope: tuple[float, ...]
    offset: tuple[float, ...]
    levels: Levels | None = None

    @classmethod
    def of(cls, processor: Any, channels: int = 3) -> Canvas:
        """Return the canvases that an image processor makes, as `processor_for` sets it up.

        Raises:
            ModelError: it makes others.
        """
        keep = bool(getattr(processor, "do_pad", False))
        size = dict((processor.pad_size if keep else processor.size) or {})
        name = type(processor).__name__
        if not {"height", "width"} <= set(size):
            raise ModelError(f"{name} gives images of different sizes: its size is {size}")
        scale = processor.rescale_factor if processor.do_rescale else 1.0
        mean, std = (
            np.broadcast_to(np.asarray(value if processor.do_normalize else plain, float), channels)
            for value, plain in ((processor.image_mean, 0.0), (processor.image_std, 1.0))
        )
        levels = getattr(processor, LEVELS, None)
        found = cls(
            height=int(size["height"]),
            width=int(size["width"]),
            keep_ratio=keep,
            mode="L" if channels == 1 else "RGB",
            resample=int(processor.resample),
            slope=tuple((scale / std).tolist()),
            offset=tuple((-mean / std).tolist()),
            levels=(float(levels[0]), float(levels[1])) if levels else None,
        )
        if fault := found.fault_of(processor):
            raise ModelError(f"{name} {fault}, which is not supported")
        return found

    @property
    def canvas(self) -> tuple[int, int]:
        """(height, width), as `image_processing.View` names it."""
        return self.height, self.width

    @property
    def fill(self) -> tuple[float, ...]:
        """The color, from 0 to 1 per channel, nearest to what the model sees as padding (0)."""
        pairs = zip(self.slope, self.offset, strict=True)
        return tuple(min(max(-offset / slope / 255, 0.0), 1.0) for slope, offset in pairs)

    def describe(self) -> str:
        """Return everything that the canvas of an image depends on."""
        return repr((1, self.canvas, self.keep_ratio, self.mode, self.resample, self.levels))

    def content_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return (height, width) on the canvas of an image of the given (height, width)."""
        if not self.keep_ratio:
            return self.canvas
        scale = min(self.height / size[0], self.width / size[1])
        # As transformers.image_utils.get_image_size_for_max_height_width rounds.
        return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))

    def on_canvas(self, image: Any) -> tuple[Array, tuple[int, int], tuple[int, int]]:
        """Return a Pillow image as uint8 (height, width, channels), its content, and its own size.

        Padding is 0 here, and again after `scaled`.
        """
        original = original_size(image)
        height, width = self.content_of(original)
        if image.size != (width, height):
            image = resized(image, (width, height), self.resample)
        values = np.asarray(image)
        values = values if values.ndim == 3 else values[:, :, None]
        if (height, width) != self.canvas:
            gap = ((0, self.height - height), (0, self.width - width), (0, 0))
            values = np.pad(values, gap)
        return values, (height, width), original

    def canvases(self, values: Sequence[Any]) -> tuple[Array, Array, Array]:
        """Return files as uint8 (n, height, width, channels), content sizes and original sizes.

        Both sizes are int32 of shape (n, 2): height, width; the original ones those of upright
        images in pixels.

        Raises:
            DataError: some cannot be read.
        """
        about = (self.width, self.height)
        found = use_all(values, self.mode, about, self.on_canvas, self.levels)
        images, contents, originals = zip(*found, strict=True)
        return np.stack(images), np.array(contents, np.int32), np.array(originals, np.int32)

    def mask_canvases(self, values: Sequence[Any], contents: Any) -> Array:
        """Return masks (8-bit, one channel) as uint8 (n, height, width), padded with IGNORED.

        Args:
            contents: of the images that they belong to, shape (n, 2), from `canvases`.

        Raises:
            DataError: some cannot be read.
        """
        from PIL import Image

        sizes = [(int(height), int(width)) for height, width in contents]
        masks = use_all(values, "L", None, lambda image: image.copy())
        found = np.full((len(sizes), self.height, self.width), IGNORED, np.uint8)
        for row, (mask, (height, width)) in enumerate(zip(masks, sizes, strict=True)):
            if mask.size != (width, height):
                mask = mask.resize((width, height), Image.Resampling.NEAREST)
            found[row, :height, :width] = np.asarray(mask)
        return found

    def scaled(self, values: Any, contents: Any) -> tuple[Any, Any]:
        """Return 8-bit values as the model's inputs, and the mask of pixels that are no padding.

        Args:
            values: a tensor, n x channels x height x width, of 8-bit values, which may be floats.
            contents: (n, 2) height, width.

        Returns:
            A float32 tensor in which padding is 0, and an int64 tensor, n x height x width, with 1
            where the image is.
        """
        import torch

        device, shape = values.device, (1, -1, 1, 1)
        slope, offset = (torch.tensor(v, device=device) for v in (self.slope, self.offset))
        found = torch.addcmul(offset.view(shape), values.float(), slope.view(shape))
        mask = self.pixel_mask(contents, device)
        return (found * mask[:, None].float() if self.keep_ratio else found), mask

    def pixel_mask(self, contents: Any, device: Any = "cpu") -> Any:
        """Return an int64 tensor, n x height x width, with 1 where the image is, 0 in padding."""
        import torch

        sizes = torch.as_tensor(contents, device=device)[:, :, None]
        down = torch.arange(self.height, device=device) < sizes[:, 0]
        across = torch.arange(self.width, device=device) < sizes[:, 1]
        return (down[:, :, None] & across[:, None, :]).long()

    def frames(self, contents: Any, originals: Any) -> Array:
        """Return (n, 2) height and width of whole canvases in pixels of the original images.

        Models' boxes are shares of the padded canvas (`_update_annotation_for_padded_image` in
        transformers), so these, and not the originals' sizes, are the `target_sizes` with which
        `post_process_object_detection` gives boxes in the original's pixels.
        """
        ratio = np.asarray(originals, float) / np.asarray(contents, float)
        found: Array = ratio * np.array(self.canvas, float)
        return found

    def boxes_on(self, boxes: Any, original: tuple[int, int]) -> Array:
        """Return boxes as the model's labels have them: center, width and height, 0 to 1.

        Args:
            boxes: (n, 4) left, top, right and bottom in pixels of the upright original.
            original: its height and width.
        """
        frame = self.frames([self.content_of(original)], [original])[0]
        edges = np.asarray(boxes, float).reshape(-1, 4) / np.tile(frame[::-1], 2)
        return np.hstack([(edges[:, :2] + edges[:, 2:]) / 2, edges[:, 2:] - edges[:, :2]])

    def boxes_off(self, boxes: Any, original: tuple[int, int]) -> Array:
        """Return boxes from the model (center, width, height) in the original's pixels, within it.

        Returns:
            (n, 4) left, top, right and bottom.
        """
        frame = self.frames([self.content_of(original)], [original])[0]
        given = np.asarray(boxes, float).reshape(-1, 4)
        edges = np.hstack([given[:, :2] - given[:, 2:] / 2, given[:, :2] + given[:, 2:] / 2])
        found: Array = np.clip(edges * np.tile(frame[::-1], 2), 0, np.tile(original[::-1], 2))
        return found

    def fault_of(self, processor: Any) -> str | None:
        """Return what a processor does otherwise with some images; None where it agrees."""
        import torch
        from PIL import Image

        rng = np.random.default_rng(0)
        shape = () if self.mode == "L" else (3,)
        images = [Image.fromarray(rng.integers(0, 256, (*p, *shape), np.uint8)) for p in PROBES]
        for image in images:
            try:
                theirs = processor(image, return_tensors="np")
            except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
                return f"refuses an image: {error}"
            values, content, _ = self.on_canvas(image)
            tensor = torch.from_numpy(values.copy()).permute(2, 0, 1)[None]
            ours, mask = self.scaled(tensor, [content])
            if theirs["pixel_values"].shape != ours.shape:
                return "gives images of different sizes"
            off = np.abs(theirs["pixel_values"] - ours.numpy()).max()
            if off > max(self.slope) or (
                "pixel_mask" in theirs and (theirs["pixel_mask"] != mask.numpy()).any()
            ):
                return "does more than resize, pad and scale"
        return None


def default_size(
    sizes: Sequence[tuple[int, int]], longest: int = LONGEST, step: int = STEP
) -> tuple[int, int]:
    """Return (height, width) for images: the medians of their sides, rounded to multiples of step.

    Args:
        sizes: (height, width) of upright training images; one at least.
        longest: neither side is longer; LONGEST_ON_CPU suits training without an accelerator.
    """
    middle = np.median(np.asarray(sizes, float), axis=0)
    middle *= min(1.0, longest / middle.max())
    height, width = (max(step, round(float(side) / step) * step) for side in middle)
    most = max(step, longest // step * step)
    return min(height, most), min(width, most)
