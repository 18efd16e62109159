"""Images, boxes and masks of a batch moved by one matrix each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit_plugins.vision.canvas import IGNORED

if TYPE_CHECKING:
    from toolkit_plugins.vision.canvas import Canvas
    from toolkit_plugins.vision.dense_augment import Moved

MOST_HALVINGS = 3
EDGE = 1e-5  # of half a side: by which a point may lie outside through rounding


def warped(batch: Moved, matrices: Any, canvas: Canvas, min_visible: float) -> Moved:
    """Return a batch whose images, boxes and masks have been moved.

    Args:
        matrices: (rows, 3, 3), from points of an image to those of the moved one.
        min_visible: boxes of which a smaller share stays within the image are dropped.
    """
    import torch
    from torch.nn import functional

    content = batch.content.to(batch.images.device)
    grid, inside = _sources(matrices, content, *batch.images.shape[-2:])
    images = _sampled(batch.images, grid.to(batch.images.dtype), content, matrices)
    fill = torch.tensor(canvas.fill, device=images.device, dtype=images.dtype)
    images = torch.where(inside[:, None], images, fill.view(1, -1, 1, 1))
    masks = batch.masks
    if masks is not None:
        near = functional.grid_sample(masks[:, None].float(), grid, "nearest", "border", False)
        masks = torch.where(inside, near[:, 0].to(torch.uint8), IGNORED)
    batch = batch._replace(images=images, masks=masks)
    if batch.boxes is None or batch.kept is None or batch.visible is None:
        return batch
    boxes, kept, visible = [], [], []
    for row, given in enumerate(batch.boxes):
        hulls = hull(given, matrices[row].to(given))
        limits = content[row].flip(0).to(given)
        limits = torch.cat([torch.zeros_like(limits), limits])
        clipped, left, stays = clip(hulls, given, limits, min_visible, batch.visible[row])
        boxes.append(clipped[stays])
        kept.append(batch.kept[row][stays])
        visible.append(left[stays])
    return batch._replace(boxes=boxes, kept=kept, visible=visible)


def hull(boxes: Any, matrix: Any) -> Any:
    """Return the upright boxes around the moved corners of boxes (n, 4)."""
    import torch

    x, y = boxes[:, [0, 2, 2, 0]], boxes[:, [1, 1, 3, 3]]
    found = torch.stack([x, y, torch.ones_like(x)], -1) @ matrix.T
    return torch.cat([found[..., :2].amin(1), found[..., :2].amax(1)], 1)


def clip(
    boxes: Any, before: Any, limits: Any, min_visible: float, visible: Any
) -> tuple[Any, Any, Any]:
    """Return boxes within limits (left, top, right, bottom), what is left of them, and which stay.

    One stays if enough of its area is visible, and neither side has become less than a pixel.

    Args:
        before: the boxes as they were. visible: (n,) the share of its area that was left of each
            already, by which it is judged: two cuts of a half leave a quarter.
    """
    import torch

    low, high = limits[:2].repeat(2), limits[2:].repeat(2)
    found = torch.minimum(torch.maximum(boxes, low), high)
    sides, whole = found[:, 2:] - found[:, :2], boxes[:, 2:] - boxes[:, :2]
    enough = sides.prod(1) * visible >= min_visible * whole.prod(1)
    thin = (sides < 1).any(1) & (before[:, 2:] - before[:, :2] >= 1).all(1)
    left = visible * sides.prod(1) / whole.prod(1).clamp(min=1e-12)
    return found, left, enough & ~thin & (sides > 0).all(1)


def _sources(matrices: Any, content: Any, height: int, width: int) -> tuple[Any, Any]:
    """Return where each pixel of the canvas comes from (rows, height, width, 2), and if it does.

    Points are as grid_sample takes them: -1 and 1 are the outer edges of the canvas. A pixel comes
    from somewhere where both it and its source are within the content.
    """
    import torch

    device = content.device
    # In one matrix, from pixels to -1..1 of the source.
    units = torch.diag(torch.tensor([2 / width, 2 / height, 1.0], dtype=torch.double))
    units[:2, 2] = -1
    inverse = (units @ torch.linalg.inv(matrices.double().cpu())).float().to(device)[..., None]
    x = torch.arange(width, device=device) + 0.5
    y = torch.arange(height, device=device) + 0.5
    planes, inside = [], torch.ones((), dtype=torch.bool, device=device)
    for axis, side in ((0, width), (1, height)):
        plane = (inverse[:, axis, 0] * x)[:, None] + (
            inverse[:, axis, 1] * y + inverse[:, axis, 2]
        )[:, :, None]
        far = content[:, 1 - axis, None, None] * (2 / side) - 1
        inside = inside & (plane > -1 - EDGE) & (plane < far + EDGE)
        planes.append(plane)
    within = (x < content[:, 1, None])[:, None] & (y < content[:, 0, None])[:, :, None]
    return torch.stack(planes, -1), inside & within


def _sampled(images: Any, grid: Any, content: Any, matrices: Any) -> Any:
    """Sample images, those that become much smaller from ones that have been averaged down."""
    import torch

    shrunk = matrices[:, :2, :2].double().det().abs().rsqrt()
    levels = shrunk.clamp(min=1).log2().round().long().clamp(max=MOST_HALVINGS)
    every = levels.unique().tolist()
    if len(every) == 1:
        return _sampled_at(images, grid, content, every[0])
    found = torch.empty_like(images)
    for level in every:
        rows = (levels == level).nonzero()[:, 0].to(images.device)
        found[rows] = _sampled_at(images[rows], grid[rows], content[rows], level)
    return found


def _sampled_at(images: Any, grid: Any, content: Any, level: int) -> Any:
    from torch.nn import functional

    height, width = images.shape[-2:]
    step = 2**level
    while height % step or width % step:
        step //= 2
    if (content != content.new_tensor([height, width])).any():
        # Not nearer to the edge than the center of a pixel: what lies beyond it is padding.
        far = (content.flip(1) - step / 2).clamp(min=step / 2)[:, None, None]
        grid = grid.minimum((far / far.new_tensor([width, height]) * 2 - 1).to(grid))
    images = functional.avg_pool2d(images, step) if step > 1 else images
    return functional.grid_sample(images, grid, "bilinear", "border", False)
