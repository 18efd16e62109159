"""Data augmentation of images with their boxes or masks, on whole batches, on the training device.

Flips, crops, rotations and the rest become one matrix per image, so that pixels are resampled once.
Colors are kornia's. Everything is drawn from torch's own generator, whose state checkpoints keep.

Coordinates are edges of pixels, as in `canvas`: the center of the first pixel is 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from toolkit_plugins.vision.augment import Share, require_kornia

if TYPE_CHECKING:
    from toolkit_plugins.vision.canvas import Canvas

Images = Any  # a float tensor from 0 to 1, rows x channels x height x width
ASPECT = 0.9  # least change of the aspect ratio of a crop, and its inverse the largest
ZOOMED = 0.5  # share of images that are zoomed out, where that is asked for
Places = tuple[Any, Any, Any]  # points on the canvas, in the source image, and whether it is there


class DenseAugment(BaseModel):
    """Data augmentation of boxes and masks, drawn anew in each epoch; what is not named is off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: Literal["horizontal", "vertical", "both"] | None = Field(
        default=None, description="mirrors half of the images"
    )
    crop: Share | None = Field(
        default=None, description="smallest share of the area of a random crop"
    )
    zoom_out: Annotated[float, Field(gt=1, le=16)] | None = Field(
        default=None,
        description="largest factor by which half of the images are shrunk onto padding",
    )
    rotate: Annotated[float, Field(gt=0, le=180)] | None = Field(
        default=None, description="largest random rotation, in degrees, to either side"
    )
    shift: Share | None = Field(
        default=None, description="largest random shift, as a share of the side"
    )
    scale: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="largest random change of size, as a share, in both directions"
    )
    mosaic: Share | None = Field(
        default=None, description="share of images made of four images of the batch"
    )
    colour: Share | None = Field(
        default=None, description="strength of random brightness, contrast and saturation"
    )
    blur: Share | None = Field(default=None, description="share of images that are blurred")
    noise: Share | None = Field(
        default=None, description="largest standard deviation of random noise, white being 1"
    )
    min_visible: Share = Field(
        default=0.3, description="share of a box's area that must stay within the image"
    )

    @property
    def moves(self) -> bool:
        """Whether pixels change their place, the mosaic aside."""
        return any((self.flip, self.crop, self.zoom_out, self.rotate, self.shift, self.scale))


class Moved(NamedTuple):
    """An augmented batch.

    boxes: per image (n, 4) left, top, right, bottom in canvas pixels; None where none were given.
    kept: per image, the places of its boxes in the concatenation of all boxes of the given batch
    (int64 of shape (n,)): `torch.cat(labels)[kept[i]]` are their labels. visible: per image, which
    share of its area is left of each box (n,), of all changes so far. masks: uint8. content:
    (rows, 2) height and width; the rest of the canvas is padding.
    """

    images: Images
    boxes: list[Any] | None
    kept: list[Any] | None
    visible: list[Any] | None
    masks: Any | None
    content: Any


Change = Callable[[Images, Sequence[Any] | None, Any | None, Any], Moved]


def moved(wanted: DenseAugment | None, canvas: Canvas) -> Change:
    """Return the function from a batch to one that is randomly augmented.

    It takes images (floats from 0 to 1, rows x channels x height x width), boxes (a list of (n, 4)
    tensors, canvas pixels) or None, masks (rows x height x width, uint8) or None, and the contents
    (rows x 2, height and width). Boxes of which less than `min_visible` stays in the image are
    dropped, others are clipped. Masks are resampled by nearest, 255 where there is no image.

    Raises:
        UserError: kornia is not installed.
    """
    if wanted is None:
        return _unchanged
    require_kornia()
    from toolkit_plugins.vision import mosaic, warp

    colours = _on_colours(wanted, canvas.mode == "L")

    def change(
        images: Images, boxes: Sequence[Any] | None, masks: Any | None, content: Any
    ) -> Moved:
        batch = _unchanged(images, boxes, masks, content)
        batch = batch._replace(images=colours(images))
        if wanted.moves:
            batch = warp.warped(batch, matrices(wanted, batch.content), canvas, wanted.min_visible)
        if wanted.mosaic:
            batch = mosaic.joined(batch, wanted.mosaic, wanted.min_visible)
        return batch

    return change


