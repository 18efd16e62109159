"""Large images in tiles: decoded once into arrays, of which each tile reads its own window."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from toolkit.errors import UserError
from toolkit.tasks.masks.png import image_size
from toolkit.tasks.masks.tiles import windows
from toolkit.utils.files import placing
from toolkit_plugins.vision import image_cache
from toolkit_plugins.vision.canvas import IGNORED, Canvas
from toolkit_plugins.vision.images import in_threads, use_all

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.vision.segmentation.options import Tiles

Array = np.ndarray[Any, Any]
WHOLE = "whole"  # key of a tile's place: the file of the decoded image
MARGIN = 0.25  # of a tile's side, to each side: what training crops at random from
MEASURED = 500  # images whose headers are read at a time
TOGETHER = 4  # images that are decoded at a time
_held: list[tempfile.TemporaryDirectory[str]] = []  # each is removed when the process ends


def sources(
    split: datasets.Dataset,
    image: str,
    mask: str | None,
    canvas: Canvas,
    wanted: Tiles,
    keep: Literal["auto", "always", "never"],
    new: bool = False,
) -> datasets.Dataset:
    """Return a row for each tile, with `chunk_of` and its place in an image.

    Args:
        mask: the column of masks; None where there are none.
        keep: whether decoded images stay in the cache (auto: if they are few); else they are in a
            temporary folder and go when the process ends.
        new: whether the rows are new ones to predict: their images go with the returned rows.

    Raises:
        DataError: some images cannot be read.
        UserError: the disk has no place for a temporary folder of them.
    """
    import datasets

    needed = _bytes_of(split, image, mask, canvas) if keep != "always" else 0
    folder, temporary = _folder(
        keep == "always" or (keep == "auto" and image_cache.fits_bytes(needed)), needed
    )
    decoded = partial(_decoded, canvas=canvas, folder=folder)
    columns = [image] if mask is None else [image, mask]
    found: dict[str, list[Any]] = {"pixel_values": [], "chunk_of": []}
    only = split.select_columns(columns)
    for start in range(0, len(split), TOGETHER):
        batch = only[start : start + TOGETHER]
        images = decoded(batch[image])
        masks = [""] * len(images) if mask is None else decoded(batch[mask], masks=True)
        for row, (file, own) in enumerate(zip(images, masks, strict=True), start):
            height, width = np.load(file, mmap_mode="r").shape[:2]
            for top, left in windows(height, width, canvas.canvas, wanted.shared):
                place = {WHOLE: file, "mask": own, "top": top, "left": left}
                found["pixel_values"].append(place)
                found["chunk_of"].append(row)
    if mask is not None:
        found["labels"] = [0] * len(found["chunk_of"])
    made = datasets.Dataset.from_dict(found)
    if temporary is not None and new:
        weakref.finalize(made, temporary.cleanup)
    elif temporary is not None:
        _held.append(temporary)
    return made


def _bytes_of(split: datasets.Dataset, image: str, mask: str | None, canvas: Canvas) -> int:
    """Return how many bytes the decoded images and masks of rows have, by the files' headers."""
    only, found = split.select_columns([image]), 0
    for start in range(0, len(split), MEASURED):
        cells = only[start : start + MEASURED][image]
        found += sum(height * width for height, width in in_threads(_size, cells))
    return found * (len(canvas.slope) + (mask is not None))


def _size(cell: Any) -> tuple[int, int]:
    try:
        return image_size(cell)
    except (OSError, ValueError, SyntaxError):  # what decodes it tells it with its name
        return 0, 0


def _folder(keep: bool, needed: int) -> tuple[Path, tempfile.TemporaryDirectory[str] | None]:
    import datasets

    if not keep:
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


