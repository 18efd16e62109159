"""Two epochs of a tiny detector on images of unequal numbers of objects, in one process or several.

`python detector_steps.py MODEL_TYPE BATCH ACCUMULATED FILE [IMAGES]`, also below torchrun; the
weights are written to the file.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import detectors
import torch
import transformers
from safetensors.torch import save_file
from toolkit_plugins.vision import batch_norm
from toolkit_plugins.vision.detection import models, options
from toolkit_plugins.vision.detection.trainer import DetectionTrainer

from toolkit.models import scratch
from toolkit.training.row_weights import RowWeightsMixin

OBJECTS = (7, 0, 1, 1, 0, 0, 9, 2)  # of each image


def main(kind: str, batch: int, accumulated: int, file: Path, images: int = len(OBJECTS)) -> None:
    """Train and write the weights."""
    transformers.set_seed(0)
    config = detectors.config(kind)
    still = {"num_denoising": 0} if "num_denoising" in config else {"dropout": 0.0}
    names = {"num_labels": 2, "id2label": {0: "a", 1: "b"}, "label2id": {"a": 0, "b": 1}}
    model = models.alone(
        models.load(scratch.from_config({**config, **still}).path, names, options.Detector())
    )
    arguments = transformers.TrainingArguments(
        output_dir=tempfile.mkdtemp(), use_cpu=True, num_train_epochs=2, learning_rate=1e-3,
        per_device_train_batch_size=batch, gradient_accumulation_steps=accumulated, report_to=[],
        train_sampling_strategy="sequential", remove_unused_columns=False, save_strategy="no",
        disable_tqdm=True, optim="sgd", max_grad_norm=0.5,
        ddp_find_unused_parameters=False,
    )  # fmt: skip
    model.accepts_loss_kwargs = False
    trainer = Trainer(model=model, args=arguments, train_dataset=rows(images), data_collator=joined)
    trainer.change = lambda given: given
    trainer.frozen = list(batch_norm.layers(model))  # statistics of a batch are those of a rank
    trainer.train()
    if trainer.is_world_process_zero():
        save_file({n: p.detach().clone() for n, p in model.named_parameters()}, file)


class Trainer(RowWeightsMixin, DetectionTrainer):
    """As the toolkit builds it, but for validation and its own loop."""


def rows(images: int) -> list[dict[str, Any]]:
    """Return images of noise with random objects."""
    rng = torch.Generator().manual_seed(0)
    found = []
    for count in OBJECTS[:images]:
        boxes = 0.2 + 0.3 * torch.rand(count, 4, generator=rng)
        classes = torch.randint(2, (count,), generator=rng)
        pixels = torch.randn(3, 64, 64, generator=rng)
        found.append({"pixel_values": pixels, "labels": {"class_labels": classes, "boxes": boxes}})
    return found


def joined(given: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a batch."""
    return {"pixel_values": torch.stack([one["pixel_values"] for one in given]),
            "labels": [one["labels"] for one in given]}  # fmt: skip


if __name__ == "__main__":
    main(
        sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), *map(int, sys.argv[5:])
    )
