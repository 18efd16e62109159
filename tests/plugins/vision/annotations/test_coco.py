"""COCO json: where images lie, ids, odd annotations, and all faults of a file at once."""

from __future__ import annotations

import json

import pytest
from annotated_trees import coco, images, notes, rows, text
from toolkit_plugins.vision.annotations import read

from toolkit.errors import DataError

CAT, DOG = ("cat", [10, 20, 30, 40]), ("dog", [0, 0, 5, 5])


@pytest.mark.parametrize(
    ("json_at", "image_at", "name"),
    [
        ("all.json", "a.png", "a.png"),
        ("all.json", "images/a.png", "a.png"),
        ("annotations/instances_train2017.json", "train2017/a.png", "a.png"),
        ("annotations/instances_train.json", "images/train/a.png", "a.png"),
        ("train/_annotations.coco.json", "train/a.png", "a.png"),
        ("all.json", "deep/down/A.png", "C:\\data\\images\\a.png"),
        ("all.json", "images/a.png", "/home/ann/set/images/a.png"),
        ("all.json", "x/a.png", "../../../etc/a.png"),
        ("all.json", "images/a b.png", "https://host/set/a%20b.png?size=2"),
    ],
)
def test_images_are_found_where_the_field_puts_them(tmp_path, json_at, image_at, name):
    images(tmp_path, image_at)
    coco(tmp_path / json_at, {name: [CAT, DOG]})
    found = rows(tmp_path)
    assert list(found) == ["train"]
    assert list(found["train"].values()) == [[("cat", [10, 20, 40, 60]), ("dog", [0, 0, 5, 5])]]


def test_splits_come_from_names_and_a_lone_file_is_training_data(tmp_path):
    for split in ("train", "val", "test"):
        images(tmp_path / split, "same.png")
        coco(tmp_path / "annotations" / f"instances_{split}2017.json", {"same.png": [CAT]})
    text(
        tmp_path / "annotations/captions_val2017.json",
        json.dumps({"images": [], "annotations": [{"image_id": 1, "caption": "a cat"}]}),
    )
    assert list(rows(tmp_path)) == ["train", "validation", "test"]
    assert "not read: captions_val2017.json" in notes(tmp_path)
    found = read(str(tmp_path / "annotations/instances_val2017.json"), True, "image", "objects")
    assert list(found.splits) == ["train"]
    assert found.splits["train"]["image"] == [str(tmp_path / "val" / "same.png")]
    apart = {
        "train": str(tmp_path / "annotations/instances_train2017.json"),
        "val": [str(tmp_path / "annotations/instances_val2017.json")],
    }
    assert list(rows(apart)) == ["train", "validation"]


def test_the_form_of_a_row(tmp_path):
    images(tmp_path, "a.png", "none.png")
    crowd = {"bbox": [1, 2, 3, 4], "iscrowd": 1, "area": 7.5, "category_id": 11}
    path = coco(tmp_path / "a.json", {"a.png": [crowd], "none.png": []})
    found = read(str(path), True, "picture", "boxes")
    assert found.files == [path]
    first, second = found.splits["train"]
    assert first == {
        "picture": str(tmp_path / "a.png"),
        "boxes": [{"box": [1, 2, 4, 6], "label": "dog", "crowd": True, "area": 7.5}],
    }
    assert second["boxes"] == []
    assert found.notes == [
        "train: COCO json, 2 images, 1 object of 1 class (dog); 1 image without objects is kept"
    ]
    alone = read(str(path), False, "picture", "boxes").splits["train"]
    assert alone.column_names == ["picture"]


def test_oddities_that_are_counted(tmp_path):
    images(tmp_path, "a.png", "b.png")
    square = [[10, 10, 20, 10, 20, 20, 10, 20]]
    odd = [
        {"id": 5, "segmentation": square},
        {"id": 5, "bbox": [1, 1, 9, 9]},
        {"id": 6, "image_id": 77, "bbox": [1, 1, 9, 9]},
        {"id": 7, "bbox": [1, 1, 8, 9], "segmentation": {"size": [80, 100], "counts": [1, 2]}},
        {"id": 8, "bbox": [1, 1, 7, 9], "image_id": "2"},
    ]
    path = coco(
        tmp_path / "a.json",
        {"a.png": odd, "b.png": [], "lost.png": []},
        names=("cat", "dog", " cat"),
    )
    told = notes(path)
    assert rows(path)["train"] == {
        "a.png": [("cat", [10, 10, 20, 20]), ("cat", [1, 1, 10, 10]), ("cat", [1, 1, 9, 10])],
        "b.png": [("cat", [1, 1, 8, 10])],
    }
    for note in (
        "2 categories are named 'cat': one class", "1 annotation has an id that another one has",
        "1 annotation without a bbox", "1 annotation of images that the file does not list",
        "1 segmentation is neither polygons nor a whole RLE", "left out (lost.png)",
    ):  # fmt: skip
        assert note in told


