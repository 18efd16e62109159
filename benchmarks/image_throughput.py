"""Pictures a second in training, from files to weights, against a stock Trainer, side by side.

    python benchmarks/image_throughput.py [EPOCHS]

The same photos, model, batches and epochs on both sides; all weights are trained. HYMENOPTERA names
a folder with train/ants, train/bees, val/ants and val/bees; MOBILENET a folder with a MobileNetV2
and its image processor. stock: pictures are decoded, cropped and mirrored by Pillow when a batch is
made, then go through the model's own processor, in fp32, as the example scripts of transformers do
with torchvision. toolkit: `toolkit run image-classification` with the same changes. Its seconds
are those of keeping decoded pictures and of training. Goal: 1.3 times as fast, and not less right.
"""

from __future__ import annotations

import math
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
import transformers
from common import DATA, quiet, say

import toolkit

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
BATCH, RATE, SEED, SHARE, SIZE = 16, 1e-4, 42, 0.5, 224

quiet()
usual = DATA.parent / "models" / "mobilenet_v2_1.0_224_imagenet"
photos = Path(os.environ.get("HYMENOPTERA", DATA / "hymenoptera" / "small256"))
model_folder = Path(os.environ.get("MOBILENET", usual))
for name, folder in (("HYMENOPTERA", photos), ("MOBILENET", model_folder)):
    if not folder.is_dir():
        sys.exit(f"{folder} is not there; {name} may name another folder")


def cut(image: Any) -> Any:
    """Return a picture cropped to a random share of its area and mirrored every other time."""
    width, height = image.size
    side = math.sqrt(random.uniform(SHARE, 1.0))
    ratio = math.sqrt(math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3))))
    w, h = min(width, round(width * side * ratio)), min(height, round(height * side / ratio))
    left, top = random.randint(0, width - w), random.randint(0, height - h)
    image = image.resize((SIZE, SIZE), 2, (left, top, left + w, top + h))
    return image.transpose(0) if random.random() < 0.5 else image


def stock(test: Path) -> tuple[float, float]:
    """Return accuracy and pictures a second of a stock Trainer."""
    transformers.set_seed(SEED)
    files = {"train": str(photos / "train" / "**"), "test": str(test / "**")}
    rows = datasets.load_dataset("imagefolder", data_files=files)
    auto: Any = transformers.AutoImageProcessor
    processor = auto.from_pretrained(model_folder, backend="pil")

    def changed(batch: dict[str, Any]) -> dict[str, Any]:
        images = [cut(image.convert("RGB")) for image in batch["image"]]
        found = processor(images, do_resize=False, do_center_crop=False, return_tensors="pt")
        return {"pixel_values": found["pixel_values"], "labels": batch["label"]}

    def plain(batch: dict[str, Any]) -> dict[str, Any]:
        images = [image.convert("RGB") for image in batch["image"]]
        found = processor(images, return_tensors="pt")
        return {"pixel_values": found["pixel_values"], "labels": batch["label"]}

    model = transformers.AutoModelForImageClassification.from_pretrained(
        model_folder, num_labels=2, ignore_mismatched_sizes=True, dtype="float32"
    )
    with tempfile.TemporaryDirectory() as out:
        trainer = transformers.Trainer(
            model=model,
            args=transformers.TrainingArguments(
                out, per_device_train_batch_size=BATCH, num_train_epochs=EPOCHS,
                learning_rate=RATE, save_strategy="no", report_to="none", disable_tqdm=True,
                remove_unused_columns=False, use_cpu=not torch.accelerator.is_available(),
            ),
            train_dataset=rows["train"].with_transform(changed),
        )  # fmt: skip
        begin = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - begin
        said = trainer.predict(rows["test"].with_transform(plain))
    right = float(np.mean(said.predictions.argmax(-1) == said.label_ids))
    return right, EPOCHS * len(rows["train"]) / seconds


def ours(test: Path, cache: str) -> tuple[float, float]:
    """Return accuracy and pictures a second of the toolkit."""
    with tempfile.TemporaryDirectory() as out:
        os.environ["HF_DATASETS_CACHE"] = datasets.config.HF_DATASETS_CACHE = f"{out}/cache"
        run = toolkit.run(
            "image-classification",
            model=model_folder,
            out=Path(out) / "run",
            seed=SEED,
            settings={
                "data.source": {"train": str(photos / "train"), "test": str(test)},
                "data.split": {"validation": 2, "stratify": True},
                "options.size": None,
                "options.cache": cache,
                "options.augment": {"crop": SHARE, "flip": "horizontal",
                                    "rotate": None, "shift": None},
                "training": {"num_train_epochs": EPOCHS, "learning_rate": RATE,
                             "per_device_train_batch_size": BATCH, "eval_strategy": "no"},
            },
        )  # fmt: skip
        record = run.record
        phases, rows = record["speed"]["phases"], record["data"]["rows"]["train"]
        seconds = phases["prepare"] + phases["train"]
        return run.metrics["test"]["accuracy"]["value"], EPOCHS * rows / seconds


test_folder = photos / "val"
kept, fresh = ours(test_folder, "always"), ours(test_folder, "never")
reference = stock(test_folder)
say(
    "image_throughput",
    ratio=kept[1] / reference[1],
    ratio_without_cache=fresh[1] / reference[1],
    goal=1.3,
    images_per_second={"stock": round(reference[1], 1), "toolkit": round(kept[1], 1),
                       "toolkit_without_cache": round(fresh[1], 1)},
    accuracy={"stock": round(reference[0], 4), "toolkit": round(kept[0], 4)},
    epochs=EPOCHS,
)  # fmt: skip
