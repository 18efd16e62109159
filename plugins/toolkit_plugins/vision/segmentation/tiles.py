"""Large images in tiles: decoded once into arrays, of which each tile reads its own window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from toolkit.tasks.masks.tiles import windows
from toolkit_plugins.vision.canvas import IGNORED, Canvas
from toolkit_plugins.vision.decoded import (
    TOGETHER,
    bytes_of,
    decoded,
    folder_for,
    held,
    opened,
)

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.vision.segmentation.options import Tiles

Array = np.ndarray[Any, Any]
WHOLE = "whole"  # key of a tile's place: the file of the decoded image
MARGIN = 0.25  # of a tile's side, to each side: what training crops at random from


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

    channels = len(canvas.slope) + (mask is not None)
    needed = bytes_of(split, image, channels) if keep != "always" else 0
    folder = folder_for(keep, needed)
    columns = [image] if mask is None else [image, mask]
    found: dict[str, list[Any]] = {"pixel_values": [], "chunk_of": []}
    only = split.select_columns(columns)
    for start in range(0, len(split), TOGETHER):
        batch = only[start : start + TOGETHER]
        images = decoded(batch[image], canvas, folder[0])
        masks = (
            [""] * len(images) if mask is None else decoded(batch[mask], canvas, folder[0], True)
        )
        for row, (file, own) in enumerate(zip(images, masks, strict=True), start):
            height, width = np.load(file, mmap_mode="r").shape[:2]
            for top, left in windows(height, width, canvas.canvas, wanted.shared):
                place = {WHOLE: file, "mask": own, "top": top, "left": left}
                found["pixel_values"].append(place)
                found["chunk_of"].append(row)
    if mask is not None:
        found["labels"] = [0] * len(found["chunk_of"])
    return held(datasets.Dataset.from_dict(found), folder, new)


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
        whole = opened(place[WHOLE])
        top, left, height, width = _window(place, whole.shape[:2], canvas.canvas)
        window = slice(top, top + height), slice(left, left + width)
        images[row, :height, :width] = whole[window]
        contents[row] = height, width
        if masks is not None:
            masks[row, :height, :width] = opened(place["mask"])[window]
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
