"""Images with discs and squares and their outlines as COCO has them, made in code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from PIL import Image, ImageDraw

CLASSES = ("disc", "square")
#: A Mask2Former of about 300,000 weights.
TINY: dict[str, Any] = {
    "model_type": "mask2former", "feature_size": 32, "mask_feature_size": 32, "hidden_dim": 32,
    "encoder_feedforward_dim": 64, "encoder_layers": 1, "num_attention_heads": 2,
    "dim_feedforward": 64, "decoder_layers": 2, "num_queries": 12, "train_num_points": 256,
    "backbone_config": {
        "model_type": "swin", "image_size": 64, "embed_dim": 16, "depths": [1, 1, 1, 1],
        "num_heads": [1, 1, 2, 2], "window_size": 4,
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
    },
}  # fmt: skip
EOMT: dict[str, Any] = {
    "model_type": "eomt", "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
    "image_size": 64, "patch_size": 8, "num_upscale_blocks": 1, "num_blocks": 1,
    "num_queries": 12, "train_num_points": 256, "num_register_tokens": 0, "mlp_ratio": 2,
}  # fmt: skip
MASKFORMER: dict[str, Any] = {
    "model_type": "maskformer", "fpn_feature_size": 32, "mask_feature_size": 32,
    "backbone_config": TINY["backbone_config"],
    "decoder_config": {
        "model_type": "detr", "d_model": 32, "encoder_layers": 1, "decoder_layers": 2,
        "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "num_queries": 12,
    },
}  # fmt: skip


def tiny(path: Path, config: dict[str, Any], names: Sequence[str] = CLASSES) -> Path:
    """Save a model of a config with random weights, and an image processor."""
    transformers.set_seed(0)
    facts = {name: value for name, value in config.items() if name != "model_type"}
    made = transformers.AutoConfig.for_model(
        config["model_type"], **facts, id2label=dict(enumerate(names)),
        label2id={name: place for place, name in enumerate(names)},
    )  # fmt: skip
    transformers.AutoModelForUniversalSegmentation.from_config(made).save_pretrained(path)
    transformers.SegformerImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(path)
    return path


def folder(root: Path, count: int, size: tuple[int, int] = (64, 96), seed: int = 0) -> Path:
    """Write images (height, width) with up to four objects and annotations.json; return `root`.

    The first image has no object, the second one a crowd, and an object with a box alone.
    """
    rng, (height, width) = np.random.default_rng(seed), size
    images, annotations = [], []
    root.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        image = Image.fromarray(rng.integers(80, 140, (height, width, 3), np.uint8))
        pen = ImageDraw.Draw(image)
        for place in range(int(rng.integers(1, 5)) if number else 0):
            kind, radius = int(rng.integers(2)), int(rng.integers(7, 12))
            x = 12 + (place % 2) * width // 2 + int(rng.integers(0, width // 2 - 24))
            y = 12 + (place // 2) * height // 2 + int(rng.integers(0, height // 2 - 22))
            outline = _outline(kind, x, y, radius)
            pen.polygon(outline, fill=((230, 40, 40), (40, 40, 230))[kind])
            flat = [float(value) for point in outline for value in point]
            annotations.append(_annotation(len(annotations) + 1, number, kind, flat))
        if number == 1:
            annotations[-1] |= {"iscrowd": 1}
            alone = _annotation(len(annotations) + 1, number, 0, [1.0, 1, 9, 1, 9, 9, 1, 9])
            annotations.append({**alone, "segmentation": []})
        name = f"{number:03}.png"
        image.save(root / name)
        images.append({"id": number, "file_name": name, "height": height, "width": width})
    categories = [{"id": place + 1, "name": name} for place, name in enumerate(CLASSES)]
    whole = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations.json").write_text(json.dumps(whole))
    return root


def _outline(kind: int, x: int, y: int, radius: int) -> list[tuple[float, float]]:
    if kind == 1:
        return [(x - radius, y - radius), (x + radius, y - radius), (x + radius, y + radius),
                (x - radius, y + radius)]  # fmt: skip
    turns = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    return [(float(x + radius * np.cos(t)), float(y + radius * np.sin(t))) for t in turns]


def _annotation(number: int, image: int, kind: int, flat: list[float]) -> dict[str, Any]:
    xs, ys = flat[::2], flat[1::2]
    left, top, width, height = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
    return {"id": number, "image_id": image, "category_id": kind + 1, "iscrowd": 0,
            "bbox": [left, top, width, height], "area": width * height,
            "segmentation": [flat]}  # fmt: skip
