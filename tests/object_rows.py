"""Images with objects made in code, written in the forms of annotation tools; a tiny detector."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import annotated_trees
import detectors
import numpy as np
import transformers
from box_scenes import box, png

CLASSES = ("large", "small")
SIDE = 64


def scenes(count: int, seed: int = 0) -> list[tuple[bytes, list[Any]]]:
    """Return images of a large red and a small blue square, and their objects.

    Of ten images one has none.
    """
    rng = np.random.default_rng(seed)
    return [_scene(rng, place % 10 != 9) for place in range(count)]


def _scene(rng: np.random.Generator, objects: bool) -> tuple[bytes, list[Any]]:
    pixels, found = np.full((SIDE, SIDE, 3), 230), []
    kinds = (("large", 24, (200, 30, 30), 0), ("small", 12, (30, 30, 200), 32))
    for label, side, colour, across in kinds if objects else ():
        top, left = int(rng.integers(1, 63 - side)), across + int(rng.integers(1, 31 - side))
        pixels[top : top + side, left : left + side] = colour
        found.append(box(left, top, left + side, top + side, label))
    return png(pixels + rng.integers(-9, 9, pixels.shape)), found


def small_things(
    rng: np.random.Generator, count: int = 5, side: int = 10, size: tuple[int, int] = (200, 150)
) -> tuple[bytes, list[Any]]:
    """Return an image of (width, height) with small red and blue squares, and its objects."""
    pixels, objects = np.full((size[1], size[0], 3), 230), []
    across = size[0] // 24
    for place in rng.permutation(across * (size[1] // 24))[:count].tolist():
        row, column = divmod(place, across)
        left, top = (24 * at + int(rng.integers(1, 22 - side)) for at in (column, row))
        colour = ((200, 30, 30), (30, 30, 200))[place % 2]
        pixels[top : top + side, left : left + side] = colour
        objects.append(box(left, top, left + side, top + side, CLASSES[place % 2]))
    return png(pixels + rng.integers(-9, 9, pixels.shape)), objects


def written(root: Path, made: Sequence[tuple[bytes, list[Any]]]) -> Path:
    """Write images with their objects as images/ and annotations.json, and return the folder."""
    boxes = {
        f"{place:03}.png": [(one["label"], _sides(one["box"])) for one in objects]
        for place, (_, objects) in enumerate(made)
    }
    _images(root / "images", [content for content, _ in made])
    annotated_trees.coco(root / "annotations.json", boxes, CLASSES)
    return root


def coco(root: Path, count: int, seed: int = 0) -> Path:
    """Write images/ and annotations.json below `root`, and return it."""
    return written(root, scenes(count, seed))


def voc(root: Path, count: int, seed: int = 0) -> Path:
    """Write JPEGImages/ and Annotations/ below `root`, and return it."""
    made = scenes(count, seed)
    _images(root / "JPEGImages", [content for content, _ in made])
    for place, (_, objects) in enumerate(made):
        corners = [(one["label"], [one["box"][0] + 1, one["box"][1] + 1, *one["box"][2:]])
                   for one in objects]  # fmt: skip
        annotated_trees.voc(
            root / "Annotations" / f"{place:03}.xml", corners, size=(SIDE, SIDE),
            source="The VOC2007 Database",
        )  # fmt: skip
    return root


def recipe(path: Path, source: Path, model: str = "rt_detr_v2", **more: Any) -> str:
    """Write the recipe of a tiny detector from scratch, and return its path."""
    path.write_text(json.dumps({
        "scenario": "object-detection", "description": "Squares.",
        "model": {"from_config": detectors.config(model)}, "data": {"source": str(source)}, **more,
    }))  # fmt: skip
    return str(path)


def tiny_detector(path: Path) -> Path:
    """Save a DETR of two classes with random weights, and its image processor."""
    transformers.set_seed(0)
    given = dict(detectors.config("detr"))
    given.pop("model_type")
    backbone = {k: v for k, v in given.pop("backbone_config").items() if k != "model_type"}
    config = transformers.DetrConfig(backbone_config=transformers.ResNetConfig(**backbone), **given)
    config.id2label = dict(enumerate(CLASSES))
    config.label2id = {name: place for place, name in enumerate(CLASSES)}
    transformers.DetrForObjectDetection(config).save_pretrained(path)
    size = {"height": SIDE, "width": SIDE}
    transformers.DetrImageProcessorPil(size=size, do_pad=False).save_pretrained(path)
    return path


def _images(folder: Path, contents: Sequence[bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for place, content in enumerate(contents):
        (folder / f"{place:03}.png").write_bytes(content)


def _sides(box: Sequence[float]) -> list[float]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]
