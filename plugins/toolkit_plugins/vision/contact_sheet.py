"""Contact sheets: many small images with captions in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.utils.text import printable_line

COLUMNS, ROWS, SIDE, LINE = 8, 6, 96, 13
WIDE = 4  # columns of a sheet of annotated images
LETTER = 6  # pixels that a letter of a caption takes, about
LEGEND = 20  # classes that a legend names


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


def annotated_sheet(
    cells: Sequence[Any],
    captions: Sequence[str],
    colours: Mapping[str, tuple[int, int, int]],
    note: str = "",
    columns: int = WIDE,
) -> Any:
    """Return images of `annotated` side by side, with captions and a legend of the classes.

    Args:
        cells: Pillow images, of which the largest gives the room for each.
        colours: of the classes that the legend names; many are cut.
        note: a line below, such as what thick and thin boxes are.
    """
    from PIL import Image, ImageDraw

    columns = max(1, min(columns, len(cells)))
    width = max((cell.width for cell in cells), default=SIDE) + 4
    height = max((cell.height for cell in cells), default=0) + LINE + 6
    rows = -(-len(cells) // columns)
    entries = _legend(colours, columns * width)
    lines = 1 + max((line for line, *_ in entries), default=-1) + bool(note)
    size = (columns * width + 4, rows * height + lines * (LINE + 3) + 4)
    found = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(found)
    for place, (cell, caption) in enumerate(zip(cells, captions, strict=True)):
        x, y = 4 + place % columns * width, 4 + place // columns * height
        found.paste(cell, (x, y))
        pen.text((x, y + height - LINE - 5), _short(caption, width // LETTER), fill="black")
    for line, x, text, colour in entries:
        y = rows * height + line * (LINE + 3) + 4
        if colour is not None:
            pen.rectangle((x, y + 2, x + 9, y + 11), fill=colour, outline="black")
        pen.text((x + 13, y), text, fill="black")
    if note:
        text = _short(note, columns * width // LETTER)
        pen.text((4, rows * height + (lines - 1) * (LINE + 3) + 4), text, fill="black")
    return found


def _legend(
    colours: Mapping[str, tuple[int, int, int]], width: int
) -> list[tuple[int, int, str, tuple[int, int, int] | None]]:
    """Return the line and x of each class of a legend, its text and color."""
    texts = [(_short(name, 24), colour) for name, colour in list(colours.items())[:LEGEND]]
    more = len(colours) - len(texts)
    entries = [*texts, *([(f"and {more:,} more", None)] if more else [])]
    found, line, x = [], 0, 4
    for text, colour in entries:
        needed = 13 + LETTER * len(text) + 12
        if x > 4 and x + needed > width:
            line, x = line + 1, 4
        found.append((line, x, text, colour))
        x += needed
    return found


def _short(text: str, most: int = 16) -> str:
    text = printable_line(text)  # a class may be called anything, and line ends would draw on
    return text if len(text) <= most else text[: most - 1] + "…"


def as_pixels(images: Any) -> list[Any]:
    """Return a float tensor of images from 0 to 1 as uint8 arrays, height x width x channels."""
    values = (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [np.ascontiguousarray(item) for item in values]
