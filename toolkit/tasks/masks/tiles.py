"""Large images in overlapping tiles, and the class scores of tiles joined without seams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

LEAST = 1e-3  # weight of a tile's outermost pixels: where no other tile is, they count all the same


def windows(height: int, width: int, tile: tuple[int, int], overlap: int) -> list[tuple[int, int]]:
    """Return (top, left) of tiles that cover an image, row by row, from its upper left.

    They are spread evenly and lie within the image, so that neighbours share `overlap` pixels or
    more. An image that is smaller than a tile has one, at 0, which goes beyond its edge.

    Args:
        tile: (height, width). overlap: pixels, less than a side of the tile.

    Raises:
        ValueError: an overlap of a whole tile.
    """
    if not 0 <= overlap < min(tile):
        raise ValueError(f"an overlap of {overlap} pixels does not fit tiles of {tile}")
    rows, columns = (_starts(side, of, overlap) for side, of in
                     zip((height, width), tile, strict=True))  # fmt: skip
    return [(top, left) for top in rows for left in columns]


def _starts(side: int, tile: int, overlap: int) -> list[int]:
    count = 1 + max(0, -(-(side - tile) // (tile - overlap)))
    return [int(start) for start in np.linspace(0, max(0, side - tile), count).round()]


def ramp(size: int, overlap: int) -> list[float]:
    """Return the weights of a tile's pixels along one side: a raised cosine over each overlap."""
    inside = np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5
    rising = 0.5 - 0.5 * np.cos(np.pi * np.minimum(inside / max(overlap, 0.5), 1))
    return [float(weight) for weight in np.maximum(rising, LEAST)]


class Blend:
    """The weighted mean of the class scores of tiles, given out in strips of whole rows.

    Tiles are added in the order of `windows`. A strip is given out as soon as no further tile
    reaches it, so that scores of one row of tiles are held: 4 * (classes + 1) * tile height * width
    bytes. That is 226 MB for tiles of 512 pixels in an image of 10,000 x 10,000 and 10 classes,
    whose scores would take 4 GB.

    Args:
        size: (height, width) of the image. classes: how many. tile, overlap: as of `windows`.
    """

    def __init__(
        self, size: tuple[int, int], classes: int, tile: tuple[int, int], overlap: int
    ) -> None:
        import torch

        self.height, self.width = size
        self._weights = torch.outer(*(torch.tensor(ramp(side, overlap)) for side in tile))
        held = min(tile[0], self.height)
        self._scores = torch.zeros(classes, held, self.width)
        self._sums = torch.zeros(held, self.width)
        self._top = 0

    def add(self, scores: torch.Tensor, top: int, left: int) -> Iterator[tuple[int, torch.Tensor]]:
        """Add a tile; yield the strip above it, if it is finished: (first row, scores).

        Args:
            scores: (classes, tile height, tile width), on any device; what lies beyond the image
                is left out.

        Raises:
            ValueError: the tile lies above the one before.
        """
        if top < self._top:
            raise ValueError("tiles are added row by row, from the top")
        if top > self._top:
            yield self._given(top - self._top)
        rows, columns = min(len(self._sums), self.height - top), self.width - left
        part = scores[:, :rows, :columns].float().cpu()
        weights = self._weights[:rows, :columns]
        place = slice(0, part.shape[1]), slice(left, left + part.shape[2])
        self._scores[:, place[0], place[1]] += part * weights
        self._sums[place] += weights

    def rest(self) -> tuple[int, torch.Tensor]:
        """Return the last strip, when all tiles are added."""
        return self._given(min(self.height - self._top, len(self._sums)))

    def _given(self, rows: int) -> tuple[int, torch.Tensor]:
        """Return the first rows that are held, and make room for as many."""
        found = self._scores[:, :rows] / self._sums[:rows]
        start, self._top = self._top, self._top + rows
        left = len(self._sums) - rows
        for held in (self._scores, self._sums):
            held[..., :left, :] = held[..., rows:, :].clone()
            held[..., left:, :] = 0
        return start, found
