"""From class scores of an image to its mask, a strip of rows at a time: memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from toolkit.evaluation.mask_files import Classes, dtype_for

AT_ONCE = 1 << 24  # class scores that are held at the size of the image: 64 MiB


class MaskStrips:
    """A predicted mask that is put together from strips of class scores.

    Args:
        size: (height, width) of the mask. classes: how many.
    """

    def __init__(self, size: tuple[int, int], classes: int) -> None:
        self.mask: Classes = np.zeros(size, dtype_for(classes))
        self._sure = 0.0

    def add(self, top: int, scores: Any) -> None:
        """Take the class scores (logits) of whole rows: a tensor (classes, rows, width)."""
        best = scores.amax(0)
        self._sure += float((best - scores.logsumexp(0)).exp().double().sum())
        # int32: uint16 cannot be computed with everywhere in torch
        found = scores.argmax(0).int().cpu().numpy()
        self.mask[top : top + found.shape[0]] = found

    @property
    def confidence(self) -> float:
        """The mean over pixels of the probability of the predicted class."""
        return self._sure / self.mask.size


def upsampled(logits: Any, size: tuple[int, int]) -> Iterator[tuple[int, Any]]:
    """Yield the first row and the scores of strips of an image's class scores at its own size.

    Bilinear, as `post_process_semantic_segmentation` of transformers: the same numbers where the
    image fits into one strip, and within rounding where it does not.

    Args:
        logits: (classes, height, width) of any size. size: (height, width) of the image.
    """
    import torch
    from torch.nn import functional

    logits = logits.float()
    classes, height, _ = logits.shape
    rows = max(1, AT_ONCE // (classes * size[1]))
    if rows >= size[0]:
        found = functional.interpolate(
            logits[None], size=size, mode="bilinear", align_corners=False
        )
        yield 0, found[0]
        return
    for top in range(0, size[0], rows):
        count = min(rows, size[0] - top)
        at = torch.arange(top, top + count, device=logits.device, dtype=torch.float64) + 0.5
        at = (at * (height / size[0]) - 0.5).clamp(min=0)
        above = at.floor().long().clamp(max=height - 1)
        below, share = (above + 1).clamp(max=height - 1), (at - above).float()[:, None]
        strip = logits[:, above] * (1 - share) + logits[:, below] * share
        wide = functional.interpolate(
            strip[None], size=(count, size[1]), mode="bilinear", align_corners=False
        )
        yield top, wide[0]


def mask_strips(
    logits: Any,
    size: tuple[int, int],
    classes: int | None = None,
    change: Callable[[Any], Any] | None = None,
) -> MaskStrips:
    """Return the mask of an image from its class scores (classes, height, width) of any size.

    Args:
        classes, change: where `logits` are no scores of classes: how many of these there are, and
            what makes their scores (classes, rows, width) of enlarged logits.
    """
    found = MaskStrips(size, len(logits) if classes is None else classes)
    for top, scores in upsampled(logits, size):
        found.add(top, scores if change is None else change(scores))
    return found
