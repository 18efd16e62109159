"""Images and masks decoded and resized once, as memory-mapped arrays in the cache."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.utils.files import placing
from toolkit_plugins.vision.images import in_threads

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.vision.canvas import Canvas
    from toolkit_plugins.vision.image_processing import View

Array = np.ndarray[Any, Any]

CHUNK = 256  # images that are decoded at a time
MOST = 2 << 30  # bytes that a split may take in the cache, where the options leave it open
DISK = 0.25  # of what is free


def fits(rows: int, view: View | Canvas, masks: bool = False) -> bool:
    """Return whether a split's canvases are small enough to be kept without being asked.

    Args:
        masks: whether each image has a mask.
    """
    return fits_bytes(rows * view.canvas[0] * view.canvas[1] * (len(view.slope) + masks))


def fits_bytes(size: int) -> bool:
    """Return whether so many bytes may be kept without being asked."""
    import datasets

    folder = Path(datasets.config.HF_DATASETS_CACHE)
    folder.mkdir(parents=True, exist_ok=True)
    return size <= min(MOST, DISK * shutil.disk_usage(folder).free)


def keep(split: datasets.Dataset, column: str, view: View) -> Path:
    """Return the file of a split's canvases, in the order of its rows; made where it is not there.

    Its name is a hash of the files and of the preprocessing: other images get another file.

    Raises:
        DataError: some images cannot be read.
    """
    path = _path(view.describe(), _digests(split, column))
    if not path.exists():
        with placing(path) as partial:
            shape = (len(split), *view.canvas, len(view.slope))
            _write(partial, shape, (view.canvases(part) for part in _parts(split, column)))
    return path


@dataclass(frozen=True)
class DenseFiles:
    """Files of a split's canvases, its content and original sizes, and its masks if it has them."""

    images: str
    sizes: str
    masks: str | None = None

    def rows(self, places: list[int]) -> tuple[Array, Array, Array, Array | None]:
        """Return canvases, content sizes, original sizes and mask canvases of some rows.

        They are as `Canvas.canvases` and `Canvas.mask_canvases` return them.
        """
        sizes = opened(self.sizes)[places]
        masks = None if self.masks is None else opened(self.masks)[places]
        return opened(self.images)[places], sizes[:, :2], sizes[:, 2:], masks


def keep_dense(
    split: datasets.Dataset, column: str, canvas: Canvas, masks: str | None = None
) -> DenseFiles:
    """Return the files of a split's canvases, as `keep` does, with sizes and masks.

    Args:
        masks: the column of masks. A changed mask leaves the images' file as it is.

    Raises:
        DataError: some images or masks cannot be read.
    """
    digests = _digests(split, column)
    path = _path("dense" + canvas.describe(), digests)
    sizes = path.with_suffix(".sizes.npy")
    if not (path.exists() and sizes.exists()):
        _write_dense(split, column, canvas, path, sizes)
    if masks is None:
        return DenseFiles(str(path), str(sizes))
    own = _path("masks" + canvas.describe(), [*digests, *_digests(split, masks)])
    if not own.exists():
        known = opened(str(sizes))
        parts = (
            canvas.mask_canvases(part, known[n * CHUNK : n * CHUNK + len(part), :2])
            for n, part in enumerate(_parts(split, masks))
        )
        with placing(own) as partial:
            _write(partial, (len(split), *canvas.canvas), parts)
    return DenseFiles(str(path), str(sizes), str(own))


def _write_dense(
    split: datasets.Dataset, column: str, canvas: Canvas, path: Path, sizes: Path
) -> None:
    found: list[Array] = [np.zeros((0, 4), np.int32)]

    def images() -> Iterator[Array]:
        for part in _parts(split, column):
            values, contents, originals = canvas.canvases(part)
            found.append(np.hstack([contents, originals]))
            yield values

    with placing(path) as partial:
        _write(partial, (len(split), *canvas.canvas, len(canvas.slope)), images())
    with placing(sizes) as partial, partial.open("wb") as file:
        np.save(file, np.concatenate(found))


def _parts(split: datasets.Dataset, column: str) -> Iterator[list[Any]]:
    only = split.select_columns([column])
    for start in range(0, len(only), CHUNK):
        yield only[start : start + CHUNK][column]


def _digests(split: datasets.Dataset, column: str) -> list[str]:
    from toolkit.data import media

    return [one for part in _parts(split, column) for one in in_threads(media.digest, part)]


def _path(preprocessing: str, digests: list[str]) -> Path:
    import datasets
    import xxhash

    key = xxhash.xxh3_128(preprocessing.encode())
    key.update("".join(digests).encode())
    folder = Path(datasets.config.HF_DATASETS_CACHE) / "toolkit-pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{key.hexdigest()}.npy"


def _write(path: Path, shape: tuple[int, ...], parts: Iterator[Array]) -> None:
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            part.tofile(file)


@lru_cache(maxsize=16)
def opened(path: str) -> Array:
    """Return the array of a file, memory-mapped."""
    found: Array = np.load(path, mmap_mode="r")
    return found
