"""Images with actual and predicted boxes, made in code."""

from __future__ import annotations

import io
import json
from typing import Annotated

import datasets
import numpy as np
from datasets import Features, List, Value
from PIL import Image

from toolkit import Column, Options
from toolkit.tasks.boxes import BoxesPlugin

OBJECTS = List({"box": List(Value("float64")), "label": Value("string"), "crowd": Value("bool"),
                "area": Value("float64")})  # fmt: skip


class BoxOptions(Options):
    """A column of images, and one of objects."""

    image: Annotated[str, Column("input", files=(".png",))] = "image"
    objects: Annotated[str, Column("target", "list", may_be_empty=True)] = "objects"


class Boxes(BoxesPlugin[BoxOptions]):
    """A plugin without a model."""

    Options = BoxOptions

    def load_model(self):
        raise NotImplementedError


def boxes_plugin(folder, names=None, images=None, **splits):
    """Return a plugin with the objects of each image of each split.

    Args:
        folder: of the model, whose classes are `names`. images: the files of each split.
    """
    named = {} if names is None else {"id2label": dict(enumerate(names))}
    (folder / "config.json").write_text(json.dumps({"model_type": "detr", **named}))
    plugin = Boxes()
    plugin.options, plugin.model_path = BoxOptions(), folder
    if splits:
        features = Features(image=Value("binary"), objects=OBJECTS)
        kept = ("box", "label", "crowd")
        plugin.data = datasets.DatasetDict({
            name: datasets.Dataset.from_dict({
                "image": (images or {}).get(name) or [b""] * len(rows),
                "objects": [[{**{key: one[key] for key in kept}, "area": None} for one in row]
                            for row in rows],
            }, features=features) for name, rows in splits.items()})  # fmt: skip
    return plugin


def box(left, top, right, bottom, label="a", score=0.5, crowd=False):
    """Return an object, which stands for a predicted or an actual one."""
    return {"box": [left, top, right, bottom], "label": label, "score": score, "crowd": crowd}


def image(*objects):
    """Return a prediction or a reference."""
    return {"objects": list(objects), "candidates": [], "counts": {}}


def random_pairs(seed, images, found, ties=True, labels=("a", "b", "c")):
    """Return predictions and references with near hits, crowds, empty images, and other classes.

    Args:
        found: predictions per image. ties: whether scores are of two digits.
    """
    rng = np.random.default_rng(seed)
    return [_pair(rng, found if n % 7 else 0, n % 5 != 3, ties, labels) for n in range(images)]


def _pair(rng, found, objects, ties, labels):
    actual = []
    for _ in range(rng.integers(1, 15) if objects else 0):
        left, top, *size = (*rng.uniform(0, 600, 2), *np.exp(rng.uniform(2, 5.5, 2)))
        one = box(left, top, left + size[0], top + size[1], str(rng.choice(labels)))
        one["crowd"] = bool(rng.random() < 0.1)
        if rng.random() < 0.5:
            one["area"] = float(size[0] * size[1] * rng.uniform(0.4, 1))
        actual.append(one)
    return _predicted(rng, actual, found, ties, labels), {"objects": actual}


def _predicted(rng, actual, found, ties, labels):
    boxes = []
    for _ in range(found):
        score = float(rng.random())
        if actual and rng.random() < 0.6:
            near = actual[rng.integers(len(actual))]
            edges = np.array(near["box"])
            edges = edges + rng.normal(0, 0.07 * min(edges[2:] - edges[:2]), 4)
            label = near["label"] if rng.random() < 0.8 else "not there"
        else:
            edges = np.tile(rng.uniform(0, 600, 2), 2)
            edges[2:] += rng.uniform(8, 200, 2)
            label = str(rng.choice(labels))
        boxes.append(box(*edges.tolist(), label, round(score, 2) if ties else score))
    boxes.sort(key=lambda one: -one["score"])
    over = sum(one["score"] >= 0.5 for one in boxes)
    return {"objects": boxes[:over], "candidates": boxes[over:], "counts": {}}


def png(pixels, **how):
    """Return an image file. how: of Pillow's `save`."""
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, how.pop("format", "png"), **how)
    return file.getvalue()


def two_squares(seed, count, size=96):
    """Return images of a large red and a small blue square, and their objects."""
    rng, rows = np.random.default_rng(seed), []
    for _ in range(count):
        pixels, objects = np.full((size, size, 3), 230), []
        for label, side, colour, half in (
            ("large", 30, (200, 30, 30), 0),
            ("small", 12, (30, 30, 200), 48),
        ):
            left, top = (int(n) for n in rng.integers(2, 46 - side, 2))
            left += half
            pixels[top : top + side, left : left + side] = colour
            objects.append(box(left, top, left + side, top + side, label))
        rows.append((png(pixels + rng.integers(-9, 9, pixels.shape)), objects))
    return rows
