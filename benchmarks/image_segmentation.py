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
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
import transformers
import yaml
from common import DATA, quiet, say
from PIL import Image, ImageEnhance

import toolkit
from toolkit.evaluation.metrics import masks as metrics
from toolkit.tasks.masks import png

FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA / "camvid_small"
EPOCHS = float(sys.argv[2]) if len(sys.argv) > 2 else None
IMAGES = int(sys.argv[3]) if len(sys.argv) > 3 else None
USUAL = DATA.parent / "models" / "mobilenet_v2_1.0_224_imagenet"
MOBILENET = Path(os.environ.get("MOBILENET", USUAL))
CROP, COLOUR, STRIDE, SEED, IGNORED = 0.4, 0.2, 16, 42, 255  # the recipe's


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
    names = classes()
    auto: Any = transformers.AutoModelForSemanticSegmentation
    model = auto.from_pretrained(
        MOBILENET, num_labels=len(names), id2label=dict(enumerate(names)),
        label2id={name: place for place, name in enumerate(names)}, output_stride=STRIDE,
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
    run = toolkit.run(
        "image-segmentation/camvid", data=data, model=model, out=out, seed=SEED,
        settings={
            "training.eval_strategy": "no", "options.classes": classes(), "options.size": size(),
            "options.augment": {"flip": "horizontal", "crop": CROP, "colour": COLOUR},
            "options.output_stride": STRIDE,
            **({} if EPOCHS is None else {"training.num_train_epochs": EPOCHS}),
        },
    )  # fmt: skip
    settings = yaml.safe_load((out / "recipe.yaml").read_text("utf-8"))["training"]
    phases = run.record["speed"]["phases"]
    seconds = phases["prepare"] + phases["train"]
    predicted = run.predict([{"image": row["image"]} for row in rows("test")])
    return {"seconds": seconds, "settings": settings, "predictions": predicted,
            "speed": settings["num_train_epochs"] * len(data["train"]) / seconds}  # fmt: skip


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
    names = ("num_train_epochs", "learning_rate", "per_device_train_batch_size",
             "lr_scheduler_type", "warmup_steps", "weight_decay", "max_grad_norm")  # fmt: skip
    with tempfile.TemporaryDirectory() as out:
        trainer = transformers.Trainer(
            model=model,
            args=transformers.TrainingArguments(
                out, save_strategy="no", report_to="none", disable_tqdm=True, seed=SEED,
                remove_unused_columns=False, use_cpu=not torch.accelerator.is_available(),
                **{name: settings[name] for name in names if settings.get(name) is not None},
            ),
            train_dataset=train, data_collator=transformers.default_data_collator,
        )  # fmt: skip
        begin = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - begin
    return {"seconds": seconds, "speed": settings["num_train_epochs"] * len(train) / seconds,
            "predictions": segmented(model.eval(), processor)}  # fmt: skip


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
for needed in (FOLDER / "classes.json", MOBILENET / "config.json"):
    if not needed.is_file():
        sys.exit(f"{needed} is not there")
with tempfile.TemporaryDirectory() as place:
    # Nothing is kept yet when the toolkit begins.
    os.environ["HF_DATASETS_CACHE"] = datasets.config.HF_DATASETS_CACHE = f"{place}/cache"
    model_folder = Path(place) / "start"
    start(model_folder)
    one = ours(model_folder, Path(place) / "run")
    other = stock(model_folder, one["settings"])
    both = {"stock": other, "toolkit": one}
    scores = {name: round(mean_iou(side["predictions"]), 4) for name, side in both.items()}
say(
    "image_segmentation",
    ratio=one["speed"] / other["speed"],
    goal=1.5,
    mean_iou=scores,
    images_per_second={name: round(side["speed"], 2) for name, side in both.items()},
    train_seconds={name: round(side["seconds"], 1) for name, side in both.items()},
    epochs=one["settings"]["num_train_epochs"],
)
