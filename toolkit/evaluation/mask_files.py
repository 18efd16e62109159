"""Masks, a class for each pixel, as single-channel PNG files and as arrays of class numbers.

The largest value that the pixels' type holds (255 in 8 bits, 65535 in 16) says that a pixel is
ignored: up to 255 classes fit into 8 bits.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.errors import UserError
from toolkit.plugin_types import PredictionFile, open_file
from toolkit.utils.packages import extra
from toolkit.utils.pictures import FORMATS, room_for

Classes = npt.NDArray[Any]
MOST_IN_8_BITS = 255
CHANNELS = ("L", "P", "1", "I;16", "I;16B", "I")  # modes in which a value is a class number


def require_pillow() -> None:
    """Raise UserError where Pillow is not installed."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise UserError(f"masks need Pillow: {extra('vision')}") from None


def ignored_value(classes: Classes) -> int:
    """Return the value of ignored pixels in an array of class numbers."""
    return 255 if classes.dtype == np.uint8 else 65535


def dtype_for(classes: int) -> Any:
    """Return the type of pixels for so many classes, and one value for ignored pixels."""
    return np.uint8 if classes <= MOST_IN_8_BITS else np.uint16


def encode(classes: Classes) -> PredictionFile:
    """Return class numbers of shape (height, width), uint8 or uint16, as a PNG.

    Raises:
        ValueError: another shape or type.
    """
    from PIL import Image

    if classes.ndim != 2 or classes.dtype not in (np.uint8, np.uint16):
        what = f"{classes.dtype} of shape {classes.shape}"
        raise ValueError(f"a mask is uint8 or uint16 of shape (height, width), not {what}")
    file = io.BytesIO()
    # Level 1: masks are flat, so that more takes time and saves little.
    Image.fromarray(np.ascontiguousarray(classes)).save(file, "PNG", compress_level=1)
    return PredictionFile(".png", file.getvalue())


def decode(value: Any) -> Classes:
    """Return a mask as class numbers: uint8 or uint16 of shape (height, width).

    Of a palette image these are the places in the palette, whatever its colours.

    Args:
        value: a `PredictionFile`, a cell of a file column, bytes, a path, or an array; or a mapping
            with one of them under "mask".

    Raises:
        UserError: it is no image, or one of several channels.
    """
    value = mask_in(value)
    if isinstance(value, np.ndarray):
        return value if value.dtype == np.uint8 else value.astype(np.uint16)
    require_pillow()
    from PIL import Image

    try:
        with Image.open(open_file(value), formats=FORMATS) as image, room_for(image):
            if image.mode not in CHANNELS:
                what = f"an image of mode {image.mode}, which has {len(image.getbands())} channels"
                raise UserError(f"a mask is {what}: one of class numbers is expected")
            found = np.asarray(image)
    except UserError:
        raise
    except Exception as error:  # decoders raise whatever their formats raise
        raise UserError(f"a mask cannot be read: {type(error).__name__}: {error}") from error
    return found.astype(np.uint8 if image.mode in ("L", "P", "1") else np.uint16)


def mask_in(value: Any) -> Any:
    """Return the mask of a prediction or a reference; what is none of them is the mask itself."""
    return value["mask"] if isinstance(value, Mapping) and "mask" in value else value
