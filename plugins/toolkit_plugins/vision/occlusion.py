"""An image without each of its patches: Zeiler & Fergus 2014, "Visualizing and Understanding"."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.plugin_types import Occlusion, RowPart
from toolkit.utils.pictures import SMALL, resized
from toolkit_plugins.vision.canvas import Canvas
from toolkit_plugins.vision.images import use

if TYPE_CHECKING:
    from toolkit_plugins.vision.image_processing import View

GRID = 7  # patches a side


def occlusions(
    column: str, value: Any, view: View | Canvas, full: bool = False
) -> Iterator[Occlusion]:
    """Yield an image as large as the model needs it, then it without each patch of a grid.

    A patch takes the median colour of the image.

    Args:
        full: whether the model sees the image in tiles, hence at its own size.
    """
    if value is None:
        return

    def small(image: Any) -> tuple[Any, tuple[int, int]]:
        size, resample = image.size if full else _size(image.size, view), _resample(view)
        return np.array(image if size == image.size else resized(image, size, resample)), image.size

    pixels, (width, height) = use(value, view.mode, None, small, view.levels)
    yield Occlusion(None, {column: _file(pixels)})
    usual = np.median(pixels, axis=(0, 1)).astype(np.uint8)
    y, x = pixels.shape[0] / height, pixels.shape[1] / width
    for top, bottom in pairwise(_edges(height)):
        for left, right in pairwise(_edges(width)):
            changed = pixels.copy()
            changed[round(top * y) : round(bottom * y), round(left * x) : round(right * x)] = usual
            part = RowPart(column, box=(left, top, right, bottom))
            yield Occlusion(part, {column: _file(changed)})


def _edges(side: int) -> list[int]:
    """Return where patches begin and end; an image of few pixels has patches of one."""
    return sorted({round(side * place / GRID) for place in range(GRID + 1)})


def _resample(view: View | Canvas) -> Any:
    found = view if isinstance(view, Canvas) else view.processor
    return getattr(found, "resample", None)


def _size(size: tuple[int, int], view: View | Canvas) -> tuple[int, int]:
    """Return the (width, height) that the view makes of an image before it cuts out the middle."""
    if isinstance(view, Canvas):
        height, width = view.content_of((size[1], size[0]))
        return width, height
    height, width = view.canvas
    short = min(size)
    if not view.own and not view.shortest:
        return width, height
    edge = min(short, 2 * max(height, width)) if view.own else height
    found = [edge if side == short else int(side * edge / short) for side in size]
    # Of a long, narrow one the view makes only the middle.
    return size if found[0] * found[1] > SMALL else (found[0], found[1])


def _file(pixels: Any) -> dict[str, Any]:
    """Return pixels as a file that costs little to write and to read."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "BMP")
    return {"bytes": file.getvalue(), "path": None}
