"""Pictures made in code: bars that stand or lie, in any colour."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from PIL import Image

CLASSES = ("lying", "standing")
#: A residual network of a few thousand weights.
TINY = {
    "model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1],
    "layer_type": "basic",
}  # fmt: skip


def bar(label: str, rng: np.random.Generator, size: int = 24) -> Any:
    """Return a picture of noise with a bright bar somewhere."""
    values = rng.integers(0, 90, (size, size, 3), np.uint8)
    place = int(rng.integers(2, size - 5))
    colour = rng.integers(150, 256, 3)
    if label == "standing":
        values[:, place : place + 3] = colour
    else:
        values[place : place + 3] = colour
    return Image.fromarray(values)


def folder(root: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """Write pictures into a folder a class below `root`, and return it."""
    rng = np.random.default_rng(seed)
    for label, count in counts.items():
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            bar(label, rng).save(root / label / f"{number:03}.png")
    return root


def as_bytes(image: Any, form: str = "png", **settings: Any) -> bytes:
    """Return a picture as a file."""
    file = io.BytesIO()
    image.save(file, form, **settings)
    return file.getvalue()


def tiny_vit(path: Path) -> Path:
    """Save a vision transformer of two layers with random weights, and its image processor."""
    transformers.set_seed(0)
    config = transformers.ViTConfig(
        image_size=24, patch_size=8, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, num_labels=3,
    )  # fmt: skip
    transformers.ViTForImageClassification(config).save_pretrained(path)
    transformers.ViTImageProcessorPil(size={"height": 24, "width": 24}).save_pretrained(path)
    return path
