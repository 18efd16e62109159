"""Images with their boxes and masks drawn in, a color per class.

Predicted boxes are thick and actual ones thin, with white around them, so that neither a color nor
what lies below decides whether they are seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit_plugins.vision.canvas import IGNORED

if TYPE_CHECKING:
    from PIL.Image import Image

Colour = tuple[int, int, int]
Objects = Iterable[Mapping[str, Any]]  # each with "box" (left, top, right, bottom) and "label"

SIDE = 200  # pixels of the longer side of an image that is drawn
GAP = 4  # pixels between images beside each other
THICK, THIN = 3, 1
STRENGTH = 0.55  # of a mask over its image
NOT_KNOWN: Colour = (40, 40, 40)  # of ignored pixels, and of classes without a color
SHADES = ((0.0, 0), (0.45, 255), (0.4, 0))  # how far a color is moved, and to which grey


def class_colours(names: Sequence[str]) -> dict[str, Colour]:
    """Return a color per class: those of the charts, then lighter and darker ones, then again."""
    from toolkit.reporting.charts import COLOURS

    every = [
        _mixed(bytes.fromhex(text[1:]), share, grey) for share, grey in SHADES for text in COLOURS
    ]
    return {name: every[n % len(every)] for n, name in enumerate(names)}


def _mixed(colour: bytes, share: float, grey: int) -> Colour:
    red, green, blue = (round(value * (1 - share) + grey * share) for value in colour)
    return red, green, blue


def annotated(
    image: Any,
    colours: Mapping[str, Colour],
    predicted: Objects = (),
    actual: Objects = (),
    mask: Any = None,
    hidden: Sequence[str] = (),
    side: int = SIDE,
) -> Image:
    """Return an image with boxes and a mask drawn in, resized so that its longer side is `side`.

    Args:
        image: uint8 (height, width, channels), or a Pillow image.
        colours: of the classes, in the order of their numbers in masks; `class_colours` makes them.
        predicted, actual: boxes in pixels of the image.
        mask: class numbers (height, width), 255 where nothing is known.
        hidden: classes of a mask that are not painted, such as the background.
    """
    from PIL import ImageDraw

    found, scale = _small(image, side)
    if mask is not None:
        found = _masked(found, np.asarray(mask), colours, hidden)
    pen = ImageDraw.Draw(found)
    for objects, width in ((actual, THIN), (predicted, THICK)):
        for item in objects:
            colour = colours.get(item["label"], NOT_KNOWN)
            _outline(pen, [scale * float(v) for v in item["box"]], colour, width, found.size)
    return found


def close_up(
    image: Any,
    box: Sequence[float],
    colours: Mapping[str, Colour],
    predicted: Objects = (),
    actual: Objects = (),
    context: float = 1.0,
    side: int = SIDE,
) -> Image:
    """Return a box of an image with some of its surroundings, and the boxes that lie there.

    Args:
        context: how much of the box's own size is shown on each side of it.
    """
    height, width = np.asarray(image).shape[:2]
    left, top, right, bottom = (float(v) for v in box)
    x, y = (max(context * size, 8.0) for size in (right - left, bottom - top))
    # At least a pixel within the image, wherever the box is.
    x0, y0 = (int(min(max(v, 0), m - 1)) for v, m in ((left - x, width), (top - y, height)))
    x1 = max(x0 + 1, min(width, round(right + x)))
    y1 = max(y0 + 1, min(height, round(bottom + y)))
    part = np.asarray(image)[y0:y1, x0:x1]
    move = np.array([x0, y0, x0, y0])
    there = [
        [{**item, "box": np.asarray(item["box"], float) - move} for item in objects]
        for objects in (predicted, actual)
    ]
    return annotated(part, colours, there[0], there[1], side=side)


def beside(images: Sequence[Image]) -> Image:
    """Return images side by side, on white."""
    from PIL import Image

    width = sum(image.width for image in images) + GAP * (len(images) - 1)
    found = Image.new("RGB", (width, max(image.height for image in images)), "white")
    x = 0
    for image in images:
        found.paste(image, (x, 0))
        x += image.width + GAP
    return found


def _small(image: Any, side: int) -> tuple[Image, float]:
    """Return a copy in colors with the given longer side, and the factor to it."""
    from PIL import Image

    from toolkit.utils.pictures import resized

    if not isinstance(image, Image.Image):
        values = np.ascontiguousarray(image)
        image = Image.fromarray(values[:, :, 0] if values.shape[2:] == (1,) else values)
    image = image.convert("RGB")
    scale = side / max(image.size)
    size = [max(1, round(edge * scale)) for edge in image.size]
    # Small images are shown in their pixels.
    way = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.BILINEAR
    return resized(image, size, way), scale


def _masked(
    image: Image, mask: np.ndarray[Any, Any], colours: Mapping[str, Colour], hidden: Sequence[str]
) -> Image:
    from PIL import Image

    table = np.zeros((IGNORED + 1, 4), np.uint8)
    table[:, :3], table[:, 3] = NOT_KNOWN, round(255 * STRENGTH)
    for number, (name, colour) in enumerate(list(colours.items())[:IGNORED]):
        table[number, :3] = colour
        if name in hidden:
            table[number, 3] = 0
    small = Image.fromarray(mask.astype(np.uint8)).resize(image.size, Image.Resampling.NEAREST)
    layer = table[np.asarray(small)]
    opacity = Image.fromarray(np.ascontiguousarray(layer[:, :, 3]))
    return Image.composite(Image.fromarray(layer[:, :, :3].copy()), image, opacity)


def _outline(
    pen: Any, box: Sequence[float], colour: Colour, width: int, size: tuple[int, int]
) -> None:
    """Draw a box inwards from its edges, with a white line on both sides."""
    right, bottom = size[0] - 1, size[1] - 1
    x0, x1 = (round(min(max(v, 0), right)) for v in (box[0], box[2] - 1))
    y0, y1 = (round(min(max(v, 0), bottom)) for v in (box[1], box[3] - 1))
    x1, y1 = max(x0, x1), max(y0, y1)
    inner = width + 1
    if width > THIN and min(x1 - x0, y1 - y0) > 2 * inner:
        pen.rectangle((x0, y0, x1, y1), outline="white", width=inner)
    elif width == THIN:
        pen.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline="white")
    pen.rectangle((x0, y0, x1, y1), outline=colour, width=width)
