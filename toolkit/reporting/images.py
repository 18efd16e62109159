"""Images as small data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.reporting.formatting import cut
from toolkit.utils.pictures import FORMATS, room_for

SIDE = 160  # pixels of a cell's image
LONGEST = 600  # characters of a name


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


def as_jpeg(image: Any, quality: int = 80) -> str:
    """Return a Pillow image as a data URI."""
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
