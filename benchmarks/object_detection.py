"""Object detection on BCCD against a stock Trainer, side by side: speed and AP50.

    python benchmarks/object_detection.py [BCCD [EPOCHS [IMAGES]]]

Both train the same RT-DETRv2 on the same pretrained MobileNetV2 (one folder, equal weights), for as
many epochs, with the same images per step, rate, schedule and seed, on the same images, boxes and
size, with flips, random crops and changes of color; neither scores validation in between. stock:
what transformers' run_object_detection.py does: each image is decoded, augmented (here by Pillow
and numpy) and processed by the model's own image processor whenever a batch is made, all weights
are trained by one rate, in fp32. toolkit: `toolkit run` with the settings of the recipe
`object-detection/bccd`, which freezes the first layers and trains the backbone more slowly; its
seconds are those of keeping decoded images and of training. `ratio_all_layers` is the same for an
epoch in which all layers are trained. AP50 of both is computed by one function, on all boxes that
each model gives for the test images. Goals: 1.5x, and an AP50 that is not lower.

BCCD: a folder with train.jsonl, val.jsonl and test.jsonl (file_name, objects: {bbox, category}).
EPOCHS: of both; the recipe's own if not given. IMAGES: of training, at most, and of test. MOBILENET
names another folder with a MobileNetV2 and its image processor.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import beside_stock
import datasets
import numpy as np
import torch
import transformers
from beside_stock import MOBILENET, SEED
from common import quiet
from PIL import Image, ImageEnhance
from toolkit_plugins.vision import backbones
from toolkit_plugins.vision.detection import models
from toolkit_plugins.vision.detection.options import Detector

from toolkit.evaluation.metrics import boxes as metrics
from toolkit.tasks.boxes.found import split as as_prediction

FOLDER, EPOCHS, IMAGES = beside_stock.asked("bccd")
SIZE, CROP, COLOUR, VISIBLE = (192, 256), 0.4, 0.2, 0.3  # the recipe's
Row = dict[str, Any]


def rows(split: str) -> list[Row]:
    """Return {"image", "objects"} of a split: paths, and boxes of left, top, width, height."""
    lines = (FOLDER / f"{split}.jsonl").read_text("utf-8").splitlines()[:IMAGES]
    found = [json.loads(line) for line in lines]
    return [{"image": str(FOLDER / one["file_name"]),
             "objects": {name: one["objects"][name] for name in ("bbox", "category")}}
            for one in found]  # fmt: skip


def classes() -> list[str]:
    """Return the classes of the training images."""
    return sorted({name for row in rows("train") for name in row["objects"]["category"]})


def start(folder: Path) -> None:
    """Save the model that both sides start from, with its image processor."""
    transformers.set_seed(SEED)
    head = beside_stock.labels(classes())
    models.load(MOBILENET, head, Detector()).save_pretrained(folder)
    size = {"height": SIZE[0], "width": SIZE[1]}
    transformers.RTDetrImageProcessorPil(size=size).save_pretrained(folder)


def ours(model: Path, out: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what a run of the recipe takes and gives."""
    data = {name: rows(file) for name, file in
            (("train", "train"), ("validation", "val"), ("test", "test"))}  # fmt: skip
    own = {"options.convention": "xywh", "options.size": SIZE,
           "options.augment": {"flip": "both", "crop": CROP, "colour": COLOUR,
                               "min_visible": VISIBLE}}  # fmt: skip
    return beside_stock.of_recipe("object-detection/bccd", data, model, out, {**own, **settings})


def cut(image: Image.Image, boxes: np.ndarray[Any, Any]) -> tuple[Image.Image, Any, Any]:
    """Return an image cropped, mirrored and recolored at random; its boxes; and which are left."""
    width, height = image.size
    share, ratio = random.uniform(CROP, 1) ** 0.5, random.uniform(0.9, 1 / 0.9) ** 0.5
    w, h = min(width, round(width * share * ratio)), min(height, round(height * share / ratio))
    left, top = random.randint(0, width - w), random.randint(0, height - h)
    whole = boxes[:, 2] * boxes[:, 3]
    edges = np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]) - [left, top, left, top]
    edges = edges.clip(0, [w, h, w, h])
    image = image.crop((left, top, left + w, top + h))
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        edges[:, [0, 2]] = w - edges[:, [2, 0]]
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        edges[:, [1, 3]] = h - edges[:, [3, 1]]
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = kind(image).enhance(random.uniform(1 - COLOUR, 1 + COLOUR))
    found = np.hstack([edges[:, :2], edges[:, 2:] - edges[:, :2]])
    area = found[:, 2] * found[:, 3]
    return image, found, (area > 1) & (area >= VISIBLE * whole)


