"""Segments of an image from masks with a class each, and whether two predictions have the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.evaluation import panoptic_files
from toolkit.evaluation.panoptic_files import Ids
from toolkit.plugin_types import Prediction, sameness
from toolkit.tasks.masks.decoding import upsampled

LEFT = 0.8  # share of a mask that has to be left where others lie over it
ALIKE = 0.95  # IoU of the same segment in two predictions
SMALL = 0.001  # share of the image below which a segment may be in one of two predictions alone


@dataclass
class Segment:
    """A segment. number: of its pixels. kind: the number of its class. area: its pixels."""

    number: int
    kind: int
    score: float
    area: int


@dataclass
class Segments:
    """The segments of an image, and the number of that of each pixel; 0 is in none."""

    ids: Ids
    segments: list[Segment]


def segments_of(
    queries: Any,
    masks: Any,
    size: tuple[int, int],
    stuff: Collection[int],
    threshold: float = 0.5,
) -> Segments:
    """Return the segments of an image from masks with a class each.

    Masks whose most probable class reaches the threshold compete for pixels by the class's
    probability times the mask's. A mask keeps what it wins where its own probability is 0.5 or
    more, and is dropped where it wins at most 80% of the pixels that it has by itself. Masks of one
    class of stuff become one segment, of the highest score. Cheng et al. (2021), MaskFormer (arXiv
    2107.06278), section 3.4, and their code; decided at the size of the image, a strip at a time.
    `post_process_panoptic_segmentation` of transformers 5 also fills pixels where no mask has 0.5.

    Args:
        queries: logits (masks, classes + 1), the last for none of the classes.
        masks: logits (masks, height, width). size: (height, width) of the image.
        stuff: numbers of the classes that have one segment.
    """
    shares = queries.float().softmax(-1)
    best = shares.max(-1)
    kept = ((best.indices < shares.shape[1] - 1) & (best.values > threshold)).nonzero()[:, 0]
    ids = np.zeros(size, np.int32)
    if not len(kept):
        return Segments(ids, [])
    kinds, scores = best.indices[kept].tolist(), best.values[kept]
    whole, won = np.zeros((2, len(kinds)), np.int64)
    for top, strip in upsampled(masks[kept], size):
        own = strip >= 0  # a probability of 0.5
        whole += own.sum((1, 2)).cpu().numpy()
        first = (scores[:, None, None] * strip.sigmoid()).argmax(0)
        won += np.bincount(first.cpu().numpy().ravel(), minlength=len(kinds))
        taken = own.gather(0, first[None])[0]
        ids[top : top + strip.shape[1]] = ((first + 1) * taken).cpu().numpy()
    return _numbered(ids, kinds, scores.tolist(), won > LEFT * whole, stuff)


def _numbered(
    ids: Ids, kinds: list[int], scores: list[float], kept: Any, stuff: Collection[int]
) -> Segments:
    """Return segments with numbers from 1 on, of masks numbered so, those that are `kept`."""
    left = np.bincount(ids.ravel(), minlength=len(kinds) + 1)[1:]
    table, found, regions = (
        np.zeros(len(kinds) + 1, np.int32),
        list[Segment](),
        dict[int, Segment](),
    )
    for place in np.flatnonzero(kept & (left > 0)).tolist():
        kind, area = kinds[place], int(left[place])
        one = regions.get(kind)
        if one is None:
            one = Segment(len(found) + 1, kind, 0.0, 0)
            found.append(one)
            if kind in stuff:
                regions[kind] = one
        one.score, one.area = max(one.score, scores[place]), one.area + area
        table[place + 1] = one.number
    return Segments(table[ids], found)


def same(one: Prediction, other: Prediction, threshold: float) -> bool:
    """Return whether two predictions have the same segments, but for rounding.

    Segments go one with one: of one label, an IoU of 0.95 or all pixels but two, scores within
    0.01. One without partner is let through where its score is within 0.01 of the threshold, or it
    has less than a thousandth of the image's pixels.
    """
    first, second = panoptic_files.decode(one), panoptic_files.decode(other)
    if first.shape != second.shape:
        return False
    left = list(other["segments"])
    for segment in one["segments"]:
        pixels = first == segment["id"]
        partner = next((rival for rival in left if _alike(segment, rival, pixels, second)), None)
        if partner is not None:
            left.remove(partner)
        elif not _may_lack(segment, first.size, threshold):
            return False
    return all(_may_lack(segment, first.size, threshold) for segment in left)


def _alike(one: Mapping[str, Any], other: Mapping[str, Any], pixels: Any, ids: Ids) -> bool:
    if one["label"] != other["label"] or abs(one["score"] - other["score"]) > sameness.PROBABILITY:
        return False
    rival = ids == other["id"]
    union, apart = int((pixels | rival).sum()), int((pixels ^ rival).sum())
    return apart <= max(2, (1 - ALIKE) * union)


def _may_lack(one: Mapping[str, Any], size: int, threshold: float) -> bool:
    near = abs(one["score"] - threshold) <= sameness.PROBABILITY
    return near or bool(one["area"] < SMALL * size)
