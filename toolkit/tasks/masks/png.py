"""Masks as PNG files and arrays: see `toolkit.evaluation.mask_files`; and images beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.evaluation.mask_files import (
    Classes,
    decode,
    dtype_for,
    encode,
    ignored_value,
    require_pillow,
)
from toolkit.plugin_types import open_file
from toolkit.utils.pictures import FORMATS, resized, room_for

__all__ = ["Classes", "colours", "decode", "dtype_for", "encode", "ignored_value", "image_size",
           "nearest", "require_pillow"]  # fmt: skip
ORIENTATION = 0x0112  # the tag of EXIF
SIDEWAYS = (5, 6, 7, 8)  # its values for images that are turned by a quarter


def image_size(cell: Any) -> tuple[int, int]:
    """Return (height, width) of an image as it is seen upright.

    Its header says so; a PNG is read to its end, where it may say that it is turned.
    """
    from PIL import Image

    with Image.open(open_file(cell), formats=FORMATS) as image, room_for(image):
        try:
            turned = image.getexif().get(ORIENTATION) in SIDEWAYS
        except Exception:  # whatever the parsers of EXIF raise: it is taken as it lies
            turned = False
        return (image.width, image.height) if turned else (image.height, image.width)


def colours(cell: Any, most: int) -> npt.NDArray[np.uint8]:
    """Return an image upright, in RGB, with `most` pixels a side at most: (height, width, 3).

    Values of more than 8 bits are scaled to the range of the image.
    """
    from PIL import Image, ImageOps

    with Image.open(open_file(cell), formats=FORMATS) as image, room_for(image, (most, most)):
        if image.mode[0] in "IF":
            values = np.asarray(image, np.float32)
            least, span = values.min(), max(float(np.ptp(values)), 1e-9)
            grey = Image.fromarray(((values - least) * (255 / span)).astype(np.uint8))
            grey.getexif().update(image.getexif())
            upright = ImageOps.exif_transpose(grey).convert("RGB")
        else:
            upright = ImageOps.exif_transpose(image).convert("RGB")
        scale = min(1.0, most / max(upright.size))
        size = max(1, round(upright.width * scale)), max(1, round(upright.height * scale))
        return np.asarray(resized(upright, size, None) if scale < 1 else upright)


def nearest(classes: Classes, size: tuple[int, int]) -> Classes:
    """Return class numbers at another (height, width): each pixel has the nearest one's class."""
    if classes.shape == size:
        return classes
    places = [((np.arange(new) + 0.5) * (old / new)).astype(np.intp).clip(max=old - 1)
              for new, old in zip(size, classes.shape, strict=True)]  # fmt: skip
    return classes[np.ix_(*places)]
