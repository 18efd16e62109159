"""Ids of the segments of an image as PNG files: COCO's form of panoptic segmentation.

The id of a pixel is R + 256 G + 256^2 B; 0 is no segment.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from toolkit.errors import UserError
from toolkit.evaluation.mask_files import mask_in
from toolkit.plugin_types import PredictionFile, open_file
from toolkit.utils.pictures import FORMATS, room_for

Ids = npt.NDArray[np.int32]
SHIFTS = np.array([0, 8, 16], np.int32)


def encode(ids: Ids) -> PredictionFile:
    """Return ids from 0 to 2^24 - 1, shape (height, width), as an RGB PNG."""
    from PIL import Image

    file = io.BytesIO()
    colours = (ids.astype(np.int32)[:, :, None] >> SHIFTS & 255).astype(np.uint8)
    Image.fromarray(colours).save(file, "PNG", compress_level=1)
    return PredictionFile(".png", file.getvalue())


def decode(value: Any) -> Ids:
    """Return the ids of a PNG as `encode` makes it.

    Args:
        value: a `PredictionFile`, a cell of a file column, bytes, a path; or a mapping with one of
            them under "mask".

    Raises:
        UserError: it is no image, or has no three channels.
    """
    from PIL import Image

    try:
        file = open_file(mask_in(value))
        with Image.open(file, formats=FORMATS) as image, room_for(image):
            mode, found = image.mode, np.asarray(image)
    except Exception as error:  # decoders raise whatever their formats raise
        what = f"{type(error).__name__}: {error}"
        raise UserError(f"a mask of segments cannot be read: {what}") from error
    if mode not in ("RGB", "RGBA"):
        raise UserError(f"a mask of segments is an image of mode {mode}: RGB is expected")
    ids: Ids = (found[:, :, :3].astype(np.int32) << SHIFTS).sum(2, dtype=np.int32)
    return ids
