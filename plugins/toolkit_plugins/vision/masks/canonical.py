"""The one form of masks that all else works on: 8-bit PNGs of class numbers, 255 is ignored.

A PNG made here has a text chunk that names its classes, so that rows which have this form already
are known, and come back as they are.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import datasets

IGNORED = 255
MOST_CLASSES = 255  # numbers 0 to 254
KEY = "toolkit-classes"
_START, _HEAD = b"tEXt" + KEY.encode() + b"\0", 1 << 16  # bytes that the chunk lies within

Array = np.ndarray[Any, Any]


def encoded(values: Array, names: Sequence[str]) -> bytes:
    """Return the PNG of class numbers, uint8 of shape (height, width)."""
    from PIL import Image, PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_text(KEY, json.dumps(list(names)))  # in ASCII, as such chunks are
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(values, np.uint8)).save(
        file, "png", pnginfo=info, compress_level=3
    )
    return file.getvalue()


def classes_of(cell: Any) -> list[str] | None:
    """Return the classes that a mask made here names; None for any other cell."""
    content = cell.get("bytes") if isinstance(cell, Mapping) else cell
    if not isinstance(content, bytes) or not content.startswith(b"\x89PNG"):
        return None
    start = content.find(_START, 0, _HEAD)
    if start < 4:
        return None
    size = int.from_bytes(content[start - 4 : start], "big")
    text = content[start + len(_START) : start + 4 + size]
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return [str(name) for name in found] if isinstance(found, list) and found else None


def feature() -> dict[str, datasets.Value]:
    """Return the type of a column of masks: files in memory, with the path that they came from."""
    import datasets

    return {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
