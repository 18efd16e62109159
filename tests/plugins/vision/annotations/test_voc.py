"""Pascal VOC xml: folders and lists of splits, conventions of corners, odd files."""

from __future__ import annotations

from pathlib import Path

import pytest
from annotated_trees import coco, images, notes, rows, text, voc
from toolkit_plugins.vision.annotations import read
from toolkit_plugins.vision.annotations.files import FileError, xml_of

from toolkit.errors import DataError

CAT = ("cat", (11, 21, 40, 60))
EDGES = [("cat", [11, 21, 40, 60])]


@pytest.mark.parametrize(
    ("xml_at", "image_at", "split"),
    [
        ("Annotations/a.xml", "JPEGImages/a.jpg", "train"),
        ("annotations/a.xml", "images/a.png", "train"),
        ("a.xml", "a.JPG", "train"),
        ("valid/a.xml", "valid/a.jpg", "validation"),
        ("test/annotations/a.xml", "test/images/a.jpg", "test"),
        ("annotations/a.xml", "photos/a.png", "train"),
    ],
)
def test_images_are_found_where_the_field_puts_them(tmp_path, xml_at, image_at, split):
    images(tmp_path, image_at)
    voc(tmp_path / xml_at, [CAT], filename="/home/pi/other.jpg")
    assert list(rows(tmp_path).items()) == [(split, {image_at.rpartition("/")[2]: EDGES})]
    assert "1 xml file with the name of another image: that of its own name is used" in notes(
        tmp_path
    )


def test_a_lone_xml_and_one_that_only_its_filename_leads_to(tmp_path):
    images(tmp_path, "photo_1.png")
    path = voc(tmp_path / "x1.xml", [CAT], filename="photo_1.png")
    assert rows(path) == {"train": {"photo_1.png": EDGES}}


@pytest.mark.parametrize("there", ["photo 1.jpeg", "photo 1.JPG", "my pictures/photo 1.png"])
def test_a_name_with_another_suffix_leads_to_its_image(tmp_path, there):
    images(tmp_path, there)
    text(tmp_path / "thumbs" / "photo 2.txt", "no image")
    voc(tmp_path / "xml" / "00001.xml", [CAT], filename="C:\\data\\my set\\photo 1.jpg")
    assert rows(tmp_path) == {"train": {there.rpartition("/")[2]: EDGES}}
    assert "another image" not in notes(tmp_path)


def test_of_images_of_one_name_the_folder_decides(tmp_path):
    images(tmp_path, "pictures/a.png", "small/a.png")
    path = voc(tmp_path / "xml" / "a.xml", [CAT], filename="a.png")
    path.write_text(path.read_text().replace("<annotation>", "<annotation><folder>small</folder>"))
    (image,) = read(str(tmp_path), True, "image", "objects").splits["train"]["image"][:1]
    assert Path(image).parent.name == "small"


def test_a_name_without_a_suffix_may_have_dots(tmp_path):
    images(tmp_path, "a.v1.png")
    voc(tmp_path / "a.v1.xml", [CAT], filename="a.v1")
    assert rows(tmp_path) == {"train": {"a.v1.png": EDGES}}
    assert "another image" not in notes(tmp_path)


def test_lists_are_splits(tmp_path):
    for stem in "abcdef":
        images(tmp_path / "JPEGImages", f"{stem}.jpg")
        if stem != "d":
            voc(tmp_path / "Annotations" / f"{stem}.xml", [CAT])
    lists = tmp_path / "ImageSets" / "Main"
    for name, stems in {"train": "a", "val": "b d", "trainval": "a b", "test": "c",
                        "cat_train": "f"}.items():  # fmt: skip
        text(lists / f"{name}.txt", "\n".join(stems.split()) + "\n")
    assert {split: list(there) for split, there in rows(tmp_path).items()} == {
        "train": ["a.jpg"], "validation": ["b.jpg", "d.jpg"], "test": ["c.jpg"]}  # fmt: skip
    told = notes(tmp_path)
    assert "validation: 1 image without an xml file: no objects (d.jpg)" in told
    assert "2 annotated images are in no list of a split and not used (e, f)" in told
    (lists / "train.txt").unlink()
    (lists / "val.txt").unlink()
    assert list(rows(tmp_path)["train"]) == ["a.jpg", "b.jpg"]


def test_corners_of_pascal_count_from_one(tmp_path):
    images(tmp_path, "a.png")
    path = voc(tmp_path / "a.xml", [("cat", (1, 1, 100, 80))], source="The VOC2007 Database")
    assert rows(path)["train"]["a.png"] == [("cat", [0, 0, 100, 80])]
    assert "counted from 1" in notes(path)
    voc(path, [("cat", (0, 1, 100, 80))], source="The VOC2007 Database")  # a 0 is no pixel then
    assert rows(path)["train"]["a.png"] == [("cat", [0, 1, 100, 80])]
    voc(path, [("cat", (1, 1, 100, 80))])
    assert rows(path)["train"]["a.png"] == [("cat", [1, 1, 100, 80])]
    assert "edges counted from 0" in notes(path)


