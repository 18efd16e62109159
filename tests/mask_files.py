"""Small trees of images and masks made in code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image

WIDTH, HEIGHT = 24, 16


@dataclass(frozen=True)
class MaskOptions:
    """The options that masks are read with."""

    image: str = "image"
    mask: str = "mask"
    classes: Any = None
    ignore: Any = None
    on_corrupt: str = "error"


def ids(*values: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Return a mask of vertical stripes of values."""
    columns = np.arange(width) * len(values) // width
    return np.broadcast_to(np.array(values)[columns], (height, width)).copy()


def save(path: Path, values: np.ndarray, palette: Sequence[int] | None = None, **how: Any) -> Path:
    """Save an array as the file that the suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
        return path
    if path.suffix == ".npz":
        np.savez(path, values)
        return path
    if values.dtype not in (np.uint8, np.uint16, np.float32, bool):
        values = values.astype(np.uint8)
    image = Image.fromarray(values)
    if palette is not None:
        image.putpalette(list(palette))
    image.save(path, **how)
    return path


def photo(
    path: Path, seed: int = 0, width: int = WIDTH, height: int = HEIGHT, turn: int = 1
) -> Path:
    """Save an image of noise, with an EXIF orientation; width and height are as stored."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    image = Image.fromarray(noise)
    exif = image.getexif()
    if turn != 1:
        exif[0x0112] = turn
    image.save(path, exif=exif)
    return path


def tree(root: Path, masks: Mapping[str, np.ndarray], **how: Any) -> Path:
    """Write images/ with a photo for each mask, and masks/ with files of these names."""
    for number, (name, values) in enumerate(masks.items()):
        photo(root / "images" / f"{Path(name).stem}.jpg", number)
        save(root / "masks" / name, values, **how)
    return root


def rows_of(root: Path, image: str = "image", mask: str = "mask") -> datasets.Dataset:
    """Return a row of paths for each image and mask of a tree."""
    images = {path.stem: str(path) for path in (root / "images").iterdir()}
    masks = {path.stem: str(path) for path in (root / "masks").iterdir()}
    names = sorted(images)
    return datasets.Dataset.from_dict(
        {image: [images[name] for name in names], mask: [masks[name] for name in names]}
    )
