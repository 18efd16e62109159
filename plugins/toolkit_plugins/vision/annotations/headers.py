"""Sizes of images from their headers: nothing is decoded."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.plugin_types import open_file
from toolkit.utils.pictures import FORMATS
from toolkit_plugins.vision.images import in_threads, require_pillow

if TYPE_CHECKING:
    from toolkit_plugins.vision.annotations.forms import Item

Point = tuple[float, float]
ORIENTATION = 0x0112  # the tag of EXIF


@dataclass(frozen=True)
class Header:
    """Width and height as stored, and how EXIF says that the image is to be turned (1 to 8)."""

    stored: tuple[int, int]
    orientation: int = 1

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height of the image as it is seen."""
        width, height = self.stored
        return (height, width) if self.orientation >= 5 else (width, height)

    def turned(self, point: Point) -> Point:
        """Return a point of the stored image in the upright one (both in pixels, from 0)."""
        (width, height), (x, y) = self.stored, point
        return {
            2: (width - x, y), 3: (width - x, height - y), 4: (x, height - y), 5: (y, x),
            6: (height - y, x), 7: (height - y, width - x), 8: (y, width - x),
        }.get(self.orientation, point)  # fmt: skip


def headers(images: Sequence[Any]) -> list[Header | None]:
    """Return the header of each image (a path or a cell of files); None where it is unreadable."""
    require_pillow()
    return in_threads(_header, images)


def measured(items: Sequence[Item]) -> list[Header | None]:
    """Return the header of each image; each is read once."""
    new = [item for item in items if not item.measured]
    for item, header in zip(new, headers([item.image for item in new]), strict=True):
        item.header, item.measured = header, True
    return [item.header for item in items]


def _header(image: Any) -> Header | None:
    if hasattr(image, "getexif"):
        return _of_image(image)
    path = image.get("path") if isinstance(image, Mapping) and image.get("bytes") is None else image
    try:
        if isinstance(path, str | Path):
            state = os.stat(path)
            return _of_path(str(path), state.st_mtime_ns, state.st_size)
        return None if image is None else _read(open_file(image))
    except (OSError, ValueError, KeyError):
        return None


@lru_cache(maxsize=1 << 17)
def _of_path(path: str, changed: int, size: int) -> Header | None:
    """Read a file's header once: rows are looked at when they are read, and again as a table."""
    return _read(path) if os.path.isfile(path) else None


def _read(file: Any) -> Header | None:
    from PIL import Image

    try:
        with Image.open(file, formats=FORMATS) as image:
            return _of_image(image)
    except Exception:  # Pillow's readers raise whatever their formats raise
        return None


def _of_image(image: Any) -> Header:
    try:
        turned = image.getexif().get(ORIENTATION, 1)
    except Exception:  # whatever the parsers of EXIF raise: the pixels are whole
        turned = 1
    known = isinstance(turned, int) and 1 <= turned <= 8
    return Header(image.size, turned if known else 1)
