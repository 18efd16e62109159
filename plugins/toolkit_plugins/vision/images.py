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
from toolkit.utils.packages import extra
from toolkit.utils.pictures import FORMATS, resized, room_for

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
CLEAR = ("RGBA", "LA", "PA", "La", "RGBa")  # modes with transparency
LIKE = 16  # pixels a side of the grey image by which duplicates are found
LIKENESS = 8  # grey values that count as one there
ORIGINAL = "toolkit_original"  # key of `info`
ORIENTATION = 0x0112  # the tag of EXIF
Levels = tuple[float, float]  # the values that are black and white
STRIP = 1 << 20  # pixels whose colours are converted together

T = TypeVar("T")
U = TypeVar("U")


class UnreadableError(Exception):
    """A file that is no image, or is truncated; the text gives the reason."""


def require_pillow() -> None:
    """Raise UserError where Pillow is not installed."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise UserError(f"image files need Pillow: {extra('vision')}") from None


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


def use(
    value: Any,
    mode: str,
    about: tuple[int, int] | None,
    action: Callable[[Image], T],
    levels: Levels | None = None,
) -> T:
    """Return what an action makes of an image: upright, without transparency, in "RGB" or "L".

    Decoding, and the action, are within the process's budget of pixels.

    Of an image of more than 8 bits, `info["deep"]` has its least and largest value, and whether
    they are floating-point numbers. `original_size` returns the size before a JPEG was decoded at
    less.

    Args:
        value: a path, bytes, a Pillow image, or a mapping with one of the first two.
        about: (width, height) that is wanted, as `decoded_pixels` takes it.
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
    with ExitStack() as opened:  # a decoder that fails would leave the file open
        try:
            if not isinstance(value, Image.Image):
                value = Image.open(opened.enter_context(_stream(value)), formats=FORMATS)
            whole = value.size
            opened.enter_context(room_for(value, about))
            smaller, sideways = value.size != whole, _is_sideways(value)
            value.load()
            image = _plain(_upright(value, given is not value), mode, levels)
            if smaller:
                image.info[ORIGINAL] = whole[::-1] if sideways else whole
        except UnreadableError:
            raise
        except Exception as error:  # Pillow's decoders raise whatever their formats raise
            raise UnreadableError(_in_words(error, given)) from error
        return action(image)


def original_size(image: Image) -> tuple[int, int]:
    """Return (height, width) of the upright image in the file, given what `use` passes on."""
    width, height = image.info.get(ORIGINAL, image.size)
    return height, width


def _is_sideways(image: Image) -> bool:
    """Return whether a JPEG's EXIF swaps its sides; of others, sizes are known once upright."""
    try:
        return image.format == "JPEG" and image.getexif().get(ORIENTATION) in (5, 6, 7, 8)
    except Exception:  # whatever the parsers of EXIF raise: `_upright` does not turn it then
        return False


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


def _upright(image: Image, ours: bool) -> Image:
    """Return an image turned as its EXIF says; one whose EXIF cannot be read as it is.

    Args:
        ours: whether it may be changed, which saves a copy.
    """
    from PIL import ImageOps

    try:
        if not ours:
            return ImageOps.exif_transpose(image)
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # whatever the parsers of EXIF raise: the pixels are whole
        return image
    return image


def _plain(image: Image, mode: str, levels: Levels | None) -> Image:
    """Return 8-bit colours or greys: more bits are scaled, what is transparent lies on white."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float32)
        values = values[np.isfinite(values)]
        deep = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
        real = image.mode == "F"
        low, high = levels or usual_levels(*deep, real)
        found = _in_strips(image, mode, lambda strip: _scaled(strip, low, 255 / (high - low)))
        found.info["deep"] = (*deep, real)
        return found
    if image.mode in CLEAR or "transparency" in image.info:
        return _in_strips(image, mode, _on_white)
    return image if image.mode == mode else image.convert(mode)


def _in_strips(image: Image, mode: str, change: Callable[[Image], Image]) -> Image:
    """Change an image a strip at a time, as what stands between takes several times its memory."""
    from PIL import Image

    found, lines = Image.new(mode, image.size), max(1, STRIP // image.width)
    for top in range(0, image.height, lines):
        strip = image.crop((0, top, image.width, min(top + lines, image.height)))
        strip = change(strip)
        found.paste(strip if strip.mode == mode else strip.convert(mode), (0, top))
    return found


def _scaled(image: Image, low: float, scale: float) -> Image:
    from PIL import Image

    values = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
    return Image.fromarray(np.clip((values - low) * scale, 0, 255).round().astype(np.uint8))


def _on_white(image: Image) -> Image:
    from PIL import Image

    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


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

    thumbnail: LIKE x LIKE grey values. deep: of more than 8 bits: its least and largest value, and
    whether they are floating-point.
    """

    fault: str | None
    likeness: str = ""
    thumbnail: bytes = bytes(LIKE * LIKE)
    width: int = 0
    height: int = 0
    deep: tuple[float, float, bool] | None = None


def look_at(value: Any) -> Look:
    """Decode an image at a small size, to see whether it is whole; never raises."""
    import xxhash
    from PIL import Image

    if value is None:
        return Look(None)

    def look(image: Image.Image) -> Look:
        small = np.asarray(resized(image, (LIKE, LIKE), Image.Resampling.BOX))
        like = xxhash.xxh3_64_hexdigest((small // LIKENESS).tobytes())
        return Look(None, like, small.tobytes(), *image.size, image.info.get("deep"))

    try:
        return use(value, "L", (2 * LIKE, 2 * LIKE), look)
    except UnreadableError as error:
        return Look(str(error))


def in_threads(function: Callable[[T], U], values: Iterable[T]) -> list[U]:
    """Return the results in order; Pillow decodes and resizes outside of Python's lock."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, values))


def use_all(
    values: Iterable[Any],
    mode: str,
    about: tuple[int, int] | None,
    action: Callable[[Any], T],
    levels: Levels | None = None,
) -> list[T]:
    """Return what an action makes of each image, as `use` does, in threads.

    Raises:
        DataError: one cannot be read; all of them are named.
    """
    from toolkit.errors import Fault

    def one(numbered: tuple[int, Any]) -> Any:
        try:
            return use(numbered[1], mode, about, action, levels)
        except UnreadableError as error:
            return Fault(name_of(numbered[1], f"image {numbered[0] + 1}"), str(error))

    found = in_threads(one, list(enumerate(values)))
    faults = [item for item in found if isinstance(item, Fault)]
    if faults:
        raise DataError(faults[:20])
    return found
