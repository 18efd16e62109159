"""What the picture recipes reach on real data, one JSON line.

    python benchmarks/image_accuracy.py [mnist] [fashion] [pneumonia] [digits] [ants]

IMAGES names the folder that holds mnist/, fashion_mnist/, pneumonia_mnist/ and hymenoptera/;
MOBILENET that of a pretrained MobileNetV2. Beside MNIST stands what it is to leave behind: a
perceptron of two layers of 64 units, trained by plain SGD on the same pictures (scikit-learn's).
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import DATA, quiet, say

import toolkit

FOLDER = Path(os.environ.get("IMAGES", DATA))
MODEL = Path(os.environ.get("MOBILENET", DATA.parent / "models" / "mobilenet_v2_1.0_224_imagenet"))
PHOTOS = FOLDER / "hymenoptera" / "small256"
RECIPES: dict[str, tuple[str, dict[str, Any], dict[str, float]]] = {
    "digits": ("image-classification", {}, {"accuracy": 0.985}),
    "mnist": (
        "image-classification/mnist", {"data": FOLDER / "mnist"}, {"accuracy": 0.975},
    ),
    "fashion": (
        "image-classification/fashion-mnist", {"data": FOLDER / "fashion_mnist"},
        {"accuracy": 0.88},
    ),
    "pneumonia": (
        "image-classification/pneumonia", {"data": FOLDER / "pneumonia_mnist"},
        {"accuracy": 0.87, "roc_auc": 0.95},
    ),
    "ants": (
        "image-classification/ants-bees",
        {"model": MODEL, "settings": {
            "data.source": {"train": str(PHOTOS / "train"), "test": str(PHOTOS / "val")}}},
        {"accuracy": 0.94},
    ),
}  # fmt: skip


def perceptron() -> float:
    """Return the accuracy of the network that a first course builds, on MNIST."""
    import datasets
    from sklearn.neural_network import MLPClassifier

    files = {name: str(FOLDER / "mnist" / f"{name}_small.parquet") for name in ("train", "test")}
    rows = datasets.load_dataset("parquet", data_files=files)
    flat = {name: np.stack([np.asarray(image).ravel() for image in split["image"]]) / 255
            for name, split in rows.items()}  # fmt: skip
    model = MLPClassifier((64, 64), solver="sgd", learning_rate_init=0.1, momentum=0.0,
                          batch_size=32, max_iter=30, random_state=0)  # fmt: skip
    model.fit(flat["train"], rows["train"]["label"])
    return float(model.score(flat["test"], rows["test"]["label"]))


def main() -> None:
    """Run the recipes."""
    quiet()
    found: dict[str, Any] = {}
    for name in sys.argv[1:] or RECIPES:
        recipe, changes, goals = RECIPES[name]
        with tempfile.TemporaryDirectory() as out:
            run = toolkit.run(recipe, out=Path(out) / "run", **changes)
            test, record = run.metrics["test"], run.record
            found[name] = {
                "scores": {metric: [round(test[metric][key], 4) for key in ("value", "low", "high")]
                           for metric in test},
                "goals": goals,
                "baselines": {baseline: round(scores["accuracy"]["value"], 4)
                           for baseline, scores in record["baselines"].items()},
                "seconds": round(record["speed"]["total_seconds"], 1),
            }  # fmt: skip
        if name == "mnist":
            found[name]["perceptron"] = round(perceptron(), 4)
    say("image_accuracy", **found)


if __name__ == "__main__":
    main()
