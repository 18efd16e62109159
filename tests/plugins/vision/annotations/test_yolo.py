"""YOLO: trees and data.yaml of other people, lines that are odd."""

from __future__ import annotations

import pytest
from annotated_trees import images, notes, rows, text
from toolkit_plugins.vision.annotations import read

from toolkit.errors import DataError

LINE, BOX = "0 0.25 0.5 0.1 0.2\n", ("cat", [20, 32, 30, 48])
ROBOFLOW = "train: ../train/images\nval: ../valid/images\nnames: ['cat', 'dog']\nnc: 2\n"


def tree(root, *places):
    """Write an image `a.png` and its label file at each pair of places."""
    for image, label in places:
        images(root, image)
        text(root / label, LINE)


TREES = {
    "ultralytics": ("path: ../datasets/mine\ntrain: images/train\nval: images/val\nnames: {0: cat}",
                    "images/{}/a.png", "labels/{}/a.txt"),
    "roboflow": (ROBOFLOW, "{}/images/a.png", "{}/labels/a.txt"),
    "absolute": ("train: /kaggle/input/set/images/train\nval: /kaggle/input/set/images/val\n"
                 "names: [cat]\n", "images/{}/a.png", "labels/{}/a.txt"),
    "beside": ("train: train\nval: val\nnames: [cat]\n", "{}/a.png", "{}/a.txt"),
    "lists": ("train: train.txt\nval: val.txt\nnames: [cat]\n", "images/{}/a.png",
              "labels/{}/a.txt"),
}  # fmt: skip


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("by_file", [True, False])
def test_settings_of_other_people(tmp_path, name, by_file):
    settings, image, label = TREES[name]
    held_out = "valid" if name == "roboflow" else "val"
    tree(tmp_path, *((image.format(s), label.format(s)) for s in ("train", held_out)))
    path = text(tmp_path / "data.yaml", settings)
    if name == "lists":
        for split in ("train", "val"):
            text(tmp_path / f"{split}.txt", f"./images/{split}/a.png\n")
    expected = {"train": {"a.png": [BOX]}, "validation": {"a.png": [BOX]}}
    assert rows(path if by_file else tmp_path) == expected


@pytest.mark.parametrize(
    ("image", "label", "split"),
    [
        ("images/train/a.png", "labels/train/a.txt", "train"),
        ("valid/images/a.png", "valid/labels/a.txt", "validation"),
        ("images/a.png", "labels/a.txt", "train"),
        ("a.png", "a.txt", "train"),
        ("photos/a.png", "labels/test/a.txt", "test"),
    ],
)
def test_trees_without_settings(tmp_path, image, label, split):
    tree(tmp_path, (image, label))
    assert rows(tmp_path) == {split: {"a.png": [("0", BOX[1])]}}
    assert "their numbers are the names" in notes(tmp_path)
    text(tmp_path / "classes.txt", "cat\ndog\n")
    assert rows(tmp_path) == {split: {"a.png": [BOX]}}


def test_labels_whose_images_lie_elsewhere(tmp_path):
    images(tmp_path / "photos", "a.png")
    text(tmp_path / "set/labels/train/a.txt", LINE)
    path = text(tmp_path / "set/data.yaml", "train: images/train\nnames: [cat]\n")
    with pytest.raises(DataError, match="1 of 1 label files have no image: labels/train/a.txt"):
        read(str(path), True, "image", "objects")
    assert rows(path, images=tmp_path / "photos") == {"train": {"a.png": [BOX]}}


@pytest.mark.parametrize(
    ("image", "label"),
    [("Images/{}.png", "Labels/{}.txt"), ("img/{}.png", "labels/{}.txt"),
     ("photos/{}.png", "labels/test/{}.txt")],
)  # fmt: skip
def test_images_without_a_label_file_are_kept_wherever_they_lie(tmp_path, image, label):
    tree(tmp_path, (image.format("a"), label.format("a")))
    images(tmp_path, image.format("bare"))
    split = "test" if "test" in label else "train"
    assert rows(tmp_path) == {split: {"a.png": [("0", BOX[1])], "bare.png": []}}
    assert "1 image without a label file: no objects (bare.png)" in notes(tmp_path)