def changed(processor: Any, names: Sequence[str]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return the transform of the example script: augmentation and processor, image by image."""

    def transform(batch: Mapping[str, Any]) -> dict[str, Any]:
        images, notes = [], []
        for number, (path, objects) in enumerate(
            zip(batch["image"], batch["objects"], strict=True)
        ):
            boxes = np.array(objects["bbox"], np.float64).reshape(-1, 4)
            image, boxes, kept = cut(Image.open(path).convert("RGB"), boxes)
            images.append(np.asarray(image))
            notes.append({"image_id": number, "annotations": [
                {"image_id": number, "category_id": names.index(label), "bbox": box.tolist(),
                 "area": float(box[2] * box[3]), "iscrowd": 0}
                for box, label, there in zip(boxes, objects["category"], kept, strict=True) if there
            ]})  # fmt: skip
        found = processor(images=images, annotations=notes, return_tensors="pt")
        return {"pixel_values": list(found["pixel_values"]), "labels": list(found["labels"])}

    return transform


def collate(batch: Sequence[Row]) -> dict[str, Any]:
    """Return the batch, as the example script does."""
    return {"pixel_values": torch.stack([row["pixel_values"] for row in batch]),
            "labels": [row["labels"] for row in batch]}  # fmt: skip


def stock(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what a stock Trainer takes and gives."""
    backbones.register()
    transformers.set_seed(SEED)
    auto: Any = transformers.AutoModelForObjectDetection
    model = auto.from_pretrained(folder, dtype="float32")
    processor = transformers.RTDetrImageProcessorPil.from_pretrained(folder)
    train = datasets.Dataset.from_list(rows("train")).with_transform(changed(processor, classes()))
    found = beside_stock.of_stock(
        model, train, settings, data_collator=collate, processing_class=processor
    )
    return {**found, "predictions": detected(model.eval(), processor)}


def detected(model: Any, processor: Any) -> list[Any]:
    """Return all boxes that a model gives for the test images, as the metric takes them."""
    found = []
    for row in rows("test"):
        image = Image.open(row["image"]).convert("RGB")
        inputs = processor(images=[image], return_tensors="pt").to(model.device)
        with torch.inference_mode():
            outputs = model(**inputs)
        one = processor.post_process_object_detection(
            outputs, threshold=0.0, target_sizes=[(image.height, image.width)])[0]  # fmt: skip
        labels = [model.config.id2label[int(number)] for number in one["labels"]]
        boxes = zip(one["boxes"].tolist(), labels, one["scores"].tolist(), strict=True)
        found.append(as_prediction(boxes))
    return found


def ap50(predictions: Sequence[Any]) -> float:
    """Return AP50 of the boxes predicted for the test images, as COCO has it."""
    references = [
        {"objects": [{"box": [x, y, x + w, y + h], "label": label, "crowd": False, "area": w * h}
                     for (x, y, w, h), label in zip(*row["objects"].values(), strict=True)
                     if w > 0 and h > 0]}
        for row in rows("test")
    ]  # fmt: skip
    metric = metrics.load("ap50")
    metric.add_batch(predictions=predictions, references=references)
    return float((metric.compute() or {})["ap50"])


quiet()
beside_stock.require(FOLDER / "train.jsonl")
with tempfile.TemporaryDirectory() as place:
    beside_stock.nothing_kept(place)
    model_folder = Path(place) / "start"
    start(model_folder)
    epochs = {} if EPOCHS is None else {"training.num_train_epochs": EPOCHS}
    one = ours(model_folder, Path(place) / "run", epochs)
    other = stock(model_folder, one["settings"])
    whole = {"options.frozen_layers": 0, "training.num_train_epochs": 1}
    all_layers = ours(model_folder, Path(place) / "all", whole)
    own = one["run"].predict([{"image": row["image"]} for row in rows("test")])
    scores = {"stock": round(ap50(other["predictions"]), 4), "toolkit": round(ap50(own), 4)}
beside_stock.tell(
    "object_detection",
    one,
    other,
    ratio_all_layers=all_layers["speed"] / other["speed"],
    ap50=scores,
)