def _unchanged(
    images: Images, boxes: Sequence[Any] | None, masks: Any | None, content: Any
) -> Moved:
    import torch

    size = torch.as_tensor(content, device=images.device)
    if boxes is None:
        return Moved(images, None, None, None, masks, size)
    counts = [len(item) for item in boxes]
    kept = list(torch.split(torch.arange(sum(counts), device=images.device), counts))
    given = [item.to(images.device, images.dtype).reshape(-1, 4) for item in boxes]
    return Moved(images, given, kept, [item.new_ones(len(item)) for item in given], masks, size)


def matrices(wanted: DenseAugment, content: Any) -> Any:
    """Draw, per image, the matrix from its points to those of the augmented one.

    Args:
        content: (rows, 2) height and width of the images, which keep their size.

    Returns:
        A float tensor of shape (rows, 3, 3), on the CPU.
    """
    import torch

    size = content.detach().cpu().float()
    height, width = size[:, 0], size[:, 1]
    rows, found = len(size), torch.eye(3).expand(len(size), 3, 3)

    def between(low: float, high: float) -> Any:
        return torch.rand(rows) * (high - low) + low

    if wanted.flip is not None:
        signs = [1 - 2 * (torch.rand(rows) < 0.5).float() for _ in range(2)]
        one = torch.ones(rows)
        across = signs[0] if wanted.flip in ("horizontal", "both") else one
        down = signs[1] if wanted.flip in ("vertical", "both") else one
        found = _about_center(_scaling(across, down), width, height) @ found
    if wanted.rotate or wanted.scale:
        angle = torch.deg2rad(between(-1, 1) * (wanted.rotate or 0.0))
        factor = 1 + between(-1, 1) * (wanted.scale or 0.0)
        found = _about_center(_rotation(angle) @ _scaling(factor, factor), width, height) @ found
    if wanted.shift:
        found = _shift(between(-1, 1) * wanted.shift * width,
                       between(-1, 1) * wanted.shift * height) @ found  # fmt: skip
    zoomed = torch.rand(rows) < ZOOMED if wanted.zoom_out else torch.zeros(rows, dtype=torch.bool)
    if wanted.crop:
        area, aspect = between(wanted.crop, 1), torch.exp(between(-1, 1) * _log(1 / ASPECT))
        shares = ((area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1))
        w, h = (torch.where(zoomed, 1.0, share) for share in shares)
        corner = _shift(-between(0, 1) * (1 - w) * width, -between(0, 1) * (1 - h) * height)
        found = _scaling(1 / w, 1 / h) @ corner @ found
    if wanted.zoom_out:
        factor = torch.where(zoomed, 1 / between(1, wanted.zoom_out), 1.0)
        rest = 1 - factor
        corner = _shift(between(0, 1) * rest * width, between(0, 1) * rest * height)
        found = corner @ _scaling(factor, factor) @ found
    return found


def _log(value: float) -> float:
    import math

    return math.log(value)


def _scaling(across: Any, down: Any) -> Any:
    import torch

    return torch.diag_embed(torch.stack([across, down, torch.ones_like(across)], 1))


def _rotation(angle: Any) -> Any:
    import torch

    sin, cos = angle.sin(), angle.cos()
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], 1).view(-1, 3, 3)


def _shift(across: Any, down: Any) -> Any:
    import torch

    found = torch.eye(3).repeat(len(across), 1, 1)
    found[:, 0, 2], found[:, 1, 2] = across, down
    return found


def _about_center(matrix: Any, width: Any, height: Any) -> Any:
    return _shift(width / 2, height / 2) @ matrix @ _shift(-width / 2, -height / 2)


def _on_colours(wanted: DenseAugment, grey: bool) -> Callable[[Images], Images]:
    """Return the function that changes values and moves nothing."""
    import kornia.augmentation as k
    import torch

    steps: list[Any] = []
    if (strength := wanted.colour) is not None:
        steps.append(k.ColorJitter(strength, strength, strength, 0.0, p=1.0))
    if wanted.blur:
        steps.append(k.RandomGaussianBlur((5, 5), (0.1, 2.0), p=wanted.blur))

    def change(images: Images) -> Images:
        if steps:
            images = images.expand(-1, 3, -1, -1) if grey else images
            for step in steps:
                images = step(images)
            images = images.mean(1, keepdim=True) if grey else images
        if wanted.noise:
            strength = (torch.rand(len(images), 1, 1, 1) * wanted.noise).to(images.device)
            images = images + torch.randn(images.shape).to(images.device) * strength
        return images.clamp(0, 1) if steps or wanted.noise else images

    return change
