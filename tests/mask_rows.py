"""Images with masks made in code: discs with upright stripes and squares with level ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import transformers
from PIL import Image

CLASSES = ("ground", "disc", "square")
#: A SegFormer of a few thousand weights.
TINY = {
    "model_type": "segformer", "depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 16, 16],
    "num_attention_heads": [1, 1, 1, 1], "decoder_hidden_size": 16, "sr_ratios": [4, 2, 1, 1],
    "patch_sizes": [3, 3, 3, 3], "strides": [2, 2, 2, 2],
    "drop_path_rate": 0.0, "classifier_dropout_prob": 0.0,
}  # fmt: skip


def scene(rng: np.random.Generator, size: tuple[int, int] = (32, 32)) -> tuple[Any, Any]:
    """Return an image and its mask, (height, width): 0 ground, 1 disc, 2 square."""
    height, width = size
    values = rng.integers(80, 140, (height, width, 3), np.uint8)
    mask = np.zeros(size, np.uint8)
    y, x = np.mgrid[:height, :width]
    for number in (1, 2):
        top, left = rng.integers(6, height - 6), rng.integers(6, width - 6)
        side = int(rng.integers(5, 8))
        if number == 1:
            inside = (y - top) ** 2 + (x - left) ** 2 <= side**2
        else:
            inside = (abs(y - top) <= side) & (abs(x - left) <= side)
        mask[inside] = number
        striped = inside & ((x if number == 1 else y) % 4 < 2)
        values[inside] = rng.integers(200, 256, 3)
        values[striped] = rng.integers(0, 40, 3)
    return Image.fromarray(values), Image.fromarray(mask)


def folder(root: Path, count: int, seed: int = 0, size: tuple[int, int] = (32, 32)) -> Path:
    """Write images/ and masks/ below `root` with the names of the classes, and return it."""
    rng = np.random.default_rng(seed)
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        image, mask = scene(rng, size)
        image.save(root / "images" / f"{number:03}.png")
        mask.save(root / "masks" / f"{number:03}.png")
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return root


def tiny_segformer(path: Path) -> Path:
    """Save a SegFormer of these classes with random weights, and its image processor."""
    transformers.set_seed(0)
    config = {name: value for name, value in TINY.items() if name != "model_type"}
    made = transformers.SegformerConfig(**config, id2label=dict(enumerate(CLASSES)))
    transformers.SegformerForSemanticSegmentation(made).save_pretrained(path)
    transformers.SegformerImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(path)
    return path
