"""Folders of pictures, and a tiny pretrained model of pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import transformers
from image_rows import CLASSES, folder


@pytest.fixture
def photos(tmp_path) -> Path:
    """Sixty pictures of each of two classes."""
    return folder(tmp_path / "photos", dict.fromkeys(CLASSES, 60))


@pytest.fixture(scope="session")
def tiny_mobilenet(tmp_path_factory) -> Path:
    """A MobileNetV2 of a thin body with random weights, and its image processor."""
    path = tmp_path_factory.mktemp("models") / "tiny-mobilenet"
    transformers.set_seed(0)
    config = transformers.MobileNetV2Config(
        depth_multiplier=0.1, image_size=32, finegrained_output=False, num_labels=3
    )
    transformers.MobileNetV2ForImageClassification(config).save_pretrained(path)
    transformers.MobileNetV2ImageProcessorPil(
        size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(path)
    return path
