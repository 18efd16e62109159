"""Generated microscope images of cells with their masks, as rows: `plugin:microscopy`.

A documented simulator, not data of a laboratory. Each image has its own colours of ground, cells
and nuclei, uneven light, noise and blur. Cells are deformed ellipses with a texture and an uneven
border, and have one nucleus each, which is darker or brighter than its cell. Debris of a nucleus's
grey and of a cell's grey lies beside them: it is background, and only its shape, its sharp edge and
that it has nothing within or around it tell. So no threshold of brightness separates the classes.

Masks have class numbers: 0 background, 1 cell (its body), 2 nucleus. Pixels on the border of two
classes, where blur leaves open which of both they are, are 255: ignored, 4% of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit_plugins.vision import generated

if TYPE_CHECKING:
    import datasets

CLASSES = ("background", "cell", "nucleus")
IGNORED = 255

Array = np.ndarray[Any, Any]


def microscopy(images: int = 260, seed: int = 0, size: int = 96) -> datasets.Dataset:
    """Return rows of `image` (an RGB PNG) and `mask` (a PNG of class numbers).

    Args:
        images: how many. seed: of numpy's generator. size: pixels a side, at least 32.

    Raises:
        ValueError: there are no images, or they are too small.
    """
    from toolkit_plugins.vision.masks import canonical

    generated.require(images, size, least=32)
    rng = np.random.default_rng(seed)
    scenes = (_scene(rng, size) for _ in range(images))
    made = (
        (generated.png(pixels, compress_level=3),
         generated.file(canonical.encoded(mask, CLASSES)))
        for pixels, mask in scenes
    )  # fmt: skip
    return generated.rows(made, "mask", canonical.feature())


def _scene(rng: np.random.Generator, size: int) -> tuple[Array, Array]:
    """Return the pixels (uint8, size x size x 3) and class numbers (uint8) of an image."""
    from scipy import ndimage

    labels = np.zeros((size, size), np.uint8)
    value = np.full((size, size), rng.uniform(0.46, 0.56))
    body, core = _greys(rng)
    coarse, fine = _texture(rng, size, 2.0), _texture(rng, size, 1.0)
    debris = int(rng.integers(4, 9))
    for _ in range(debris):  # below the cells
        shape = _blob(rng, size, rng.uniform(0.02, 0.07) * size)
        value[shape] = rng.choice([body, core]) + rng.normal(0, 0.02)
    for _ in range(int(rng.integers(3, 9))):
        radius = rng.uniform(0.08, 0.17) * size
        cell, nucleus = _cell(rng, size, radius)
        own = body + rng.normal(0, 0.03)
        value[cell] = own + 0.5 * coarse[cell]
        value[nucleus] = core + rng.normal(0, 0.02) + 0.3 * fine[nucleus]
        labels[cell], labels[nucleus] = 1, 2
    value = ndimage.gaussian_filter(value, rng.uniform(0.5, 0.9))
    value = value + _light(rng, size) + rng.normal(0, rng.uniform(0.01, 0.03), value.shape)
    return _coloured(rng, value), _with_open_borders(labels)


def _greys(rng: np.random.Generator) -> tuple[float, float]:
    """Return the greys of cells and nuclei: both may be darker or brighter than the ground."""
    body = rng.uniform(0.64, 0.76) if rng.random() < 0.5 else rng.uniform(0.26, 0.38)
    core = rng.uniform(0.08, 0.18) if rng.random() < 0.5 else rng.uniform(0.84, 0.95)
    return float(body), float(core)


def _around(size: int, center: tuple[float, float], reach: float) -> tuple[Any, Array, Array]:
    """Return the part of an image around a center, and the distances of its pixels from that."""
    first = [max(int(middle - reach), 0) for middle in center]
    last = [min(int(middle + reach) + 2, size) for middle in center]
    part = np.s_[first[0] : last[0], first[1] : last[1]]
    rows = np.arange(first[0], last[0])[:, None] - center[0]
    return part, rows, np.arange(first[1], last[1])[None, :] - center[1]


def _ellipse(
    rng: np.random.Generator, size: int, center: tuple[float, float], radius: float, rough: float
) -> Array:
    """Return which pixels a turned ellipse with an uneven border covers."""
    part, y, x = _around(size, center, 2.5 * radius)
    turn = rng.uniform(0, np.pi)
    longer = rng.uniform(1.0, 1.6)
    along = (x * np.cos(turn) + y * np.sin(turn)) / longer
    across = y * np.cos(turn) - x * np.sin(turn)
    angle = np.arctan2(across, along)
    edge = sum(
        rng.normal(0, rough / wave) * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
        for wave in (2, 3, 5)
    )
    found = np.zeros((size, size), bool)
    found[part] = np.hypot(along, across) <= radius * (1 + edge)
    return found


def _blob(rng: np.random.Generator, size: int, radius: float) -> Array:
    """Return which pixels a grain of debris covers: an ellipse or a polygon of straight sides."""
    center = (float(rng.uniform(0, size)), float(rng.uniform(0, size)))
    if rng.random() < 0.4:
        return _ellipse(rng, size, center, radius, 0.0)
    part, y, x = _around(size, center, 2 * radius)
    inside = np.hypot(y, x) <= 2 * radius
    for turn in rng.uniform(0, 2 * np.pi, 5):
        inside &= x * np.cos(turn) + y * np.sin(turn) <= radius * 0.9
    found = np.zeros((size, size), bool)
    found[part] = inside
    return found


def _cell(rng: np.random.Generator, size: int, radius: float) -> tuple[Array, Array]:
    """Return which pixels a cell and its nucleus cover."""
    center = (float(rng.uniform(0, size)), float(rng.uniform(0, size)))
    cell = _ellipse(rng, size, center, radius, 0.12)
    shift = rng.normal(0, 0.15 * radius, 2)
    middle = (center[0] + float(shift[0]), center[1] + float(shift[1]))
    nucleus = _ellipse(rng, size, middle, radius * rng.uniform(0.3, 0.45), 0.05)
    return cell, nucleus & cell


def _texture(rng: np.random.Generator, size: int, grain: float) -> Array:
    """Return smooth noise with a standard deviation of about 0.1."""
    from scipy import ndimage

    noise = ndimage.gaussian_filter(rng.normal(0, 1, (size, size)), grain)
    return np.asarray(noise * (0.1 / max(noise.std(), 1e-9)))


def _light(rng: np.random.Generator, size: int) -> Array:
    """Return uneven light: a slope over the image and a darker rim."""
    _, y, x = _around(size, (size / 2, size / 2), size)
    rows, columns = y / size, x / size
    turn, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.3)
    rim = rng.uniform(0.0, 0.2)
    return np.asarray(
        slope * (rows * np.sin(turn) + columns * np.cos(turn)) - rim * (rows**2 + columns**2)
    )


def _coloured(rng: np.random.Generator, value: Array) -> Array:
    """Return 8-bit colours: two of three images have a stain, one is grey."""
    stain = np.ones(3) if rng.random() < 1 / 3 else rng.uniform(0.6, 1.3, 3)
    colours = np.clip(value, 0, 1)[:, :, None] ** stain
    return np.asarray(np.round(colours * 255), np.uint8)


def _with_open_borders(labels: Array) -> Array:
    """Return class numbers with 255 where a pixel is the last one before another class.

    Of the two pixels on both sides of a border, that of the lower class is open.
    """
    found = labels.copy()
    padded = np.pad(labels, 1, mode="edge")
    around = np.max(
        [padded[1:-1, 2:], padded[1:-1, :-2], padded[2:, 1:-1], padded[:-2, 1:-1]], axis=0
    )
    found[around > labels] = IGNORED
    return found
