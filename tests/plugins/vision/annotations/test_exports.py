"""Exports of Label Studio and CVAT."""

from __future__ import annotations

import json

import pytest
from annotated_trees import images, notes, rows, text
from toolkit_plugins.vision.annotations import read, shapes

from toolkit.errors import DataError


def region(kind="rectangle", label="cat", **value):
    key = f"{kind}labels"
    return {"type": key, "original_width": 100, "original_height": 80,
            "value": {key: [label]} | value}  # fmt: skip


RECTANGLE = region(x=10, y=25, width=20, height=50, rotation=0)
BOX = [10, 20, 30, 60]


def task(image, *results, **more):
    return {"data": {"image": image}, "annotations": [{"result": list(r)} | more for r in results]}


@pytest.mark.parametrize(
    "image",
    ["/data/upload/1/0a1b2c3d-a.png", "/data/local-files/?d=set/a.png", "s3://bucket/set/a.png",
     "https://host/a.png", "a.png"],
)  # fmt: skip
def test_label_studio_finds_images(tmp_path, image):
    images(tmp_path / "photos", "a.png")
    text(tmp_path / "export.json", json.dumps([task(image, [RECTANGLE])]))
    assert rows(tmp_path) == {"train": {"a.png": [("cat", BOX)]}}


def test_json_min_of_label_studio(tmp_path):
    images(tmp_path, "a.png")
    flat = RECTANGLE["value"] | {"original_width": 100, "original_height": 80}
    path = text(
        tmp_path / "min.json", json.dumps([{"image": "/data/upload/a.png", "label": [flat]}])
    )
    assert rows(path) == {"train": {"a.png": [("cat", BOX)]}}


def test_oddities_of_label_studio(tmp_path):
    images(tmp_path, "a.png", "b.png", "c.png", "d.png", "e.png")
    polygon = region("polygon", points=[[10, 10], [20, 10], [20, 50]])
    odd = [
        RECTANGLE, polygon, region(x=50, y=50, width=20, height=10, rotation=90),
        region("ellipse", x=50, y=50, radiusX=10, radiusY=20), region("keypoint", x=1, y=1),
        region("brush", rle=[1]), region(label=" ", x=1, y=1, width=5, height=5),
    ]  # fmt: skip
    tasks = [
        task("a.png", odd), task("b.png", []), task("c.png", [RECTANGLE], was_cancelled=True),
        task("d.png", [RECTANGLE], [RECTANGLE, polygon]), task("gone.png", [RECTANGLE]),
        {"data": {"image": "e.png"}, "annotations": []},
    ]  # fmt: skip
    path = text(tmp_path / "export.json", json.dumps(tasks))
    assert rows(path)["train"] == {
        "a.png": [("cat", BOX), ("cat", [10, 8, 20, 40]), ("cat", [42, 40, 50, 60]),
                  ("cat", [40, 24, 60, 56])],
        "b.png": [], "d.png": [("cat", BOX)],
    }  # fmt: skip
    told = notes(path)
    for note in (
        "1 rotated box", "region of type keypointlabels left out", "region of brushes left out",
        "1 region without a class left out", "all cancelled left out (c.png)",
        "1 task with several annotations", "left out (gone.png)",
        "1 task without an annotation left out (e.png)",
    ):  # fmt: skip
        assert note in told


CVAT = """<annotations><version>1.1</version>
<image id="0" name="sub/a.png" width="100" height="80" subset="{0}">
<box label="cat" occluded="1" xtl="10" ytl="20" xbr="30" ybr="60"/>
<box label="cat" xtl="40" ytl="35" xbr="60" ybr="45" rotation="90"/>
<polygon label="dog" points="10,10;20,10;20,20;10,20"/>
<mask label="dog" left="60" top="30" width="3" height="2" rle="1,4,1"/>
<points label="eye" points="1,1"/><tag label="day"/></image>
<image id="1" name="b.png" width="100" height="80" subset="{0}"/></annotations>"""


def test_cvat(tmp_path):
    images(tmp_path, "sub/a.png", "b.png")
    path = text(tmp_path / "annotations.xml", CVAT.format(""))
    assert rows(path) == rows(tmp_path) == {"train": {
        "a.png": [("cat", BOX), ("cat", [45, 30, 55, 50]), ("dog", [10, 10, 20, 20]),
                  ("dog", [60, 30, 63, 32])],
        "b.png": [],
    }}  # fmt: skip
    told = notes(path)
    assert "1 rotated box" in told
    assert "1 object is marked occluded" in told
    assert "1 shape of type points left out" in told
    assert "tag" not in told
    found = read(str(path), True, "image", "objects", shapes=True).splits["train"][0]["objects"]
    assert found[0]["shape"] is None
    assert shapes.decoded(found[2]["shape"]).sum() == 100
    mask = shapes.decoded(found[3]["shape"])[30:32, 60:63]
    assert mask.tolist() == [[0, 1, 1], [1, 1, 0]]
    text(path, CVAT.format("Validation"))
    assert list(rows(path)["validation"]) == ["a.png", "b.png"]


def test_faults_of_cvat(tmp_path):
    images(tmp_path, "a.png")
    path = text(tmp_path / "a.xml", '<annotations><track id="0"><box/></track></annotations>')
    with pytest.raises(DataError, match="holds tracks of a video: export the task as 'CVAT for"):
        read(str(path), True, "image", "objects")
    text(
        path,
        '<annotations><image name="a.png"><box label="" /><box label="cat" xtl="x"/>'
        "</image></annotations>",
    )
    with pytest.raises(DataError) as caught:
        read(str(path), True, "image", "objects")
    assert "a.png, box: has no label" in str(caught.value)
    assert "a.png, box: has no whole coordinates" in str(caught.value)


def test_labelme(tmp_path):
    images(tmp_path, "a.png", "bare.png")
    shapes_there = [
        {"label": "cat", "shape_type": "rectangle", "points": [[30, 60], [10, 20]]},
        {"label": "dog", "points": [[10, 10], [20, 10], [20, 20]]},
        {"label": "eye", "shape_type": "circle", "points": [[50, 40], [53, 44]]},
        {"label": "way", "shape_type": "line", "points": [[1, 1], [2, 2]]},
    ]
    value = {"imagePath": "..\\a.png", "imageWidth": 100, "imageHeight": 80, "imageData": None}
    path = text(tmp_path / "a.json", json.dumps({"flags": {}, "shapes": shapes_there} | value))
    things = [("cat", BOX), ("dog", [10, 10, 20, 20]), ("eye", [45, 35, 55, 45])]
    assert rows(tmp_path) == {"train": {"a.png": things, "bare.png": []}}
    assert rows(path) == {"train": {"a.png": things}}
    assert "1 shape of type line left out (a.png)" in notes(path)
    broken = [{"points": [[1, 1]]}, {"label": "cat", "points": [[1, 1], [2, "x"], [3, 3]]}]
    text(path, json.dumps({"shapes": broken} | value))
    with pytest.raises(DataError) as caught:
        read(str(path), True, "image", "objects")
    assert "shapes[0]: has no label" in str(caught.value)
    assert "shapes[1]: a polygon of 3 points or more is expected" in str(caught.value)
