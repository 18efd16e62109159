"""Small objects in large images: tiles at full resolution, and the boxes of tiles joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from toolkit.errors import Fault, RecipeError
from toolkit.tasks.boxes import geometry
from toolkit.tasks.masks.tiles import windows
from toolkit_plugins.vision.annotations.headers import headers
from toolkit_plugins.vision.decoded import TOGETHER, bytes_of, decoded, folder_for, held, opened

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.vision.canvas import Canvas
    from toolkit_plugins.vision.detection.options import Tiles

Array = np.ndarray[Any, Any]
Keep = Literal["auto", "always", "never"]
FILE = "file"  # key of a tile's place: the array of the decoded image
MERGED = 0.5  # IoU from which on boxes of two tiles are one, where the options say nothing else
BATCH = 256  # images whose headers are read at a time


class Seen(NamedTuple):
    """A part of an image as the model sees it.

    file: of an array, the image's own or a shrunk one. left, top, right, bottom: of the part, in
    pixels of the image. scale: pixels of the array per pixel of the image, across and down.
    """

    file: str
    box: tuple[int, int, int, int]
    scale: tuple[float, float]

    @classmethod
    def of(cls, place: Mapping[str, Any]) -> Seen:
        """Return that of a prepared row's `pixel_values`."""
        left, top, right, bottom = place["box"]
        return cls(place[FILE], (left, top, right, bottom), tuple(place["scale"]))

    def as_place(self) -> dict[str, Any]:
        """Return `pixel_values` of a prepared row."""
        return {FILE: self.file, "box": list(self.box), "scale": list(self.scale)}

    @property
    def shrunk(self) -> bool:
        """Whether it is a whole image that is larger than a tile."""
        return self.scale != (1.0, 1.0)

    def pixels(self) -> Array:
        """Return the part as uint8 (height, width, channels)."""
        whole = opened(self.file)
        if self.shrunk:
            return whole
        left, top, right, bottom = self.box
        return whole[top:bottom, left:right]

    def on_canvas(self, boxes: Any) -> Array:
        """Return boxes of the image (n, 4) in pixels of the canvas."""
        found = np.asarray(boxes, float).reshape(-1, 4) - np.tile(self.box[:2], 2)
        moved: Array = found * np.tile(self.scale, 2)
        return moved

    def off_canvas(self, boxes: Any, canvas: Canvas) -> Array:
        """Return boxes of the model (center, width, height; shares) in pixels of the image."""
        size = (canvas.width, canvas.height)
        found = geometry.from_centres(boxes, size) / np.tile(self.scale, 2)
        moved = found + np.tile(self.box[:2], 2)
        inside: Array = np.clip(moved, np.tile(self.box[:2], 2), np.tile(self.box[2:], 2))
        return inside


def require_large(sizes: Sequence[tuple[int, int]], wanted: Tiles) -> None:
    """Raise RecipeError where no image is larger than a tile; sizes are height and width."""
    if sizes and all(max(size) <= wanted.size for size in sizes):
        height, width = max(sizes, key=max)
        what = (
            f"no training image is larger than a tile of {wanted.size} pixels (the largest "
            f"seen is {height} x {width}): leave options.tiles out, or make tiles smaller"
        )
        raise RecipeError(Fault("options.tiles.size", what))


def sizes_of(split: datasets.Dataset, column: str) -> list[tuple[int, int]]:
    """Return height and width of upright images by their headers, of those that have one."""
    return [one.upright[::-1] for batch in split.select_columns([column]).iter(BATCH)
            for one in headers(batch[column]) if one]  # fmt: skip


def sources(
    split: datasets.Dataset,
    column: str,
    canvas: Canvas,
    wanted: Tiles,
    keep: Keep,
    new: bool = False,
) -> datasets.Dataset:
    """Return a row for each tile: `pixel_values`, `size` (of the image) and `chunk_of`.

    Args:
        keep, new: as `decoded.folder_for` and `decoded.held` take them.

    Raises:
        DataError: some images cannot be read.
        UserError: the disk has no place for them.
    """
    import datasets

    needed = bytes_of(split, column, len(canvas.slope)) if keep != "always" else 0
    folder = folder_for(keep, needed)
    found: dict[str, list[Any]] = {"pixel_values": [], "size": [], "chunk_of": []}
    only = split.select_columns([column])
    for start in range(0, len(split), TOGETHER):
        cells = only[start : start + TOGETHER][column]
        files = decoded(cells, canvas, folder[0])
        sizes = [opened(file).shape[:2] for file in files]
        large = [max(size) > wanted.size and wanted.whole for size in sizes]
        shrunk = iter(decoded([cell for cell, one in zip(cells, large, strict=True) if one],
                              canvas, folder[0], fitted=True))  # fmt: skip
        for row, (file, size, also) in enumerate(zip(files, sizes, large, strict=True), start):
            seen = _tiles(file, size, wanted)
            if also:
                seen.append(_whole(next(shrunk), size))
            found["pixel_values"] += [one.as_place() for one in seen]
            found["size"] += [list(size)] * len(seen)
            found["chunk_of"] += [row] * len(seen)
    return held(datasets.Dataset.from_dict(found), folder, new)


def _tiles(file: str, size: Sequence[int], wanted: Tiles) -> list[Seen]:
    side, (height, width) = wanted.size, size
    return [
        Seen(file, (left, top, min(left + side, width), min(top + side, height)), (1.0, 1.0))
        for top, left in windows(height, width, (side, side), wanted.shared)
    ]


def _whole(file: str, size: Sequence[int]) -> Seen:
    height, width = size
    rows, columns = opened(file).shape[:2]
    return Seen(file, (0, 0, width, height), (columns / width, rows / height))


def read(places: Sequence[Mapping[str, Any]], canvas: Canvas) -> tuple[Array, Array]:
    """Return tiles on canvases, uint8 (n, height, width, channels), and sizes of what is there."""
    images = np.zeros((len(places), *canvas.canvas, len(canvas.slope)), np.uint8)
    contents = np.zeros((len(places), 2), np.int32)
    for row, place in enumerate(places):
        pixels = Seen.of(place).pixels()
        height, width = pixels.shape[:2]
        images[row, :height, :width], contents[row] = pixels, (height, width)
    return images, contents


class Part(NamedTuple):
    """What is found in a tile: boxes in pixels of the image, their scores and class numbers."""

    boxes: Array
    scores: Array
    numbers: Array


def parts(best: Sequence[Sequence[Any]], rows: Sequence[Any], canvas: Canvas) -> list[Part]:
    """Return what is found in each tile. best: as `batches.best` returns it."""
    return [
        Part(Seen.of(row["pixel_values"]).off_canvas(boxes, canvas), scores, numbers)
        for boxes, scores, numbers, row in zip(*best, rows, strict=True)
    ]


def joined(found: Sequence[Part], rows: Sequence[Mapping[str, Any]], nms: float | None) -> Part:
    """Return what is found in an image by its tiles, each object once.

    Args:
        rows: the prepared rows of the tiles. nms: of the options, between any two boxes; without,
            boxes of one tile leave each other alone.
    """
    places = np.array([row["pixel_values"]["box"] for row in rows], float)
    height, width = rows[0]["size"]
    boxes, scores, numbers = geometry.merge_tiles(
        [one.boxes - np.tile(place[:2], 2) for one, place in zip(found, places, strict=True)],
        [one.scores for one in found], [one.numbers for one in found], places,
        (int(width), int(height)), MERGED if nms is None else nms, within=nms is not None,
    )  # fmt: skip
    return Part(boxes, scores, numbers)
