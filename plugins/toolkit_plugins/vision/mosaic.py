"""Mosaic: four images of a batch in one (Bochkovskiy et al. 2020, section 3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit_plugins.vision.warp import clip

if TYPE_CHECKING:
    from toolkit_plugins.vision.dense_augment import Moved

CENTER = 0.3  # share of the canvas that the four keep from its edges where they meet


def joined(batch: Moved, share: float, min_visible: float) -> Moved:
    """Return a batch in which a share of the images, drawn at random, is made of four each.

    Each quarter shows a random part of an image, shrunk so that it covers the quarter. Such an
    image covers the canvas.
    """
    import torch

    rows = len(batch.images)
    height, width = batch.images.shape[-2:]
    drawn = torch.rand(rows) < share
    others = torch.randint(rows, (rows, 3))
    centers = CENTER + (1 - 2 * CENTER) * torch.rand(rows, 2)
    windows = torch.rand(rows, 4, 2)
    chosen = drawn.nonzero()[:, 0].tolist()
    if not chosen:
        return batch
    content, content_of = batch.content.clone(), batch.content.tolist()
    masks = None if batch.masks is None else batch.masks.clone()
    found = batch._replace(
        images=batch.images.clone(),
        masks=masks,
        content=content,
        boxes=None if batch.boxes is None else list(batch.boxes),
        kept=None if batch.kept is None else list(batch.kept),
        visible=None if batch.visible is None else list(batch.visible),
    )
    for row in chosen:
        middle = [round(float(centers[row, at]) * (height, width)[at]) for at in (0, 1)]
        sources = [row, *others[row].tolist()]
        quarters = _quarters(middle[0], middle[1], height, width)
        tiles = []
        for source, quarter, where in zip(sources, quarters, windows[row].tolist(), strict=True):
            tiles.append((source, quarter, _window(quarter, content_of[source], where)))
        content[row] = torch.tensor([height, width])
        _fill(found, row, batch, tiles, min_visible)
    return found


Box = tuple[int, int, int, int]  # top, left, bottom, right


def _quarters(down: int, across: int, height: int, width: int) -> list[Box]:
    return [
        (top, left, bottom, right)
        for top, bottom in ((0, down), (down, height))
        for left, right in ((0, across), (across, width))
    ]


def _fill(
    found: Moved, row: int, batch: Moved, tiles: list[tuple[int, Box, Box]], min_visible: float
) -> None:
    """Write the quarters of one image: each a (source, quarter, window of the source)."""
    import torch

    boxes, kept, visible = [], [], []
    for source, quarter, window in tiles:
        _paste(found.images[row], batch.images[source], quarter, window)
        if found.masks is not None and batch.masks is not None:
            _paste(found.masks[row][None], batch.masks[source][None], quarter, window)
        if batch.boxes is not None and batch.kept is not None and batch.visible is not None:
            left = batch.visible[source]
            new, left, stays = _moved(batch.boxes[source], quarter, window, min_visible, left)
            boxes.append(new[stays])
            kept.append(batch.kept[source][stays])
            visible.append(left[stays])
    if found.boxes is not None and found.kept is not None and found.visible is not None:
        found.boxes[row], found.kept[row] = torch.cat(boxes), torch.cat(kept)
        found.visible[row] = torch.cat(visible)


def _window(quarter: Box, content: list[int], where: list[float]) -> Box:
    """Return the part of an image that has the shape of a quarter: as large a one as there is."""
    top, left, bottom, right = quarter
    scale = max((bottom - top) / content[0], (right - left) / content[1])
    height = min(content[0], max(1, round((bottom - top) / scale)))
    width = min(content[1], max(1, round((right - left) / scale)))
    y, x = round(where[0] * (content[0] - height)), round(where[1] * (content[1] - width))
    return y, x, y + height, x + width


def _paste(target: Any, source: Any, quarter: Box, window: Box) -> None:
    """Resize the window of one into the quarter of another: images, or masks (uint8) by nearest.

    Both are channels x height x width.
    """
    import torch
    from torch.nn import functional

    top, left, bottom, right = quarter
    part = source[None, :, window[0] : window[2], window[1] : window[3]]
    size = (bottom - top, right - left)
    if source.dtype == torch.uint8:
        found = functional.interpolate(part.float(), size, mode="nearest-exact")
        target[:, top:bottom, left:right] = found[0].round().to(torch.uint8)
    else:
        found = functional.interpolate(part, size, mode="bilinear", antialias=True)
        target[:, top:bottom, left:right] = found[0]


def _moved(
    boxes: Any, quarter: Box, window: Box, min_visible: float, visible: Any
) -> tuple[Any, Any, Any]:
    """Return the boxes of an image within its quarter, as `clip` does."""
    import torch

    top, left, bottom, right = quarter
    across = (right - left) / (window[3] - window[1])
    down = (bottom - top) / (window[2] - window[0])
    corner = boxes.new_tensor([window[1], window[0]] * 2)
    new = (boxes - corner) * boxes.new_tensor([across, down] * 2)
    new = new + boxes.new_tensor([left, top] * 2)
    limits = torch.tensor([left, top, right, bottom]).to(boxes)
    return clip(new, boxes, limits, min_visible, visible)
