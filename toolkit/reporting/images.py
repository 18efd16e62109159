"""Images as small data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from toolkit.plugin_types import open_file
from toolkit.reporting.formatting import cut
from toolkit.utils.pictures import FORMATS, resized, room_for

SIDE = 160  # pixels of a cell's image
LONGEST = 600  # characters of a name
FOR, AGAINST, SIGN, EDGE = (240, 138, 75), (86, 180, 233), (255, 255, 255), (0, 0, 0)
FAINT, STRONG = 0.15, 0.5  # of the largest weight: from where a patch is shaded, and has a sign


def small_image(value: Any) -> Any:
    """Return a small image as a data URI, or the name of a file that is none."""
    from PIL import Image, ImageOps

    name = value.get("path") if isinstance(value, Mapping) else None
    given = value.get("bytes") if isinstance(value, Mapping) else value
    try:
        file = io.BytesIO(given) if isinstance(given, bytes) else str(name)
        with Image.open(file, formats=FORMATS) as image, room_for(image, (SIDE, SIDE)):
            ImageOps.exif_transpose(image, in_place=True)
            small = image.convert("RGB")
            small.thumbnail((SIDE, SIDE))
    except Exception:  # decoders raise whatever their formats raise, and the name is all there is
        return cut(Path(name).name if name else "(a file)", LONGEST)
    return {"picture": as_jpeg(small), "name": Path(name).name[:100] if name else ""}


def heat_map(value: Any, patches: Sequence[tuple[tuple[int, int, int, int], float]]) -> str:
    """Return an image as a data URI, its patches shaded by their weights.

    Orange and "+" for those above 0, blue and "-" below: the more, the larger in size.

    Args:
        value: a cell of an image. patches: (left, top, right, bottom) in its pixels, and a weight.
    """
    from PIL import Image, ImageDraw, ImageOps

    image = value if isinstance(value, Image.Image) else Image.open(
        open_file(value), formats=FORMATS
    )  # fmt: skip
    with room_for(image):
        upright = ImageOps.exif_transpose(image).convert("RGB")
        scale = SIDE / max(upright.size)
        size = max(1, round(upright.width * scale)), max(1, round(upright.height * scale))
        small = resized(upright, size, Image.Resampling.NEAREST if scale > 1 else None)
    largest = max((abs(weight) for _, weight in patches), default=0.0) or 1.0
    pen = ImageDraw.Draw(small, "RGBA")
    for box, weight in patches:
        part, corners = abs(weight) / largest, [round(at * scale) for at in box]
        colour = FOR if weight > 0 else AGAINST
        left, top, right, bottom = corners[0], corners[1], corners[2] - 1, corners[3] - 1
        if part >= FAINT and right > left and bottom > top:
            pen.rectangle((left, top, right, bottom), fill=(*colour, round(170 * part)))
        if part >= STRONG:
            x, y, arm = (left + right) // 2, (top + bottom) // 2, max(3, (right - left) // 5)
            strokes = [(x - arm, y, x + arm, y), (x, y - arm, x, y + arm)][: 1 + (weight > 0)]
            for colour, width in ((SIGN, 2), (EDGE, 6))[::-1]:
                for stroke in strokes:
                    pen.line(stroke, fill=colour, width=width)
    return as_jpeg(small)


def as_jpeg(image: Any, quality: int = 80) -> str:
    """Return a Pillow image as a data URI."""
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
