"""Rows of images that are made in code: encoded as PNG, in the columns that scenarios read."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit_plugins.vision.annotations import build

if TYPE_CHECKING:
    import datasets

Array = np.ndarray[Any, Any]


def png(pixels: Array, compress_level: int = -1) -> bytes:
    """Return the PNG of pixels, uint8 of shape (height, width) or (height, width, 3).

    Args:
        compress_level: of zlib, from 0 to 9; -1 is its default. Noise hardly compresses.
    """
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png", compress_level=compress_level)
    return file.getvalue()


def rows(made: Iterable[tuple[bytes, Any]], column: str, feature: Any) -> datasets.Dataset:
    """Return rows of `image` and of a second column, whose values have that feature."""
    import datasets

    pairs = list(made)
    return datasets.Dataset.from_dict(
        {"image": [file(content) for content, _ in pairs], column: [value for _, value in pairs]},
        features=datasets.Features({"image": datasets.Image(), column: feature}),
    )


def rows_of_objects(made: Iterable[tuple[bytes, list[dict[str, Any]]]]) -> datasets.Dataset:
    """Return rows of `image` and `objects`: box, label, crowd and area of each."""
    return rows(made, "objects", build.features(shapes=False))


def file(content: bytes) -> dict[str, Any]:
    """Return the value of an image's or a mask's column: a file in memory."""
    return {"bytes": content, "path": None}


def require(images: int, size: int, least: int) -> None:
    """Refuse to make no images, or images of too few pixels a side.

    Raises:
        ValueError: it is so.
    """
    if images < 1 or size < least:
        raise ValueError(f"images is at least 1, and size at least {least}")
