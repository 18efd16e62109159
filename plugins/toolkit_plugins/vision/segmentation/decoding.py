"""From the class scores of a canvas, or of tiles, to the mask of an image at its own size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from toolkit.tasks.masks.decoding import MaskStrips, mask_strips
from toolkit.tasks.masks.png import image_size
from toolkit.tasks.masks.tiles import Blend
from toolkit_plugins.vision.segmentation import query_models

if TYPE_CHECKING:
    from toolkit_plugins.vision.canvas import Canvas
    from toolkit_plugins.vision.segmentation.options import Tiles

LEAST = 1e-30  # probability whose logarithm is still a number in 32 bits


def whole(logits: Any, image: Any, canvas: Canvas, queries: Any = None) -> MaskStrips:
    """Return the mask of an image that was seen on one canvas.

    Args:
        logits: (classes, height, width) of any size. image: a cell.
        queries: of a model that predicts masks with a class each: the logits of their classes
            (masks, classes + 1); `logits` are those of the masks then.
    """
    size = image_size(image)
    content = canvas.content_of(size)
    if content != canvas.canvas:  # what is padding has no place in the image
        logits = _enlarged(logits, canvas.canvas)[:, : content[0], : content[1]]
    if queries is None:
        return mask_strips(logits, size)
    change = partial(query_models.class_scores, queries)
    return mask_strips(logits, size, queries.shape[1] - 1, change)


def joined(
    scores: Sequence[Any], image: Any, parts: Sequence[Mapping[str, Any]], canvas: Canvas,
    wanted: Tiles,
) -> MaskStrips:  # fmt: skip
    """Return the mask of an image that was seen in tiles, blended where they overlap.

    The mean is of probabilities: in that of logarithms, a tile that sees no chance of a class would
    outvote all others.

    Args:
        scores: of each tile, logarithms of probabilities (classes, height, width) of any size.
        parts: the prepared rows of the tiles, in the order of `windows`.
    """
    size = image_size(image)
    found = MaskStrips(size, len(scores[0]))
    blend = Blend(size, len(scores[0]), canvas.canvas, wanted.shared)
    for one, part in zip(scores, parts, strict=True):
        place, tile = part["pixel_values"], _enlarged(one, canvas.canvas).softmax(0)
        for top, strip in blend.add(tile, place["top"], place["left"]):
            found.add(top, _logarithms(strip))
    top, strip = blend.rest()
    found.add(top, _logarithms(strip))
    return found


def _logarithms(probabilities: Any) -> Any:
    return probabilities.clamp(min=LEAST).log()


def _enlarged(logits: Any, size: tuple[int, int]) -> Any:
    from torch.nn import functional

    return functional.interpolate(
        logits.float()[None], size=size, mode="bilinear", align_corners=False
    )[0]
