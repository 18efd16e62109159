"""Mask files of any kind as whole numbers: ids, grey values, indices of a palette, colours."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from toolkit.plugin_types import open_file
from toolkit.utils.pictures import FORMATS, MOST_PIXELS, room_for
from toolkit_plugins.vision.images import UnreadableError

Array = np.ndarray[Any, Any]
Size = tuple[int, int]  # width, height
#: grey: one channel, arrays too. float: whole numbers stored as fractions. equal: three equal
#: channels. palette: indices, black and white files too. colour: 0xrrggbb.
Form = Literal["grey", "float", "equal", "palette", "colour"]
ARRAYS = (".npy", ".npz")
GREY = 0x010101  # times a grey value is its colour
WHITE = 0xFFFFFF
NAMED = ("mask", "label", "labels", "segmentation", "arr_0")  # arrays of an .npz
ORIENTATION = 0x0112  # of EXIF


@dataclass(frozen=True)
class RawMask:
    """A mask as it is stored.

    values: int64 of shape (height, width). palette: index -> colour. lossy: saved as a JPEG.
    real: fractions, which were spread over 0 to 255.
    """

    values: Array
    form: Form
    palette: Mapping[int, int] | None = None
    lossy: bool = False
    real: bool = False

    @property
    def size(self) -> Size:
        """Width and height."""
        return int(self.values.shape[1]), int(self.values.shape[0])

    def numbers(self, by_colour: bool, fractions: bool) -> Array:
        """Return values that can be compared with those of other masks.

        Args:
            by_colour: as colours 0xrrggbb.
            fractions: 0 to 1 is spread over 0 to 255 in other masks, and so here.
        """
        if by_colour:
            return self._colours()
        return self.values * 255 if fractions and self.form == "float" else self.values

    def _colours(self) -> Array:
        if self.form == "palette":
            table = np.zeros(256, np.int64)
            for index, colour in (self.palette or {}).items():
                table[index] = colour
            return np.asarray(table[self.values])
        return self.values if self.form == "colour" else self.values * GREY


def decode(cell: Any) -> RawMask:
    """Return the numbers in a mask file, in the form of a cell of a column of files.

    Raises:
        UnreadableError: it is no image and no array of two dimensions, truncated or too large.
    """
    try:
        file = open_file(cell)
        start = file.read(6)
        file.seek(0)
        if start == b"\x93NUMPY":
            return _of_array(_loaded(file))
        return _of_array(_in_zip(file)) if start[:2] == b"PK" else _of_image(file)
    except UnreadableError:
        raise
    except FileNotFoundError:
        raise UnreadableError("there is no such file") from None
    except Exception as error:  # decoders raise whatever their formats raise
        from PIL import UnidentifiedImageError

        if isinstance(error, UnidentifiedImageError):
            raise UnreadableError("neither a readable image nor an array of numpy") from error
        raise UnreadableError(str(error).partition("\n")[0] or type(error).__name__) from error


def _of_image(file: IO[bytes]) -> RawMask:
    from PIL import Image, ImageOps

    with ExitStack() as opened:
        image: Any = opened.enter_context(Image.open(file, formats=FORMATS))
        opened.enter_context(room_for(image))
        lossy = image.format == "JPEG"
        image.load()
        if image.getexif().get(ORIENTATION, 1) != 1:
            image = ImageOps.exif_transpose(image)
        if image.mode in ("P", "PA"):
            return _of_palette(image)
        if image.mode == "1":  # black and white: 0 and 1, or 0 and 255 beside such greys
            values = np.asarray(image).astype(np.int64)
            return RawMask(values, "palette", {i: i * WHITE for i in np.unique(values).tolist()})
        if image.mode in ("LA", "RGBA", "La", "RGBa"):
            image = _without_alpha(image)
        if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
            image = image.convert("RGB")
        values = np.asarray(image)
    if values.ndim == 3:
        return _of_colours(values, lossy)
    found = _of_array(values)
    return RawMask(found.values, found.form, None, lossy, found.real)


def _of_palette(image: Any) -> RawMask:
    image = image if image.mode == "P" else image.convert("P")
    values = np.asarray(image).astype(np.int64)
    colours = np.asarray(image.getpalette("RGB") or [], np.int64).reshape(-1, 3)
    packed = colours @ np.array([1 << 16, 1 << 8, 1])
    used = np.flatnonzero(np.bincount(values.ravel(), minlength=256))
    return RawMask(values, "palette", {int(i): int(packed[i]) for i in used if i < len(packed)})


def _without_alpha(image: Any) -> Any:
    """Return an image without transparency; that itself, where all else is of one colour."""
    alpha = image.getchannel("A" if image.mode[-1] == "A" else "a")
    plain = image.convert("L" if image.mode.startswith("L") else "RGB")
    flat = all(low == high for low, high in np.reshape(plain.getextrema(), (-1, 2)))
    low, high = alpha.getextrema()
    return alpha if flat and low != high else plain


def _of_colours(values: Array, lossy: bool = False) -> RawMask:
    parts = values[:, :, :3].astype(np.int64)
    if (parts[:, :, 0] == parts[:, :, 1]).all() and (parts[:, :, 1] == parts[:, :, 2]).all():
        return RawMask(parts[:, :, 0], "equal", None, lossy)
    packed = (parts[:, :, 0] << 16) | (parts[:, :, 1] << 8) | parts[:, :, 2]
    return RawMask(packed, "colour", None, lossy)


def _of_array(values: Array) -> RawMask:
    if values.ndim == 3 and values.shape[2] in (3, 4) and values.dtype == np.uint8:
        return _of_colours(values)
    if values.ndim > 2:
        values = values.reshape([side for side in values.shape if side != 1] or [1, 1])
    if values.ndim != 2 or not values.size:
        shape = " x ".join(str(side) for side in values.shape)
        raise UnreadableError(f"an array of {shape}: a mask has height and width (class numbers)")
    if values.dtype.kind in "bui":
        return RawMask(values.astype(np.int64), "grey")
    if values.dtype.kind != "f":
        raise UnreadableError(f"an array of {values.dtype}, not of numbers")
    if not np.isfinite(values).all():
        raise UnreadableError("holds values that are no finite numbers")
    if np.array_equal(values, np.round(values)) and np.abs(values).max() < 2**31:
        return RawMask(values.astype(np.int64), "float")
    if values.min() < 0 or values.max() > 1:
        raise UnreadableError(
            f"holds fractions from {values.min():g} to {values.max():g}: class numbers are whole, "
            "and probabilities of the foreground lie between 0 and 1"
        )
    return RawMask(np.round(values * 255).astype(np.int64), "grey", None, False, True)


def _loaded(file: IO[bytes]) -> Array:
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version in read:
        shape, _, _ = read[version](file)
        if np.prod(shape, dtype=np.float64) > 4 * MOST_PIXELS:
            raise UnreadableError(f"an array of {shape} is too large")
    file.seek(0)
    found: Array = np.load(file, allow_pickle=False)
    return found


def _in_zip(file: IO[bytes]) -> Array:
    with zipfile.ZipFile(file) as archive:
        names = {Path(name).stem: name for name in archive.namelist() if name.endswith(".npy")}
        chosen = next((names[name] for name in NAMED if name in names), None)
        chosen = chosen or (next(iter(names.values())) if len(names) == 1 else None)
        if chosen is None:
            what = ", ".join(sorted(names)[:5]) or "none"
            raise UnreadableError(f"no array that is the mask (arrays: {what})")
        if archive.getinfo(chosen).file_size > 8 * MOST_PIXELS:
            raise UnreadableError("the array in it is too large")
        return _loaded(io.BytesIO(archive.read(chosen)))


def header_of(cell: Any) -> tuple[Size, int] | None:
    """Return the stored size of an image and its EXIF orientation (1 to 8); None if unreadable."""
    from PIL import Image

    if isinstance(cell, Mapping):
        cell = cell["path"] if cell.get("bytes") is None else cell["bytes"]
    try:
        with Image.open(io.BytesIO(cell) if isinstance(cell, bytes) else cell,
                        formats=FORMATS) as image:  # fmt: skip
            turn = int(image.getexif().get(ORIENTATION, 1))
            return (int(image.width), int(image.height)), turn if 1 <= turn <= 8 else 1
    except Exception:  # what is wrong with it is told where images are checked
        return None


def upright(values: Array, turn: int) -> Array:
    """Return pixels that lie as a camera stored them as its EXIF orientation shows them."""
    changes = {
        2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.T, 6: lambda a: a[::-1].T, 7: lambda a: a[::-1, ::-1].T,
        8: lambda a: a.T[::-1],
    }  # fmt: skip
    return np.asarray(changes[turn](values)) if turn in changes else values


def nearest(values: Array, size: Size) -> Array:
    """Return pixels at another size (width, height), each that of the nearest center."""
    rows = ((np.arange(size[1]) + 0.5) * values.shape[0] / size[1]).astype(np.int64)
    columns = ((np.arange(size[0]) + 0.5) * values.shape[1] / size[0]).astype(np.int64)
    return np.asarray(values[rows[:, None], columns[None, :]])
