"""Images of discs and squares before sky and ground, as COCO's panoptic form has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

#: name -> (category id, whether it is a thing); of each segment the id is 256 * category + place.
CLASSES = {"sky": (1, 0), "ground": (2, 0), "disc": (3, 1), "square": (4, 1)}
NAMES = sorted(CLASSES)
SPLIT = "panoptic_train"  # the json, and its folder of PNG files


def png(ids: Any) -> Image.Image:
    """Return ids as COCO stores them."""
    return Image.fromarray(
        np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)
    )


def scene(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Any, Any, list[dict[str, Any]]]:
    """Return an image (height, width), ids of its segments, and what a json says of them."""
    height, width = size
    image = rng.integers(90, 130, (height, width, 3), np.uint8)
    ids = np.zeros(size, np.int64)
    horizon = int(rng.integers(height // 3, height // 2))
    ids[:horizon], ids[horizon:] = 256, 512
    image[:horizon, :, 2], image[horizon:, :, 1] = 220, 200
    y, x = np.mgrid[:height, :width]
    for place in range(int(rng.integers(1, 4))):
        top, left, side = (*(int(rng.integers(10, edge - 10)) for edge in size),
                           int(rng.integers(6, 10)))  # fmt: skip
        kind = int(rng.integers(2))
        inside = (abs(y - top) <= side) & (abs(x - left) <= side)
        if not kind:
            inside = (y - top) ** 2 + (x - left) ** 2 <= side**2
        image[inside] = ((230, 40, 40), (30, 30, 30))[kind]
        ids[inside] = 256 * (3 + kind) + place
    ids[:, :2] = 0  # void
    segments = [{"id": int(one), "category_id": int(one) // 256, "iscrowd": 0,
                 "area": int((ids == one).sum()), "bbox": [0, 0, 1, 1]}
                for one in np.unique(ids) if one]  # fmt: skip
    return image, ids, segments


def folder(root: Path, count: int, size: tuple[int, int] = (64, 64), seed: int = 0) -> Path:
    """Write images/, panoptic_train/ and panoptic_train.json; return `root`.

    The segments of the first thing in the second image are a crowd.
    """
    rng = np.random.default_rng(seed)
    images, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
    for name in ("images", SPLIT):
        (root / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        image, ids, segments = scene(rng, size)
        if number == 1:
            next(one for one in segments if one["category_id"] > 2)["iscrowd"] = 1
        name = f"{number:03}"
        Image.fromarray(image).save(root / "images" / f"{name}.jpg", quality=95)
        png(ids).save(root / SPLIT / f"{name}.png")
        images.append({"id": number, "file_name": f"{name}.jpg", "height": size[0],
                       "width": size[1]})  # fmt: skip
        annotations.append({"image_id": number, "file_name": f"{name}.png",
                            "segments_info": segments})  # fmt: skip
    categories = [{"id": own, "name": name, "isthing": thing}
                  for name, (own, thing) in CLASSES.items()]  # fmt: skip
    whole = {"images": images, "annotations": annotations, "categories": categories}
    (root / f"{SPLIT}.json").write_text(json.dumps(whole))
    return root