def test_odd_lines_and_files(tmp_path):
    images(tmp_path / "images", "a.png", "empty.png", "bare.png")
    text(
        tmp_path / "labels/a.txt",
        "0.0 0.25 0.5 0.1 0.2 0.97\n"
        "1 0.1 0.1 0.2 0.1 0.2 0.2\n\n0 0.99 0.5 0.1 0.2\n0 0.5 0.5 0 0.2\n",
    )
    text(tmp_path / "labels/empty.txt", "")
    text(tmp_path / "labels/nobody.txt", LINE)
    text(tmp_path / "classes.txt", "cat\ndog\n")
    assert rows(tmp_path)["train"] == {
        "a.png": [BOX, ("dog", [10, 8, 20, 16]), ("cat", [94, 32, 100, 48])],
        "bare.png": [], "empty.png": [],
    }  # fmt: skip
    told = notes(tmp_path)
    for note in (
        "1 line has a confidence", "1 line with a polygon", "1 image without a label file",
        "1 label file without an image left out (labels/nobody.txt)", "1 box past the edge",
        "1 box of no width or height removed (a.png)",
    ):  # fmt: skip
        assert note in told


def test_faults_are_told_together(tmp_path):
    images(tmp_path / "images", "a.png", "b.png")
    text(tmp_path / "labels/a.txt", "7 0.5 0.5 0.1 0.1\ncat 0.5 0.5 0.1 0.1\n0 0.5 0.5\n")
    text(tmp_path / "labels/b.txt", "0 50 40 20 20\n0 0.1 0.1 0.1 0.1\n")
    text(tmp_path / "data.yaml", "train: images\nnames: [cat, dog]\n")
    with pytest.raises(DataError) as caught:
        read(str(tmp_path), True, "image", "objects")
    told = str(caught.value)
    for fault in (
        "a.txt, line 1: class 7 is none of the names. Known: 0: cat, 1: dog",
        "a.txt, line 2: 'cat 0.5 0.5 0.1 0.1'", "a.txt, line 3: has 3 numbers",
        "b.txt, line 1: 50 is no fraction of the image",
    ):  # fmt: skip
        assert fault in told


def test_a_path_does_not_lead_out_of_the_data(tmp_path):
    images(tmp_path / "secret/private", "s.png")
    images(tmp_path / "a/b/set/images", "a.png")
    text(tmp_path / "a/b/set/labels/a.txt", LINE)
    for way in ("../../../secret/private", str(tmp_path / "secret/private")):
        path = text(tmp_path / "a/b/set/data.yaml", f"train: {way}\nnames: [cat]\n")
        with pytest.raises(DataError, match="no images are there"):
            read(str(path), True, "image", "objects")
    text(path, "train: images\nnames: [cat]\nval: [images\n")
    with pytest.raises(DataError, match="is no yaml"):
        read(str(path), True, "image", "objects")


def test_a_test_folder_that_is_not_there(tmp_path):
    tree(tmp_path, ("train/images/a.png", "train/labels/a.txt"))
    settings = "train: ../train/images\nnames: [cat]\n{}: ../none/images\n"
    path = text(tmp_path / "data.yaml", settings.format("test"))
    assert rows(path) == {"train": {"a.png": [BOX]}}
    assert "../none/images (test) has no images: not used" in notes(path)
    text(path, settings.format("val"))
    with pytest.raises(DataError, match=r"validation: \.\./none/images: no images are there"):
        read(str(path), True, "image", "objects")


def test_polygons_are_outlines_where_they_are_wanted(tmp_path):
    images(tmp_path / "images", "a.png")
    text(tmp_path / "labels/a.txt", "0 0.1 0.25 0.2 0.25 0.2 0.5 0.1 0.5\n0 0.5 0.5 0.1 0.1\n")
    found = read(str(tmp_path), True, "image", "objects", shapes=True)
    first, second = found.splits["train"][0]["objects"]
    assert first["box"] == [10, 20, 20, 40]
    assert first["shape"]["size"] == [80, 100]
    assert second["shape"] is None


@pytest.mark.parametrize("folders", ["images labels", "set set"])
def test_a_malformed_first_line_is_no_image_without_objects(tmp_path, folders):
    image, label = folders.split()
    tree(tmp_path, *((f"{image}/{n}.png", f"{label}/{n}.txt") for n in "ab"))
    text(tmp_path / label / "b.txt", "0;0.25;0.5;0.1;0.2\n")
    with pytest.raises(DataError, match=r"b\.txt, line 1: '0;0\.25;0\.5;0\.1;0\.2': a number of"):
        read(str(tmp_path), True, "image", "objects")


def test_texts_beside_images_without_any_line_of_yolo_are_no_labels(tmp_path):
    images(tmp_path, "a.png")
    text(tmp_path / "a.txt", "a photo of a cat")
    with pytest.raises(DataError, match="but no annotations"):
        read(str(tmp_path), True, "image", "objects")
