"""Image segmentation on street scenes (CamVid) against a stock Trainer: speed and mean IoU.

    python benchmarks/image_segmentation.py [CAMVID [EPOCHS [IMAGES]]]

Both train the same MobileNetV2 with a DeepLabV3+ head (one folder, equal weights) for as many
epochs, with the same images per step, rate, schedule and seed, on the same images, masks and size,
with flips, random crops and changes of color; neither scores validation in between. stock: what
transformers' run_semantic_segmentation.py does: each image is decoded, augmented (here by Pillow
and numpy) and processed by the model's own image processor whenever a batch is made, and the model
computes its own loss, in fp32. (It updates BatchNorm's statistics with the momentum of the model's
config, as that script does.) toolkit: `toolkit run` with the settings of the recipe
`image-segmentation/camvid`; its seconds are those of keeping decoded images and of training. Mean
IoU of both is computed by one function on masks of the size of the test images. Goals: 1.5x, and a
mean IoU that is not lower.

CAMVID: a folder with classes.json, and train, validation and test with images/ and masks/ of class
numbers, 255 ignored. EPOCHS: of both; the recipe's own if not given. IMAGES: of training, at most,
and of test. MOBILENET names another folder with a MobileNetV2 and its image processor.
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

from toolkit.evaluation.metrics import masks as metrics
from toolkit.tasks.masks import png

FOLDER, EPOCHS, IMAGES = beside_stock.asked("camvid_small")
CROP, COLOUR, STRIDE, IGNORED = 0.4, 0.2, 16, 255  # the recipe's


def rows(split: str) -> list[dict[str, str]]:
    """Return the paths of images and masks of a split."""
    folder = FOLDER / split
    found = [{"image": str(path), "mask": str(folder / "masks" / f"{path.stem}.png")}
             for path in sorted((folder / "images").iterdir())]  # fmt: skip
    return found[:IMAGES]


def classes() -> list[str]:
    """Return the names of the classes, in the order of their numbers."""
    names: list[str] = json.loads((FOLDER / "classes.json").read_text("utf-8"))["classes"]
    return names


def size() -> tuple[int, int]:
    """Return height and width of the first training image: all have them."""
    width, height = Image.open(rows("train")[0]["image"]).size
    return height, width


def start(folder: Path) -> None:
    """Save the model that both sides start from, with its image processor."""
    transformers.set_seed(SEED)
    auto: Any = transformers.AutoModelForSemanticSegmentation
    model = auto.from_pretrained(
        MOBILENET, **beside_stock.labels(classes()), output_stride=STRIDE,
        semantic_loss_ignore_index=IGNORED, ignore_mismatched_sizes=True, dtype="float32",
    )  # fmt: skip
    model.save_pretrained(folder)
    shape = dict(zip(("height", "width"), size(), strict=True))
    maker: Any = transformers.AutoImageProcessor
    processor = maker.from_pretrained(MOBILENET, backend="pil", size=shape, do_center_crop=False)
    processor.save_pretrained(folder)


def ours(model: Path, out: Path) -> dict[str, Any]:
    """Return what a run of the recipe takes and gives."""
    data = {split: rows(split) for split in ("train", "validation", "test")}
    settings = {
        "options.classes": classes(), "options.size": size(), "options.output_stride": STRIDE,
        "options.augment": {"flip": "horizontal", "crop": CROP, "colour": COLOUR},
        **({} if EPOCHS is None else {"training.num_train_epochs": EPOCHS}),
    }  # fmt: skip
    found = beside_stock.of_recipe("image-segmentation/camvid", data, model, out, settings)
    images = [{"image": row["image"]} for row in rows("test")]
    return {**found, "predictions": found["run"].predict(images)}


def cut(image: Image.Image, mask: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Return an image and its mask cropped, mirrored and recolored at random."""
    width, height = image.size
    share, ratio = random.uniform(CROP, 1) ** 0.5, random.uniform(0.9, 1 / 0.9) ** 0.5
    w, h = min(width, round(width * share * ratio)), min(height, round(height * share / ratio))
    left, top = random.randint(0, width - w), random.randint(0, height - h)
    box = (left, top, left + w, top + h)
    image = image.resize((width, height), Image.Resampling.BILINEAR, box)
    mask = mask.resize((width, height), Image.Resampling.NEAREST, box)
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        mask = mask.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = kind(image).enhance(random.uniform(1 - COLOUR, 1 + COLOUR))
    return image, mask


def changed(processor: Any) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return the transform of the example script: augmentation and processor, image by image."""

    def transform(batch: Mapping[str, Any]) -> dict[str, Any]:
        pairs = [cut(Image.open(image).convert("RGB"), Image.open(mask))
                 for image, mask in zip(batch["image"], batch["mask"], strict=True)]  # fmt: skip
        found = processor(images=[np.asarray(image) for image, _ in pairs], return_tensors="pt")
        labels = [torch.from_numpy(np.asarray(mask, np.int64)) for _, mask in pairs]
        return {"pixel_values": list(found["pixel_values"]), "labels": labels}

    return transform


def stock(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what a stock Trainer takes and gives."""
    transformers.set_seed(SEED)
    auto: Any = transformers.AutoModelForSemanticSegmentation
    model = auto.from_pretrained(folder, dtype="float32")
    maker: Any = transformers.AutoImageProcessor
    processor = maker.from_pretrained(folder, backend="pil")
    train = datasets.Dataset.from_list(rows("train")).with_transform(changed(processor))
    collator = transformers.default_data_collator
    found = beside_stock.of_stock(model, train, settings, data_collator=collator)
    return {**found, "predictions": segmented(model.eval(), processor)}


def segmented(model: Any, processor: Any) -> list[Any]:
    """Return the masks that a model gives for the test images, as the metric takes them."""
    found = []
    for row in rows("test"):
        image = Image.open(row["image"]).convert("RGB")
        inputs = processor(images=[image], return_tensors="pt").to(model.device)
        with torch.inference_mode():
            logits = torch.nn.functional.interpolate(
                model(**inputs).logits, size=(image.height, image.width), mode="bilinear"
            )
        found.append({"mask": png.encode(logits.argmax(1)[0].cpu().numpy().astype(np.uint8))})
    return found


def mean_iou(predictions: Sequence[Any]) -> float:
    """Return the mean IoU of the masks predicted for the test images."""
    references = [{"mask": png.encode(np.asarray(Image.open(row["mask"])))} for row in rows("test")]
    metric = metrics.load("mean_iou", len(classes()))
    masks = [{"mask": one["mask"]} for one in predictions]
    metric.add_batch(predictions=masks, references=references)
    return float((metric.compute() or {})["mean_iou"])


quiet()
beside_stock.require(FOLDER / "classes.json")
with tempfile.TemporaryDirectory() as place:
    beside_stock.nothing_kept(place)
    model_folder = Path(place) / "start"
    start(model_folder)
    one = ours(model_folder, Path(place) / "run")
    other = stock(model_folder, one["settings"])
    both = {"stock": other, "toolkit": one}
    scores = {name: round(mean_iou(side["predictions"]), 4) for name, side in both.items()}
beside_stock.tell("image_segmentation", one, other, mean_iou=scores)
