"""Sizes and pixels of image files, as far as baselines need them: never an error."""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.plugin_types.values import open_file
from toolkit.utils.pictures import FORMATS, room_for

LONGEST = 512  # pixels of the longer side, to which larger images are reduced
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
ORIENTATION = 0x0112


def size_of(cell: Any) -> tuple[int, int] | None:
    """Return (width, height) of the upright image by its header; None if it cannot be read."""
    from PIL import Image

    try:
        with Image.open(open_file(cell), formats=FORMATS) as image:
            width, height = image.size
            turned = image.getexif().get(ORIENTATION) in SIDEWAYS
    except Exception:  # decoders raise whatever their formats raise
        return None
    return (height, width) if turned else (width, height)


def pixels_of(cell: Any) -> tuple[Any, tuple[int, int]] | None:
    """Return an upright image's colours, and its (width, height); None if it cannot be read.

    Colours are of shape (height, width, 3), bytes, of the image reduced to `LONGEST`.
    """
    from PIL import Image, ImageOps

    try:
        with (
            Image.open(open_file(cell), formats=FORMATS) as image,
            room_for(image, (LONGEST, LONGEST)),
        ):
            size = size_of(cell) or image.size
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I") or upright.mode == "F":  # more than 8 bits
                values = np.nan_to_num(np.asarray(upright, np.float32))
                low, high = float(values.min()), float(values.max())
                grey = ((values - low) * (255 / max(high - low, 1e-9))).astype(np.uint8)
                upright = Image.fromarray(grey)
            small = upright.convert("RGB")
            small.thumbnail((LONGEST, LONGEST))
            return np.asarray(small), size
    except Exception:  # decoders raise whatever their formats raise
        return None