def test_oddities_that_are_counted(tmp_path):
    images(tmp_path, "a.png", "b.png", "bare.png")
    flags = "<difficult>1</difficult><truncated>1</truncated><occluded>0</occluded>"
    voc(tmp_path / "a.xml", [(" cat ", (40, 60, 11, 21))], more=flags, size=(0, 0))
    text(
        tmp_path / "b.xml",
        "<annotation><object><name>cat</name><robndbox><cx>50</cx><cy>40</cy>"
        "<w>20</w><h>10</h><angle>1.5707963</angle></robndbox></object></annotation>",
    )
    voc(tmp_path / "gone.xml", [CAT])
    assert rows(tmp_path)["train"] == {
        "a.png": EDGES, "b.png": [("cat", [45, 30, 55, 50])], "bare.png": []}  # fmt: skip
    told = notes(tmp_path)
    for note in (
        "1 object is marked difficult", "1 object is marked truncated", "1 rotated box",
        "1 xml file without an image left out (gone.xml)", "1 box with left and right",
        "1 image without an xml file: no objects (bare.png)",
    ):  # fmt: skip
        assert note in told
    assert "occluded" not in told


def test_oddities_of_images_that_lists_put_into_splits_are_counted(tmp_path):
    images(tmp_path / "JPEGImages", "a.png", "b.png")
    flag = "<difficult>1</difficult>"
    for name in ("a", "b", "gone"):
        voc(tmp_path / f"Annotations/{name}.xml", [CAT], more=flag)
    for split, name in (("train", "a"), ("val", "b")):
        text(tmp_path / f"ImageSets/Main/{split}.txt", f"{name}\n")
    told = notes(tmp_path)
    assert "3 objects are marked difficult: kept as others" in told
    assert "1 xml file without an image left out (gone.xml)" in told


def test_images_without_annotations_are_predicted_too(tmp_path):
    images(tmp_path / "JPEGImages", "a.jpg", "b.jpg")
    images(tmp_path / "SegmentationClass", "a.png")
    images(tmp_path / "new", "c.jpg")
    voc(tmp_path / "Annotations/a.xml", [CAT])
    coco(tmp_path / "other/all.json", {"a.jpg": [], "b.jpg": []})

    def predicted():
        found = read(str(tmp_path), False, "image", "objects")
        return {split: sorted(Path(name).name for name in rows["image"])
                for split, rows in found.splits.items()}  # fmt: skip

    assert predicted() == {"train": ["a.jpg", "b.jpg", "c.jpg"]}  # of the COCO file
    (tmp_path / "other/all.json").unlink()
    assert predicted() == {"train": ["a.jpg", "b.jpg", "c.jpg"]}
    for split, name in (("train", "a"), ("val", "b")):
        text(tmp_path / f"ImageSets/Main/{split}.txt", f"{name}\n")
    assert predicted() == {"train": ["a.jpg"], "validation": ["b.jpg"]}


def test_faults_are_told_together(tmp_path):
    images(tmp_path, "a.png", "b.png", "c.png", "d.png")
    text(
        tmp_path / "a.xml",
        "<annotation><object><name> </name><bndbox><xmin>1</xmin></bndbox></object></annotation>",
    )
    text(tmp_path / "b.xml", '<!DOCTYPE x [<!ENTITY e "boom">]><annotation>&e;</annotation>')
    text(tmp_path / "c.xml", "<annotation><object>")
    voc(tmp_path / "d.xml", [CAT])
    with pytest.raises(DataError) as caught:
        read(str(tmp_path), True, "image", "objects")
    told = str(caught.value)
    for fault in ("a.xml, object 1: has no <name>", "a.xml, object 1: has no <bndbox> with four",
                  "b.xml: has a DOCTYPE", "c.xml: is no xml"):  # fmt: skip
        assert fault in told


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_in_any_encoding(tmp_path, encoding):
    path = tmp_path / "a.xml"
    content = '<!DOCTYPE x [<!ENTITY e "boom">]><annotation>&e;</annotation>'
    path.write_text(content, encoding=encoding)
    with pytest.raises(FileError, match="has a DOCTYPE"):
        xml_of(path)
    path.write_text("<annotation>whole</annotation>", encoding="utf-8")
    assert xml_of(path).text == "whole"


def test_most_xml_without_an_image_is_refused(tmp_path):
    images(tmp_path, "a.png")
    for stem in "abc":
        voc(tmp_path / f"{stem}.xml", [CAT])
    with pytest.raises(DataError, match=r"2 of 3 xml files have no image beside them: b.xml"):
        read(str(tmp_path), True, "image", "objects")


def test_images_alone_are_refused_to_train_and_left_to_the_core_to_predict(tmp_path):
    images(tmp_path, "a.png", "b.png", "c.jpg")
    assert read(str(tmp_path), False, "image", "objects") is None
    with pytest.raises(DataError, match=r"holds 3 images .*2 \.png, 1 \.jpg.*no annotations"):
        read(str(tmp_path), True, "image", "objects")


def test_files_that_are_listed_bring_no_other_images(tmp_path):
    images(tmp_path, "0.png", "1.png", "2.png")
    files = [str(voc(tmp_path / f"{n}.xml", [("cat", [1, 2, 30, 40])])) for n in range(3)]
    found = rows(files[:2])
    assert found == {"train": {f"{n}.png": [("cat", [1, 2, 30, 40])] for n in range(2)}}
    assert "no objects" not in notes(files[:2])
