"""Boxes as numbers: other ways of writing them, suppression of double ones, and tiles.

Boxes are x_min, y_min, x_max, y_max in pixels of the upright image, shape (boxes, 4), unless it is
said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.evaluation.metrics.base import Array, Floats
from toolkit.evaluation.metrics.box_matching import ious
from toolkit.plugin_types import Ints

__all__ = ["clip", "from_centres", "ious", "merge_tiles", "suppressed", "to_centres"]
TOUCH = 2.0  # pixels from the edge of a tile, within which a box is cut off by it


def to_centres(boxes: Floats, size: tuple[int, int]) -> Floats:
    """Return centre x and y, width and height as shares of an image of (width, height)."""
    left, top, right, bottom = np.asarray(boxes, np.float64).reshape(-1, 4).T
    width, height = size
    return np.stack([(left + right) / 2 / width, (top + bottom) / 2 / height,
                     (right - left) / width, (bottom - top) / height], axis=1)  # fmt: skip


def from_centres(boxes: Floats, size: tuple[int, int]) -> Floats:
    """Return boxes for centre, width and height as shares of an image of (width, height)."""
    x, y, across, down = np.asarray(boxes, np.float64).reshape(-1, 4).T
    width, height = size
    return np.stack([(x - across / 2) * width, (y - down / 2) * height,
                     (x + across / 2) * width, (y + down / 2) * height], axis=1)  # fmt: skip


def clip(boxes: Floats, size: tuple[int, int]) -> Floats:
    """Return boxes without what lies outside of an image of (width, height); some may be empty."""
    limits = np.array([*size, *size], np.float64)
    return np.clip(np.asarray(boxes, np.float64).reshape(-1, 4), 0, limits)


def suppressed(
    boxes: Floats, scores: Floats, labels: Array, overlap: float, owners: Array | None = None
) -> Ints:
    """Return the numbers of the boxes to keep, by falling score (non-maximum suppression).

    Of boxes of one class that overlap by more than `overlap` (IoU), the one of the highest score
    stays; of equal scores the first.

    Args:
        owners: of each box, a number; boxes of one owner leave each other alone.
    """
    order = np.argsort(-np.asarray(scores), kind="stable")
    places, classes = np.asarray(boxes, np.float64).reshape(-1, 4)[order], np.asarray(labels)[order]
    own = None if owners is None else np.asarray(owners)[order]
    free, kept = np.ones(len(order), bool), []
    for number in range(len(order)):
        if not free[number]:
            continue
        kept.append(order[number])
        others = free[number + 1 :] & (classes[number + 1 :] == classes[number])
        if own is not None:
            others = others & (own[number + 1 :] != own[number])
        rivals = number + 1 + np.flatnonzero(others)
        shared = ious(places[number : number + 1], places[rivals])[0]
        free[rivals[shared > overlap]] = False
    return np.array(kept, np.int64)


def merge_tiles(
    boxes: Sequence[Floats],
    scores: Sequence[Floats],
    labels: Sequence[Array],
    tiles: Floats,
    size: tuple[int, int],
    overlap: float = 0.5,
    within: bool = True,
) -> tuple[Floats, Floats, Array]:
    """Return the boxes of a whole image for those found in tiles of it, without double ones.

    A box at an edge of its tile that is none of the image is a part of an object: it goes if
    a box of its class from another tile covers most of it.

    Args:
        boxes, scores, labels: of each tile; boxes in pixels of the tile.
        tiles: where they lie, which must overlap, shape (tiles, 4). size: (width, height) of the
            image. overlap: IoU of one class from which on two boxes are one. within: whether that
            holds for two of one tile, too: objects may overlap, and some models find none twice.
    """
    origins = np.asarray(tiles, np.float64).reshape(-1, 4)
    counts = [len(of) for of in scores]
    owner = np.repeat(np.arange(len(counts)), counts)
    found = [np.asarray(of, np.float64).reshape(-1, 4) + np.tile(tile[:2], 2)
             for of, tile in zip(boxes, origins, strict=True)]  # fmt: skip
    whole = np.concatenate([np.zeros((0, 4)), *found])
    score = np.concatenate([np.zeros(0), *scores])
    label = np.concatenate(labels) if labels else np.zeros(0, np.int64)
    cut = _cut_off(whole, origins[owner], size)
    order = np.where(cut, score - 1, score)  # whole ones first
    kept = suppressed(whole, order, label, overlap, None if within else owner)
    areas = np.prod(whole[:, 2:] - whole[:, :2], axis=1)
    stay = []
    for place in kept:
        others = kept[(label[kept] == label[place]) & (owner[kept] != owner[place]) & ~cut[kept]]
        inside = ious(whole[[place]], whole[others], np.ones(len(others), bool))[0]
        if not (cut[place] and (inside[areas[others] > areas[place]] > 0.5).any()):
            stay.append(place)
    last = np.array(stay, np.int64)
    last = last[np.argsort(-score[last], kind="stable")]
    return whole[last], score[last], label[last]


def _cut_off(boxes: Floats, tiles: Floats, size: tuple[int, int]) -> Array:
    """Return whether each box touches an edge of its tile that is no edge of the image."""
    low = (boxes[:, :2] < tiles[:, :2] + TOUCH) & (tiles[:, :2] > 0)
    high = (boxes[:, 2:] > tiles[:, 2:] - TOUCH) & (tiles[:, 2:] < np.array(size))
    return np.asarray((low | high).any(axis=1))
