"""What benchmarks of images share: a run of a recipe, and a stock Trainer on the same rows."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
import yaml
from common import DATA, say

import toolkit

SEED = 42  # of both
MOBILENET = Path(
    os.environ.get("MOBILENET", DATA.parent / "models" / "mobilenet_v2_1.0_224_imagenet")
)
#: Settings of training that the stock Trainer takes over from the recipe.
SAME = ("num_train_epochs", "learning_rate", "per_device_train_batch_size", "lr_scheduler_type",
        "warmup_steps", "weight_decay", "max_grad_norm")  # fmt: skip


def asked(usual: str) -> tuple[Path, float | None, int | None]:
    """Return what the command line gives: the data's folder, epochs, and how many images."""
    folder, epochs, images = (*sys.argv[1:4], *[None] * 3)[:3]
    return (Path(folder) if folder else DATA / usual,
            float(epochs) if epochs else None, int(images) if images else None)  # fmt: skip


def require(*files: Path) -> None:
    """End the script where one is not there."""
    for needed in (*files, MOBILENET / "config.json"):
        if not needed.is_file():
            sys.exit(f"{needed} is not there")


def nothing_kept(place: str) -> None:
    """Keep decoded images below a folder, so that nothing is kept yet when the toolkit begins."""
    os.environ["HF_DATASETS_CACHE"] = datasets.config.HF_DATASETS_CACHE = f"{place}/cache"


def labels(names: Sequence[str]) -> dict[str, Any]:
    """Return what the config of a model has of its classes."""
    return {"num_labels": len(names), "id2label": dict(enumerate(names)),
            "label2id": {name: place for place, name in enumerate(names)}}  # fmt: skip


def of_recipe(
    recipe: str, data: Mapping[str, Any], model: Path, out: Path, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a run of a recipe, its settings of training, and what preparing and training take."""
    given = {"training.eval_strategy": "no", **settings}
    run = toolkit.run(recipe, data=dict(data), model=model, out=out, seed=SEED, settings=given)
    training = yaml.safe_load((out / "recipe.yaml").read_text("utf-8"))["training"]
    phases = run.record["speed"]["phases"]
    seconds = phases["prepare"] + phases["train"]
    return {"seconds": seconds, "settings": training, "run": run,
            "speed": training["num_train_epochs"] * len(data["train"]) / seconds}  # fmt: skip


def of_stock(
    model: Any, train: datasets.Dataset, settings: Mapping[str, Any], **parts: Any
) -> dict[str, Any]:
    """Return what training by a stock Trainer takes.

    Args:
        settings: of training, the recipe's. parts: of the Trainer, such as its collator.
    """
    with tempfile.TemporaryDirectory() as out:
        trainer = transformers.Trainer(
            model=model,
            args=transformers.TrainingArguments(
                out, save_strategy="no", report_to="none", disable_tqdm=True, seed=SEED,
                remove_unused_columns=False, use_cpu=not torch.accelerator.is_available(),
                **{name: settings[name] for name in SAME if settings.get(name) is not None},
            ),
            train_dataset=train, **parts,
        )  # fmt: skip
        begin = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - begin
    return {"seconds": seconds, "speed": settings["num_train_epochs"] * len(train) / seconds}


def tell(name: str, own: Mapping[str, Any], stock: Mapping[str, Any], **figures: Any) -> None:
    """Print the JSON line: both speeds, their ratio, and further figures."""
    both = {"stock": stock, "toolkit": own}
    say(
        name,
        ratio=own["speed"] / stock["speed"],
        goal=1.5,
        **figures,
        images_per_second={side: round(found["speed"], 2) for side, found in both.items()},
        train_seconds={side: round(found["seconds"], 1) for side, found in both.items()},
        epochs=own["settings"]["num_train_epochs"],
    )
