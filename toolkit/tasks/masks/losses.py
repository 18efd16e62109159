"""Losses of masks, which give the same whatever the number of accumulated batches and processes.

Each is a sum over images of what depends on the image alone, divided by the number of counted
pixels of all batches of a step, which the Trainer counts (`num_items_in_batch`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PositiveFloat

from toolkit.plugin_types import Options

if TYPE_CHECKING:
    import torch

LossName = Literal["cross_entropy", "dice", "focal", "cross_entropy+dice"]
PixelWeights = Annotated[
    Literal["balanced", "sqrt_balanced"] | dict[str, PositiveFloat] | None,
    Field(
        description="'balanced' (median frequency over the class's), 'sqrt_balanced' (the square "
        "root of it, milder where classes are of few pixels), or a weight per class; classes "
        "without one count 1"
    ),
]
IGNORED = -100  # what torch's losses ignore, and the Trainer does not count
FOCUS = 2.0  # gamma of the focal loss, as its authors recommend
SMOOTH = 1.0  # pixels that are added to both sides of Dice's ratio


class Losses(Options):
    """Options of a scenario of masks that say what is minimised."""

    loss: Annotated[LossName, Field(description="what is minimised")] = "cross_entropy"
    class_weights: PixelWeights = None


def pixel_loss(
    kind: LossName,
    weights: Sequence[float] | None = None,
    ignored: int = 255,
    smoothing: float = 0.0,
) -> Callable[..., Any]:
    """Return `f(outputs, labels, num_items_in_batch=None)` for logits of any size.

    Logits (images, classes, height, width) are enlarged to the labels (images, height, width)
    bilinearly. Pixels of -100 or `ignored` count nowhere. A Trainer counts all but those of -100 as
    items, so that with -100 alone a loss of pixels is their mean. "focal" is that of Lin et al.
    (2017), "dice" 1 less the soft Dice of Milletari et al. (2016, V-Net, without the squares):
    of each image the mean over classes, and of images the mean by their counted pixels.

    Args:
        weights: one per class. smoothing: label smoothing of the cross-entropy, 0 to 1.
    """
    import torch
    from torch.nn import functional

    given = None if weights is None else torch.tensor(weights, dtype=torch.float32)

    def loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        logits, labels = outputs.logits.float(), labels.long()
        if logits.shape[-2:] != labels.shape[-2:]:
            size = labels.shape[-2:]
            logits = functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        items = labels.ne(IGNORED).flatten(1).sum(1)
        labels = labels.masked_fill(labels == ignored, IGNORED)
        of_class = None if given is None else given.to(logits.device)
        found = logits.new_zeros(())
        if kind.startswith("cross_entropy"):
            found = found + functional.cross_entropy(
                logits, labels, of_class, reduction="sum", label_smoothing=smoothing
            )
        if kind == "focal":
            found = found + _focal(logits, labels, of_class)
        if kind.endswith("dice"):
            found = found + (_dice(logits, labels, of_class) * items).sum()
        whole = items.sum() if num_items_in_batch is None else num_items_in_batch
        return found / (whole.clamp(min=1) if hasattr(whole, "clamp") else max(whole, 1))

    return loss


def _focal(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None
) -> torch.Tensor:
    from torch.nn import functional

    shares = functional.nll_loss(logits.log_softmax(1), labels, reduction="none")
    found = (1 - (-shares).exp()) ** FOCUS * shares
    if weights is not None:
        found = found * weights[labels.clamp(min=0)]
    return found.masked_fill(labels == IGNORED, 0).sum()


def _dice(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """Return 1 less the mean over classes of each image's soft Dice, shape (images,)."""
    from torch.nn import functional

    counted = (labels != IGNORED)[:, None]
    actual = functional.one_hot(labels.clamp(min=0), logits.shape[1]).movedim(-1, 1) * counted
    predicted = logits.softmax(1) * counted
    shared = (predicted * actual).flatten(2).sum(-1)
    both = predicted.flatten(2).sum(-1) + actual.flatten(2).sum(-1)
    ratio = (2 * shared + SMOOTH) / (both + SMOOTH)
    if weights is None:
        return 1 - ratio.mean(1)
    return 1 - (ratio * weights).sum(1) / weights.sum()
