"""BCCD as Pascal VOC, COCO, YOLO and metadata of Hugging Face: identical rows."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from toolkit_plugins.vision.annotations import read

DATA = Path(__file__).resolve().parents[5] / "shared" / "data"
SPLITS = {"train": 205, "validation": 87, "test": 72}

pytestmark = pytest.mark.skipif(
    not (DATA / "bccd_annotations").is_dir(), reason="needs ../shared/data/bccd"
)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """The four formats, each in a folder of its own with links to the images."""
    root = tmp_path_factory.mktemp("bccd")
    for name in ("coco", "yolo", "voc", "jsonl"):
        (root / name).mkdir()
        (root / name / "images").symlink_to(DATA / "bccd" / "images")
    for path in (DATA / "bccd_annotations" / "coco").glob("*.json"):
        shutil.copy(path, root / "coco")
    shutil.copytree(DATA / "bccd_annotations" / "yolo", root / "yolo", dirs_exist_ok=True)
    (root / "voc" / "annotations").symlink_to(DATA / "bccd" / "annotations")
    (root / "voc" / "splits").symlink_to(DATA / "bccd" / "splits")
    for path in (DATA / "bccd").glob("*.jsonl"):
        shutil.copy(path, root / "jsonl")
    return {path.name: read(str(path), True, "image", "objects") for path in root.iterdir()}


def by_image(found):
    return {
        split: {Path(row["image"]).name: row["objects"] for row in rows}
        for split, rows in found.splits.items()
    }


def test_identical_rows(sets):
    coco = by_image(sets["coco"])
    assert {split: len(there) for split, there in coco.items()} == SPLITS
    assert coco == by_image(sets["voc"]) == by_image(sets["jsonl"])
    for name in ("coco", "voc", "jsonl"):
        told = "\n".join(sets[name].notes)
        assert "train: 1 box of no width or height removed (BloodImage_00343.jpg)" in told
        assert "2,804 objects of 3 classes (Platelets, RBC, WBC)" in told


def test_yolo_differs_by_rounding(sets):
    coco, yolo = by_image(sets["coco"]), by_image(sets["yolo"])
    for split in SPLITS:
        assert coco[split].keys() == yolo[split].keys()
        for name, own in coco[split].items():
            other = yolo[split][name]
            assert [one["label"] for one in own] == [one["label"] for one in other]
            off = np.array([one["box"] for one in own]) - [one["box"] for one in other]
            assert np.abs(off).max(initial=0) < 0.01