def _decoded(cells: Sequence[Any], canvas: Canvas, folder: Path, masks: bool = False) -> list[str]:
    """Return the files of decoded images, (height, width, channels), or masks, (height, width)."""
    import xxhash

    from toolkit.data import media

    mode, levels = ("L", None) if masks else (canvas.mode, canvas.levels)
    way = f"{'mask' if masks else 'image'} {mode} {levels} "
    keys = [xxhash.xxh3_128_hexdigest(f"{way}{media.digest(cell)}".encode()) for cell in cells]
    paths = [folder / f"{key}.whole.npy" for key in keys]
    lacking = {path: cell for path, cell in zip(paths, cells, strict=True) if not path.exists()}
    values = use_all(list(lacking.values()), mode, None, lambda image: np.array(image), levels)
    for path, one in zip(lacking, values, strict=True):
        pixels = one if masks or one.ndim == 3 else one[:, :, None]
        with placing(path) as partial, partial.open("wb") as file:
            np.save(file, pixels)
    return [str(path) for path in paths]


@lru_cache(maxsize=64)
def _opened(path: str) -> Array:
    found: Array = np.load(path, mmap_mode="r")
    return found


def read(
    places: Sequence[Mapping[str, Any]], canvas: Canvas, labelled: bool
) -> tuple[Array, Array, Array | None]:
    """Return tiles on canvases, the sizes of what is image there, and their masks.

    A canvas that is larger than a tile has what lies around the tile, too.
    """
    shape = (len(places), *canvas.canvas)
    images = np.zeros((*shape, len(canvas.slope)), np.uint8)
    masks = np.full(shape, IGNORED, np.uint8) if labelled else None
    contents = np.zeros((len(places), 2), np.int32)
    for row, place in enumerate(places):
        whole = _opened(place[WHOLE])
        top, left, height, width = _window(place, whole.shape[:2], canvas.canvas)
        window = slice(top, top + height), slice(left, left + width)
        images[row, :height, :width] = whole[window]
        contents[row] = height, width
        if masks is not None:
            masks[row, :height, :width] = _opened(place["mask"])[window]
    return images, contents, masks


def _window(
    place: Mapping[str, Any], whole: tuple[int, ...], canvas: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return top, left, height and width of what a canvas shows, all of it within the image."""
    found: list[int] = []
    margin = place.get("margin", 0)
    for start, side, wanted in zip((place["top"], place["left"]), whole, canvas, strict=True):
        length = min(side, wanted)
        found += [min(max(start - margin, 0), side - length), length]
    return found[0], found[2], found[1], found[3]


def around(canvas: Canvas) -> Canvas:
    """Return the canvas of training, from which tiles are cropped at random."""
    from dataclasses import replace

    more = 2 * round(MARGIN * canvas.height), 2 * round(MARGIN * canvas.width)
    return replace(canvas, height=canvas.height + more[0], width=canvas.width + more[1])


def with_margin(place: Mapping[str, Any], canvas: Canvas) -> Mapping[str, Any]:
    """Return a tile's place for a canvas of training, in whose middle it lies if it can."""
    return {**place, "margin": round(MARGIN * canvas.height)} if WHOLE in place else place


def cropped(
    images: Array, contents: Array, masks: Array | None, canvas: Canvas, seeds: Sequence[str]
) -> tuple[Array, Array, Array | None]:
    """Return random crops as large as the canvas, of images on a larger one.

    Args:
        images, contents, masks: as `read` returns them. seeds: of each crop.
    """
    import xxhash

    cut: list[tuple[slice, slice]] = []
    for content, seed in zip(contents, seeds, strict=True):
        drawn = np.random.default_rng(xxhash.xxh3_64_intdigest(seed.encode()))
        top, left = (int(drawn.integers(max(int(side) - own, 0) + 1))
                     for side, own in zip(content, canvas.canvas, strict=True))  # fmt: skip
        cut.append((slice(top, top + canvas.height), slice(left, left + canvas.width)))
    found = np.stack([one[where] for one, where in zip(images, cut, strict=True)])
    labels = None
    if masks is not None:
        labels = np.stack([one[where] for one, where in zip(masks, cut, strict=True)])
    return found, np.minimum(contents, canvas.canvas), labels


def seed_of(place: Mapping[str, Any], seed: int, epoch: int) -> str:
    """Return what a tile's crop in an epoch is drawn by, wherever the cache lies."""
    return f"{seed} {epoch} {Path(place[WHOLE]).name} {place['top']} {place['left']}"
