"""Simulated blood smears: red cells, white cells and platelets, as rows: `plugin:blood-smears`.

A documented simulator. The ground is pale and unevenly lit, and the stain differs from image to
image, so that no color alone says what a cell is. Red cells are reddish discs with a paler middle,
white cells are larger and pale with a dark nucleus of several lobes, platelets are small and dark;
specks of dirt are as dark as platelets and smaller. Cells overlap, and some are cut by the edge.
Boxes are tight around the whole of a cell within the image, whatever covers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit_plugins.vision import generated

if TYPE_CHECKING:
    import datasets

Array = np.ndarray[Any, Any]
CLASSES = ("platelet", "red cell", "white cell")
#: Of each class: the least and largest radius, as shares of the side, and how many an image has.
RADII = {"platelet": (0.035, 0.05), "red cell": (0.075, 0.105), "white cell": (0.13, 0.19)}
COUNTS = {"platelet": (0, 3), "red cell": (2, 9), "white cell": (0, 2)}
EMPTY = 0.05  # share of images without a cell
APART = 0.7  # of the sum of two radii: cells are not nearer to each other
CUT = 0.6  # share of a box that lies within the image, at least


def smears(images: int = 500, seed: int = 0, size: int = 128) -> datasets.Dataset:
    """Return rows of `image` (an RGB PNG) and `objects` (box, label, crowd, area).

    Args:
        images: how many. seed: of numpy's generator. size: pixels a side, at least 64.

    Raises:
        ValueError: there are no images, or they are too small.
    """
    generated.require(images, size, least=64)
    rng = np.random.default_rng(seed)
    return generated.rows_of_objects(_smear(rng, size) for _ in range(images))


def _smear(rng: np.random.Generator, size: int) -> tuple[bytes, list[dict[str, Any]]]:
    """Return an image as PNG, and its objects."""
    canvas, stain = _ground(rng, size), rng.uniform(-0.06, 0.06, (3, 3))
    for _ in range(rng.integers(0, 6)):  # dirt
        _paint(canvas, rng.uniform(0, size, 2), rng.uniform(0.6, 1.2), (0.4, 0.25, 0.4), 0.8)
    objects, placed = list[dict[str, Any]](), list[tuple[float, float, float]]()
    counts = {name: int(rng.integers(low, high + 1)) for name, (low, high) in COUNTS.items()}
    if rng.random() < EMPTY:
        counts = dict.fromkeys(counts, 0)
    for name in sorted(counts, key=lambda name: -RADII[name][1]):  # large ones below
        for _ in range(counts[name]):
            radius = rng.uniform(*RADII[name]) * size
            middle = _free_place(rng, size, radius, placed)
            if middle is None:
                continue
            placed.append((*middle, radius))
            _cell(rng, canvas, name, middle, radius, stain)
            objects.append(_object(name, middle, radius, size))
    canvas += rng.normal(0, rng.uniform(0.01, 0.03), canvas.shape)
    values = (canvas.clip(0, 1) * 255).round().astype(np.uint8)
    return generated.png(values, compress_level=1), objects


def _ground(rng: np.random.Generator, size: int) -> Array:
    """Return a pale ground with light from one side, floats of shape (size, size, 3)."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.2)
    light = 1 + strength * (np.cos(angle) * x + np.sin(angle) * y)
    color = np.array([0.9, 0.84, 0.82]) + rng.uniform(-0.06, 0.06, 3)
    found: Array = light[:, :, None] * color
    return found


def _free_place(
    rng: np.random.Generator, size: int, radius: float, placed: list[tuple[float, float, float]]
) -> tuple[float, float] | None:
    """Return a middle that is not too near to other cells, or None after some tries."""
    margin = radius * (1 - 2 * (1 - CUT))
    for _ in range(12):
        x, y = rng.uniform(margin, size - margin, 2)
        if all(np.hypot(x - a, y - b) > APART * (radius + r) for a, b, r in placed):
            return float(x), float(y)
    return None


def _cell(
    rng: np.random.Generator,
    canvas: Array,
    name: str,
    middle: tuple[float, float],
    radius: float,
    stain: Array,
) -> None:
    at = np.array(middle)
    if name == "platelet":
        _paint(canvas, at, radius, np.array([0.5, 0.33, 0.58]) + stain[0], 0.9)
    elif name == "red cell":
        red = np.array([0.83, 0.55, 0.5]) + stain[1] + rng.uniform(-0.04, 0.04, 3)
        _paint(canvas, at, radius, red, 0.85)
        _paint(canvas, at, 0.45 * radius, red + 0.12, 0.7, soft=0.25 * radius)
    else:
        _paint(canvas, at, radius, np.array([0.8, 0.72, 0.82]) + stain[2], 0.85)
        turn = rng.uniform(0, 2 * np.pi)
        for lobe in range(rng.integers(2, 5)):
            away = 0.38 * radius * np.array([np.cos(turn + 2 * lobe), np.sin(turn + 2 * lobe)])
            _paint(canvas, at + away, 0.42 * radius, np.array([0.42, 0.28, 0.58]) + stain[0], 0.9)


def _paint(
    canvas: Array, middle: Any, radius: float, color: Any, opacity: float, soft: float = 0.7
) -> None:
    """Lay a disc with a soft edge (pixels) over a part of the canvas, in place."""
    size = len(canvas)
    x, y = middle
    reach = radius + 3 * soft + 1
    left, right = (int(np.clip(v, 0, size)) for v in (x - reach, x + reach + 1))
    top, bottom = (int(np.clip(v, 0, size)) for v in (y - reach, y + reach + 1))
    rows, columns = np.mgrid[top:bottom, left:right] + 0.5
    inside = 1 / (1 + np.exp((np.hypot(columns - x, rows - y) - radius) / (0.5 * soft)))
    share = opacity * inside[:, :, None]
    canvas[top:bottom, left:right] += share * (np.asarray(color) - canvas[top:bottom, left:right])


def _object(name: str, middle: tuple[float, float], radius: float, size: int) -> dict[str, Any]:
    x, y = middle
    box = [float(np.clip(v, 0, size)) for v in (x - radius, y - radius, x + radius, y + radius)]
    area = (box[2] - box[0]) * (box[3] - box[1])
    return {"box": box, "label": name, "crowd": False, "area": area}
