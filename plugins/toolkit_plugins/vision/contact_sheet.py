"""Contact sheets: many small images with captions in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.utils.text import printable_line

COLUMNS, ROWS, SIDE, LINE = 8, 6, 96, 13


def sheet(images: Sequence[Any], captions: Sequence[str]) -> Any:
    """Return images (uint8 arrays, height x width x channels) side by side, with captions."""
    from PIL import Image, ImageDraw

    rows = -(-len(images) // COLUMNS)
    found = Image.new("RGB", (COLUMNS * (SIDE + 4) + 4, rows * (SIDE + LINE + 6) + 4), "white")
    pen = ImageDraw.Draw(found)
    for place, (values, caption) in enumerate(zip(images, captions, strict=True)):
        plain = values[:, :, 0] if values.shape[2] == 1 else values
        image = Image.fromarray(plain).convert("RGB")
        scale = SIDE / max(image.size)
        size = [max(1, round(side * scale)) for side in image.size]
        # Small images are shown in their pixels.
        way = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BILINEAR
        x = 4 + place % COLUMNS * (SIDE + 4)
        y = 4 + place // COLUMNS * (SIDE + LINE + 6)
        found.paste(image.resize(size, way), (x, y))
        pen.text((x, y + SIDE + 1), _short(caption), fill="black")
    return found


def _short(text: str) -> str:
    text = printable_line(text)  # a class may be called anything, and line ends would draw on
    return text if len(text) <= 16 else text[:15] + "…"


def as_pixels(images: Any) -> list[Any]:
    """Return a float tensor of images from 0 to 1 as uint8 arrays, height x width x channels."""
    values = (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [np.ascontiguousarray(item) for item in values]