def test_a_file_with_every_fault(tmp_path):
    images(tmp_path, "a.png")
    broken = [
        {"category_id": 99, "bbox": [1, 1, 2, 2]},
        {"bbox": [1, 1, 2]},
        {"bbox": "x"},
        {},
        {"category_id": None, "bbox": [1, 1, 2, 2]},
        {"image_id": None, "bbox": [1, 1, 2, 2]},
    ]
    path = coco(
        tmp_path / "a.json",
        {"a.png": broken},
        categories=[{"id": 1, "name": "cat"}, {"id": 1, "name": "dog"}, {"id": 2}],
    )
    value = json.loads(path.read_text())
    value["images"] += [{"id": 1, "file_name": "b.png"}, {"id": 3}, {"file_name": "c.png"}]
    value["annotations"].append("x")
    path.write_text(json.dumps(value))
    with pytest.raises(DataError) as caught:
        read(str(path), True, "image", "objects")
    told = str(caught.value)
    for fault in (
        "annotations[0]: category_id 99 is none of the categories. Known: 1",
        "annotations[1]: bbox is [1, 1, 2]", "annotations[2]: bbox is x",
        "annotations[3]: has neither a bbox nor a segmentation",
        "annotations[4]: has no category_id", "annotations[5]: has no image_id",
        "annotations[6]: is no object", "the id 1 is of two categories: 'cat' and 'dog'",
        "categories[2]: has no id or no name", "the id 1 is of two images: a.png and b.png",
        "images[2]: has no file_name", "images[3]: has no id",
    ):  # fmt: skip
        assert fault in told


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"images": [], "annotations": [{"caption": "x"}]}, "a COCO file of captions"),
        ({"images": [], "annotations": [{"keypoints": [1]}]}, "a COCO file of keypoints"),
        (
            {"images": [{"id": 1, "file_name": "no.png"}], "annotations": [], "categories": []},
            "1 of 1 images are not found below",
        ),
        ({"images": [{"id": 1, "file_name": "a.png"}], "annotations": []}, "no list `categories`"),
        ({"images": [{"id": 1, "file_name": "a.png"}], "categories": []}, "no list `annotations`"),
        (
            {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [], "categories": []},
            "none of 1 images has an object",
        ),
        ({"images": [], "annotations": [], "categories": []}, "holds no image"),
        ('{"images": [], "annotations": [', "is no json"),
    ],
)
def test_files_that_are_refused(tmp_path, content, fault):
    images(tmp_path, "a.png")
    path = text(tmp_path / "a.json", content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(DataError, match=fault):
        read(str(path), True, "image", "objects")


def test_other_json_is_left_to_the_core(tmp_path):
    table = text(tmp_path / "rows.json", '[{"image": "a.png", "objects": []}]')
    lines = text(tmp_path / "lines.json", '{"image": "a.png"}\n{"image": "b.png"}\n')
    assert read(str(table), True, "image", "objects") is None
    assert read(str(lines), True, "image", "objects") is None
    assert read("hub:somebody/boxes", True, "image", "objects") is None
    assert read(str(tmp_path / "none.json"), True, "image", "objects") is None


@pytest.mark.parametrize(
    ("convention", "box"),
    [("xyxy", [10, 20, 40, 60]), ("cxcywh", [25, 40, 30, 40]),
     ("xywh_normalised", [0.1, 0.25, 0.3, 0.5])],
)  # fmt: skip
def test_boxes_in_another_convention(tmp_path, convention, box):
    images(tmp_path, "a.png")
    path = coco(tmp_path / "a.json", {"a.png": [("cat", box)]})
    found = rows(path, convention=convention)
    assert found == {"train": {"a.png": [("cat", [10, 20, 40, 60])]}}
    assert f"COCO: boxes are read as {convention}" in notes(path, convention=convention)


def test_several_files_of_one_image_are_one_row(tmp_path):
    images(tmp_path, "a.png", "b.png")
    coco(tmp_path / "cats.json", {"a.png": [CAT], "b.png": [CAT]})
    coco(tmp_path / "dogs.json", {"a.png": [DOG, CAT], "b.png": []})
    cat, dog = ("cat", [10, 20, 40, 60]), ("dog", [0, 0, 5, 5])
    assert rows(tmp_path) == {"train": {"a.png": [cat, dog], "b.png": [cat]}}
    assert "train: COCO json, 2 images" in notes(tmp_path)
    assert "2 images have several annotations: their objects are joined (a.png" in notes(tmp_path)


def test_annotations_of_one_image_in_different_units_are_joined_in_pixels(tmp_path):
    images(tmp_path / "images", "a.png")
    path = coco(tmp_path / "a.json", {"a.png": [CAT]})
    twice = json.loads(path.read_text())
    twice["images"][0] |= {"width": 200, "height": 160}
    text(tmp_path / "b.json", json.dumps(twice))
    found = rows([str(path), str(tmp_path / "b.json")])
    assert found == {"train": {"a.png": [("cat", [10, 20, 40, 60]), ("cat", [5, 10, 20, 30])]}}
    lines = text(tmp_path / "images/metadata.jsonl", json.dumps(
        {"file_name": "a.png", "objects": {"bbox": [[0.5, 0.5, 0.1, 0.1]], "category": ["dog"]}}
    ))  # fmt: skip
    found = rows([str(path), str(lines)])
    assert found == {"train": {"a.png": [("cat", [10, 20, 40, 60]), ("dog", [45, 36, 55, 44])]}}


def test_held_out_images_are_not_trained_on_by_a_file_of_all(tmp_path):
    images(tmp_path, "a.png", "b.png", "c.png")
    coco(tmp_path / "all.json", {name: [CAT] for name in ("a.png", "b.png", "c.png")})
    coco(tmp_path / "train.json", {"a.png": [CAT]})
    coco(tmp_path / "test.json", {"c.png": [CAT]})
    found = rows(tmp_path)
    cat = [("cat", [10, 20, 40, 60])]
    assert found == {"train": {"a.png": cat, "b.png": cat}, "test": {"c.png": cat}}
    assert "test: 1 image is also in annotations that name no split" in notes(tmp_path)
