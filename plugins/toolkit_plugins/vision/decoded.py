"""Large images decoded once, as memory-mapped arrays of which tiles read their windows."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from toolkit.errors import UserError
from toolkit.tasks.masks.png import image_size
from toolkit.utils.files import placing
from toolkit_plugins.vision import image_cache
from toolkit_plugins.vision.images import in_threads, use_all

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.vision.canvas import Canvas

Array = np.ndarray[Any, Any]
MEASURED = 500  # images whose headers are read at a time
TOGETHER = 4  # images that are decoded at a time
_held: list[tempfile.TemporaryDirectory[str]] = []  # each is removed when the process ends


def bytes_of(split: datasets.Dataset, image: str, channels: int) -> int:
    """Return how many bytes the decoded images of rows have, by the files' headers."""
    only, found = split.select_columns([image]), 0
    for start in range(0, len(split), MEASURED):
        cells = only[start : start + MEASURED][image]
        found += sum(height * width for height, width in in_threads(_size, cells))
    return found * channels


def _size(cell: Any) -> tuple[int, int]:
    try:
        return image_size(cell)
    except (OSError, ValueError, SyntaxError):  # what decodes it tells it with its name
        return 0, 0


Folder = tuple[Path, "tempfile.TemporaryDirectory[str] | None"]


def folder_for(keep: Literal["auto", "always", "never"], needed: int) -> Folder:
    """Return the folder of decoded images: the cache, or a temporary one to be removed.

    Args:
        keep: whether they stay in the cache (auto: if they are few). needed: their bytes.

    Raises:
        UserError: the disk has no place for a temporary folder of them.
    """
    import datasets

    if keep == "never" or (keep == "auto" and not image_cache.fits_bytes(needed)):
        free = shutil.disk_usage(tempfile.gettempdir()).free
        if needed > free:
            raise UserError(
                f"{tempfile.gettempdir()}: decoded images in tiles need {needed / 2**30:,.1f} GiB "
                f"there, and {free / 2**30:,.1f} GiB are free: set TMPDIR to another disk, or "
                "options.cache=always to use the cache, or leave options.tiles out"
            )
        temporary = tempfile.TemporaryDirectory(prefix="toolkit-tiles-")
        return Path(temporary.name), temporary
    found = Path(datasets.config.HF_DATASETS_CACHE) / "toolkit-pictures"
    found.mkdir(parents=True, exist_ok=True)
    return found, None


def decoded(
    cells: Sequence[Any], canvas: Canvas, folder: Path, masks: bool = False, fitted: bool = False
) -> list[str]:
    """Return the files of decoded images, (height, width, channels), or masks, (height, width).

    Args:
        fitted: whether images are resized to what the canvas shows of them, without padding.
    """
    import xxhash

    from toolkit.data import media

    mode, levels = ("L", None) if masks else (canvas.mode, canvas.levels)
    way = f"{'mask' if masks else 'image'} {mode} {levels} {canvas.describe() if fitted else ''}"
    keys = [xxhash.xxh3_128_hexdigest(f"{way}{media.digest(cell)}".encode()) for cell in cells]
    paths = [folder / f"{key}.whole.npy" for key in keys]
    lacking = {path: cell for path, cell in zip(paths, cells, strict=True) if not path.exists()}
    given = list(lacking.values())
    if fitted:
        about = (canvas.width, canvas.height)
        values = use_all(given, mode, about, lambda image: _content(image, canvas), levels)
    else:
        values = use_all(given, mode, None, lambda image: np.array(image), levels)
    for path, one in zip(lacking, values, strict=True):
        pixels = one if masks or one.ndim == 3 else one[:, :, None]
        with placing(path) as partial, partial.open("wb") as file:
            np.save(file, pixels)
    return [str(path) for path in paths]


def _content(image: Any, canvas: Canvas) -> Array:
    found, (height, width), _ = canvas.on_canvas(image)
    return found[:height, :width]


def held(made: datasets.Dataset, folder: Folder, new: bool) -> datasets.Dataset:
    """Return prepared rows; a temporary folder goes with them, or at the end of the process.

    Args:
        new: whether they are new rows to predict, which are not needed afterwards.
    """
    temporary = folder[1]
    if temporary is not None and new:
        weakref.finalize(made, temporary.cleanup)
    elif temporary is not None:
        _held.append(temporary)
    return made


@lru_cache(maxsize=64)
def opened(path: str) -> Array:
    """Return the array of a file, memory-mapped."""
    found: Array = np.load(path, mmap_mode="r")
    return found
