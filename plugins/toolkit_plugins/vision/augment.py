"""Data augmentation on whole batches, on the training device.

Everything is drawn from torch's own generator, whose state checkpoints keep: the same seed gives
the same images, and a resumed run continues with those that it would have had.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from toolkit.errors import UserError
from toolkit.utils.packages import extra

if TYPE_CHECKING:
    from toolkit_plugins.vision.image_processing import View

Images = Any  # a float tensor from 0 to 1, rows x channels x height x width


def require_kornia() -> None:
    """Raise UserError where kornia is not installed."""
    try:
        import kornia  # noqa: F401
    except ImportError:
        what = f"options.augment needs kornia: {extra('vision')}, or set it to null"
        raise UserError(what) from None


def changes(wanted: Augment | None, view: View) -> Callable[[Images], Images]:
    """Return the function from canvases to randomly augmented images of the model's size."""
    if wanted is None:
        return lambda images: _middle(images, view)
    require_kornia()
    import torch

    colour, black = _on_colours(wanted), _geometry(wanted, view)
    erase = _erasing(wanted)
    grey = view.mode == "L"

    def change(images: Images) -> Images:
        for step in black:
            images = step(images)
        if wanted.crop is None:
            images = _middle(images, view)
        if colour:
            images = images.expand(-1, 3, -1, -1) if grey else images
            for step in colour:
                images = step(images)
            images = images.mean(1, keepdim=True) if grey else images
        images = erase(images) if erase else images
        return torch.clamp(images, 0, 1)

    return change


def _middle(images: Images, view: View) -> Images:
    (height, width), (h, w) = view.canvas, view.final
    top, left = (height - h) // 2, (width - w) // 2
    return images[:, :, top : top + h, left : left + w]


def _geometry(wanted: Augment, view: View) -> list[Any]:
    import kornia.augmentation as k

    found: list[Any] = []
    if wanted.rotate or wanted.shift:
        shift = (wanted.shift, wanted.shift) if wanted.shift else None
        found.append(k.RandomAffine(wanted.rotate or 0.0, translate=shift, p=1.0))
    if wanted.crop is not None:
        found.append(k.RandomResizedCrop(view.final, scale=(wanted.crop, 1.0), p=1.0))
    if wanted.flip in ("horizontal", "both"):
        found.append(k.RandomHorizontalFlip(p=0.5))
    if wanted.flip in ("vertical", "both"):
        found.append(k.RandomVerticalFlip(p=0.5))
    return found


def _on_colours(wanted: Augment) -> list[Any]:
    import kornia.augmentation as k

    found: list[Any] = []
    if wanted.colour:
        found.append(k.ColorJitter(wanted.colour, wanted.colour, wanted.colour, 0.0, p=1.0))
    if wanted.policy == "trivial_augment":
        found.append(k.auto.TrivialAugment())
    elif wanted.policy == "rand_augment":
        found.append(k.auto.RandAugment(n=2, m=9))
    return found


def _erasing(wanted: Augment) -> Any:
    import kornia.augmentation as k

    return k.RandomErasing(p=wanted.random_erasing) if wanted.random_erasing else None


def mix(images: Images, labels: Any, classes: int, wanted: Augment) -> tuple[Images, Any]:
    """Return images mixed with others of the batch, and labels as shares of the classes.

    mixup: Zhang, Cisse, Dauphin and Lopez-Paz 2018, equation 1. CutMix: Yun et al. 2019, section 3.

    Args:
        labels: class ids of shape (rows,).
    """
    import torch
    from torch.nn import functional

    shares = functional.one_hot(labels, classes).to(images.dtype)
    cuts = wanted.cutmix is not None and (wanted.mixup is None or bool(torch.rand(()) < 0.5))
    alpha = torch.tensor(float((wanted.cutmix if cuts else wanted.mixup) or 1.0))
    kept = float(torch.distributions.Beta(alpha, alpha).sample())
    order = torch.randperm(len(images)).to(images.device)
    if cuts:
        images, kept = _pasted(images, images[order], kept)
    else:
        images = kept * images + (1 - kept) * images[order]
    return images, kept * shares + (1 - kept) * shares[order]


def _pasted(images: Images, others: Images, kept: float) -> tuple[Images, float]:
    """Paste a box of other images into these; return them and the share that remains."""
    import torch

    height, width = images.shape[-2:]
    side = (1 - kept) ** 0.5
    y, x = (int(torch.randint(size, ())) for size in (height, width))
    half = round(height * side / 2), round(width * side / 2)
    top, bottom = max(y - half[0], 0), min(y + half[0], height)
    left, right = max(x - half[1], 0), min(x + half[1], width)
    found = images.clone()
    found[..., top:bottom, left:right] = others[..., top:bottom, left:right]
    return found, 1 - (bottom - top) * (right - left) / (height * width)


Share = Annotated[float, Field(gt=0, le=1)]


class Augment(BaseModel):
    """Data augmentation, drawn anew in each epoch; what is not named is off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crop: Share | None = Field(
        default=None, description="smallest share of the area of a random crop"
    )
    shift: Share | None = Field(
        default=None, description="largest random shift, as a share of the side"
    )
    rotate: float | None = Field(
        default=None,
        gt=0,
        le=180,
        description="largest random rotation, in degrees, to either side",
    )
    flip: Literal["horizontal", "vertical", "both"] | None = Field(
        default=None, description="mirrors half of the images"
    )
    colour: Share | None = Field(
        default=None, description="strength of random brightness, contrast and saturation"
    )
    policy: Literal["trivial_augment", "rand_augment"] | None = Field(
        default=None, description="TrivialAugment (2021) or RandAugment (2020), as kornia has them"
    )
    random_erasing: Share | None = Field(
        default=None, description="share of images with a random patch erased"
    )
    mixup: PositiveFloat | None = Field(default=None, description="alpha of mixup (2018)")
    cutmix: PositiveFloat | None = Field(
        default=None, description="alpha of CutMix (2019); with mixup each takes every other batch"
    )

    @property
    def mixes(self) -> bool:
        """Whether images are mixed with others of their batch (mixup, CutMix)."""
        return bool(self.mixup or self.cutmix)
