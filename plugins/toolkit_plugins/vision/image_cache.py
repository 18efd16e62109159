"""Images decoded and resized once, as one memory-mapped array in the cache."""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.utils.files import placing
from toolkit_plugins.vision.images import in_threads

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.vision.image_processing import View

CHUNK = 256  # images that are decoded at a time
MOST = 2 << 30  # bytes that a split may take in the cache, where the options leave it open
DISK = 0.25  # of what is free


def fits(rows: int, view: View) -> bool:
    """Return whether a split's canvases are small enough to be kept without being asked."""
    import datasets

    size = rows * view.canvas[0] * view.canvas[1] * len(view.slope)
    folder = Path(datasets.config.HF_DATASETS_CACHE)
    folder.mkdir(parents=True, exist_ok=True)
    return size <= min(MOST, DISK * shutil.disk_usage(folder).free)


def keep(split: datasets.Dataset, column: str, view: View) -> Path:
    """Return the file of a split's canvases, in the order of its rows; made where it is not there.

    Its name is a hash of the files and of the preprocessing: other images get another file.

    Raises:
        DataError: some images cannot be read.
    """
    import datasets
    import xxhash

    from toolkit.data import media

    key = xxhash.xxh3_128(view.describe().encode())
    for start in range(0, len(split), CHUNK):
        values = split[start : start + CHUNK][column]
        key.update("".join(in_threads(media.digest, values)).encode())
    folder = Path(datasets.config.HF_DATASETS_CACHE) / "toolkit-pictures"
    path = folder / f"{key.hexdigest()}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with placing(path) as partial:
            _write(partial, split, column, view)
    return path


def _write(path: Path, split: datasets.Dataset, column: str, view: View) -> None:
    shape = (len(split), *view.canvas, len(view.slope))
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(split), CHUNK):
            view.canvases(split[start : start + CHUNK][column]).tofile(file)


@lru_cache(maxsize=8)
def opened(path: str) -> np.ndarray[Any, Any]:
    """Return the canvases of a file, memory-mapped."""
    found: np.ndarray[Any, Any] = np.load(path, mmap_mode="r")
    return found
