"""Image files in any format as upright 8-bit pixels, and what is wrong with unreadable ones."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from toolkit.errors import DataError, UserError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
MOST_PIXELS = 89_478_485  # Pillow's own limit, a quarter of a gigabyte in colours
CLEAR = ("RGBA", "LA", "PA", "La", "RGBa")  # modes with transparency
LIKE = 16  # pixels a side of the grey image by which duplicates are found
LIKENESS = 8  # grey values that count as one there
Levels = tuple[float, float]  # the values that are black and white

T = TypeVar("T")
U = TypeVar("U")


class UnreadableError(Exception):
    """A file that is no image, or is truncated; the text gives the reason."""


def require_pillow() -> None:
    """Raise UserError where Pillow is not installed."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise UserError("image files need Pillow: pip install 'toolkit[vision]'") from None


def example_image() -> bytes:
    """Return the png file of a disc, 24 pixels a side."""
    from PIL import Image, ImageDraw

    image, file = Image.new("L", (24, 24)), io.BytesIO()
    ImageDraw.Draw(image).ellipse((4, 4, 19, 19), fill=255)
    image.save(file, "png")
    return file.getvalue()


def name_of(value: Any, otherwise: str) -> str:
    """Return the path of an image where it has one."""
    path = value.get("path") if isinstance(value, Mapping) else value
    return path if isinstance(path, str) and path else otherwise


def decode(
    value: Any, mode: str, about: tuple[int, int] | None = None, levels: Levels | None = None
) -> Image:
    """Return a Pillow image, upright and without transparency, in mode "RGB" or "L".

    Of an image of more than 8 bits, `info["deep"]` has its least and largest value, and whether
    they are floating-point numbers.

    Args:
        value: a path, bytes, a Pillow image, or a mapping with one of the first two.
        about: (width, height) that is wanted: a larger jpeg is decoded to the nearest eighth of its
            size that is at least double that, which is several times faster.
        levels: values that are black and white in images of more than 8 bits; by default those of
            each image.

    Raises:
        UnreadableError: it is no image, truncated, or larger than MOST_PIXELS.
    """
    from PIL import Image

    if isinstance(value, Mapping):
        value = value["path"] if value.get("bytes") is None else value["bytes"]
    given = value
    if isinstance(value, bytes) and not value:
        raise UnreadableError("the file is empty")
    if not isinstance(value, str | Path | bytes | Image.Image):
        raise UnreadableError(
            f"a path, bytes or a Pillow image is expected, not {type(value).__name__}"
        )
    try:
        with ExitStack() as opened:  # a decoder that fails would leave the file open
            if not isinstance(value, Image.Image):
                value = Image.open(opened.enter_context(_stream(value)))
            if value.width * value.height > MOST_PIXELS:
                raise UnreadableError(f"{value.width} x {value.height} pixels are too many")
            if about is not None and value.format == "JPEG":
                value.draft(None, (2 * about[0], 2 * about[1]))
            value.load()
            return _plain(_upright(value), mode, levels)
    except UnreadableError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever their formats raise
        raise UnreadableError(_in_words(error, given)) from error


def _stream(value: str | Path | bytes) -> Any:
    if isinstance(value, bytes):
        return io.BytesIO(value)
    if not stat.S_ISREG(os.stat(value).st_mode):  # to open a pipe would wait for ever
        raise UnreadableError("it is no plain file")
    return Path(value).open("rb")


def _in_words(error: Exception, value: Any) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(value, str | Path) and os.path.exists(value) and not os.path.getsize(value):
        return "the file is empty"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, UnidentifiedImageError):
        return "not a readable image"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _upright(image: Image) -> Image:
    """Return an image turned as its EXIF says; one whose EXIF cannot be read as it is."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # whatever the parsers of EXIF raise: the pixels are whole
        return image


def _plain(image: Image, mode: str, levels: Levels | None) -> Image:
    """Return 8-bit colours or greys: more bits are scaled, what is transparent lies on white."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        values = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
        deep = float(values.min()), float(values.max()), image.mode == "F"
        low, high = levels or usual_levels(*deep)
        scaled = (values - low) * (255 / (high - low))
        image = Image.fromarray(np.clip(scaled, 0, 255).round().astype(np.uint8))
        image.info["deep"] = deep
    elif image.mode in CLEAR or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)


def usual_levels(least: float, largest: float, real: bool) -> Levels:
    """Return the values that are black and white where images hold values in this range.

    Whole numbers have 8, 10, 12, 14, 16 or 32 bits, and floating-point ones go to 1 or 255; the
    range itself is taken where numbers are below 0, or floating-point and larger.

    Args:
        real: whether they are floating-point numbers.
    """
    if least < 0 or (real and largest > 255):
        return least, max(largest, least + 1)
    if real:
        return 0.0, 1.0 if largest <= 1 else 255.0
    return 0.0, float(2 ** next(bits for bits in (8, 10, 12, 14, 16, 32) if largest < 2**bits) - 1)


@dataclass(frozen=True)
class Look:
    """Why an image cannot be read, or a fingerprint (equal for duplicates) and its size.

    deep: of more than 8 bits: its least and largest value, and whether they are floating-point.
    """

    fault: str | None
    likeness: str = ""
    width: int = 0
    height: int = 0
    deep: tuple[float, float, bool] | None = None


def look_at(value: Any) -> Look:
    """Decode an image at a small size, to see whether it is whole; never raises."""
    import xxhash
    from PIL import Image

    if value is None:
        return Look(None)
    try:
        image = decode(value, "L", (2 * LIKE, 2 * LIKE))
    except UnreadableError as error:
        return Look(str(error))
    small = np.asarray(image.resize((LIKE, LIKE), Image.Resampling.BOX))
    return Look(None, xxhash.xxh3_64_hexdigest((small // LIKENESS).tobytes()), *image.size,
                image.info.get("deep"))  # fmt: skip


def in_threads(function: Callable[[T], U], values: Iterable[T]) -> list[U]:
    """Return the results in order; Pillow decodes and resizes outside of Python's lock."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, values))


def decode_all(
    values: Iterable[Any],
    mode: str,
    about: tuple[int, int] | None = None,
    levels: Levels | None = None,
) -> list[Image]:
    """Decode images; the arguments are those of `decode`.

    Raises:
        DataError: one cannot be read; all of them are named.
    """
    from toolkit.errors import Fault

    def one(numbered: tuple[int, Any]) -> Any:
        try:
            return decode(numbered[1], mode, about, levels)
        except UnreadableError as error:
            return Fault(name_of(numbered[1], f"image {numbered[0] + 1}"), str(error))

    found = in_threads(one, list(enumerate(values)))
    faults = [item for item in found if isinstance(item, Fault)]
    if faults:
        raise DataError(faults[:20])
    return found
