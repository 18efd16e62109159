"""Generated scenes of discs, squares and triangles with their boxes, as rows: `plugin:scenes`.

A documented simulator. Each image has a ground of two colours with a texture, clutter of lines and
specks, 0 to 8 shapes of random colour, size and turn, which may overlap, and noise. A colour says
nothing of the class. Boxes are tight around what is visible of a shape: at least 60% of what lies
within the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit_plugins.vision import generated

if TYPE_CHECKING:
    import datasets

CLASSES = ("disc", "square", "triangle")
VISIBLE = 0.6  # share of a shape's pixels that must be visible
EMPTY = 0.08  # share of images without a shape
SMOOTH = 3  # times as many pixels a side are drawn, and averaged

Array = np.ndarray[Any, Any]


def shapes(images: int = 600, seed: int = 0, size: int = 128) -> datasets.Dataset:
    """Return rows of `image` (an RGB PNG) and `objects` (box, label, crowd, area).

    Args:
        images: how many. seed: of numpy's generator. size: pixels a side, at least 32.

    Raises:
        ValueError: there are no images, or they are too small.
    """
    generated.require(images, size, least=32)
    rng = np.random.default_rng(seed)
    return generated.rows_of_objects(_scene(rng, size) for _ in range(images))


def _scene(rng: np.random.Generator, size: int) -> tuple[bytes, list[dict[str, Any]]]:
    """Return an image as PNG, and its objects."""
    image = _ground(rng, size)
    count = 0 if rng.random() < EMPTY else int(rng.integers(1, 9))
    own: list[tuple[str, Array, int]] = []  # label, visible pixels, and how many those were
    for _ in range(count):
        label = CLASSES[int(rng.integers(len(CLASSES)))]
        cover, at = _shape(rng, label, size)
        visible = cover > 0.5
        left = [(name, before & ~visible, whole) for name, before, whole in own]
        if any(before.sum() < VISIBLE * whole for _, before, whole in left):
            continue  # it would hide another one
        own = [*left, (label, visible, int(visible.sum()))]
        part = image[at]
        colour = _contrast(rng, part.mean(axis=(0, 1)))
        image[at] = part + cover[at][:, :, None] * (colour - part)
    image = image + rng.normal(0, rng.uniform(4, 14), image.shape)
    pixels = np.clip(np.round(image), 0, 255).astype(np.uint8)
    content = generated.png(pixels, compress_level=0)  # noise does not compress
    return content, [_object(label, visible) for label, visible, _ in own]


def _object(label: str, visible: Array) -> dict[str, Any]:
    """Return an object with the tight box of its visible pixels."""
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    return {
        "box": [float(edge) for edge in box],
        "label": label,
        "crowd": False,
        "area": float(visible.sum()),
    }


def _ground(rng: np.random.Generator, size: int) -> Array:
    """Return a ground that goes over from one colour to another, with a texture and clutter."""
    from PIL import Image, ImageDraw

    steps = np.linspace(0, 1, size)
    one, other = rng.uniform(30, 225, (2, 3))
    way = steps[:, None] if rng.random() < 0.5 else steps[None, :]
    mix = np.broadcast_to(way, (size, size))[:, :, None]
    coarse = rng.normal(0, 12, (size // 8 + 2, size // 8 + 2))
    texture = np.kron(coarse, np.ones((8, 8)))[:size, :size, None]
    values = np.clip(one + mix * (other - one) + texture, 0, 255).astype(np.uint8)
    image = Image.fromarray(values)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(2, 7))):  # lines
        ends = [tuple(rng.uniform(0, size, 2)) for _ in range(2)]
        draw.line([*ends[0], *ends[1]], fill=_colour(rng), width=int(rng.integers(1, 3)))
    for _ in range(int(rng.integers(3, 12))):  # specks, too small to be shapes
        x, y = rng.uniform(0, size, 2)
        half = rng.uniform(0.5, 1.5)
        draw.ellipse([x - half, y - half, x + half, y + half], fill=_colour(rng))
    return np.asarray(image, np.float64)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(part) for part in rng.integers(0, 256, 3))
    return red, green, blue


def _contrast(rng: np.random.Generator, ground: Array) -> Array:
    """Return a random colour that differs from what is below it."""
    for _ in range(20):
        colour = rng.uniform(0, 255, 3)
        if np.abs(colour - ground).max() > 70:
            break
    return np.asarray(colour)


def _shape(rng: np.random.Generator, label: str, size: int) -> tuple[Array, tuple[slice, slice]]:
    """Return which share of each pixel a shape covers, and the part of the image around it."""
    from PIL import Image, ImageDraw

    radius = rng.uniform(0.06, 0.17) * size
    x, y = rng.uniform(0.5 * radius, size - 0.5 * radius, 2)
    left, top = max(int(x - radius) - 1, 0), max(int(y - radius) - 1, 0)
    right, bottom = min(int(x + radius) + 2, size), min(int(y + radius) + 2, size)
    place = np.s_[top:bottom, left:right]
    center = ((x - left) * SMOOTH, (y - top) * SMOOTH)
    canvas = Image.new("L", ((right - left) * SMOOTH, (bottom - top) * SMOOTH))
    _draw(ImageDraw.Draw(canvas), rng, label, center, radius * SMOOTH)
    found = np.zeros((size, size))
    found[place] = np.asarray(canvas.reduce(SMOOTH), np.float64) / 255
    return found, place


def _draw(
    draw: Any, rng: np.random.Generator, label: str, center: tuple[float, float], radius: float
) -> None:
    x, y = center
    if label == "disc":
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
        return
    corners = 4 if label == "square" else 3
    turns = rng.uniform(0, 2 * np.pi) + np.arange(corners) * 2 * np.pi / corners
    draw.polygon([(x + radius * np.cos(turn), y + radius * np.sin(turn)) for turn in turns],
                 fill=255)  # fmt: skip
