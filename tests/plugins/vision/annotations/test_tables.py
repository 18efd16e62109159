"""Objects in tables: layouts, classes, conventions of boxes, metadata, csv with a box a row."""

from __future__ import annotations

import json

import datasets
import numpy as np
import pytest
from annotated_trees import images, notes, rows, text
from toolkit_plugins.vision.annotations import read, recognising, reshaped
from toolkit_plugins.vision.annotations.conventions import edges, recognised
from toolkit_plugins.vision.detection.options import DetectionOptions
from toolkit_plugins.vision.detection.plugin import ObjectDetection

from toolkit.data import load
from toolkit.data.reader import ColumnRoles
from toolkit.errors import DataError

WIDE = [60, 50, 30, 20]  # left, top, width, height in an image of 100 x 80
BOX = [60.0, 50.0, 90.0, 70.0]


def table(tmp_path, features=None, **columns):
    images(tmp_path, "a.png")
    given = {"image": [str(tmp_path / "a.png")], **columns}
    return datasets.Dataset.from_dict(given, features)


LAYOUTS = {
    "lists": {"objects": [{"bbox": [WIDE], "category": ["cat"]}]},
    "objects": {"objects": [[{"bbox": WIDE, "label": "cat"}]]},
    "other names": {"objects": [{"boxes": [WIDE], "categories": [" cat "]}]},
    "columns": {"bbox": [[WIDE]], "label": [["cat"]]},
    "name beside a number": {
        "objects": [[{"bbox": WIDE, "category_id": 4, "category_name": "cat"}]]},
    "text": {"objects": [json.dumps([{"bbox": WIDE, "label": "cat"}])]},
    "keys": {"objects": [[
        {"bbox": {"xmin": 60, "ymin": 50, "xmax": 90, "ymax": 70}, "label": "cat"}]]},
    "shared": {"objects": [[{"box": BOX, "label": "cat", "crowd": False, "area": 600.0}]]},
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_become_one_form(tmp_path, name):
    given = table(tmp_path, id=[7], **LAYOUTS[name])
    found = reshaped(given, "train", "image", "objects").rows
    assert found[0] == {
        "image": str(tmp_path / "a.png"), "id": 7,
        "objects": [{"box": BOX, "label": "cat", "crowd": False, "area": 600.0}],
    }  # fmt: skip
    again = reshaped(found, "train", "image", "objects")
    assert again.rows[:] == found[:]
    assert not again.notes
    assert reshaped(given, "predict", "image", "objects").rows is given


@pytest.mark.parametrize(
    ("crowd", "is_one"), [("0", False), ("False", False), (0.0, False), (None, False),
                          ("1", True), (1, True), (True, True)],
)  # fmt: skip
def test_crowds_and_areas_of_fractions(tmp_path, crowd, is_one):
    thing = {"bbox": [0.6, 0.5, 0.9, 0.75], "label": "cat", "iscrowd": crowd, "area": 0.01}
    given = table(tmp_path, objects=[[thing]])
    found = reshaped(given, "train", "image", "objects", "xyxy_normalised").rows[0]["objects"]
    assert [(one["crowd"], one["area"]) for one in found] == [(is_one, pytest.approx(80))]
    given = table(tmp_path, objects=[[thing | {"area": 75.0}]])  # of an outline, in pixels
    found = reshaped(given, "train", "image", "objects", "xyxy_normalised").rows[0]["objects"]
    assert found[0]["area"] == 75


def test_rows_in_the_shared_form_are_of_the_upright_image(tmp_path):
    images(tmp_path, "turned.png", turned=3)
    thing = {"box": BOX, "label": "cat", "crowd": False, "area": 600.0}
    given = datasets.Dataset.from_dict(
        {"image": [str(tmp_path / "turned.png")], "objects": [[thing]]})  # fmt: skip
    found = reshaped(given, "train", "image", "objects")
    assert found.rows[0]["objects"] == [thing]
    assert not found.notes


def test_names_of_numbers(tmp_path):
    number = {"objects": [{"bbox": [WIDE], "category": [1]}]}
    named = {"bbox": datasets.List(datasets.List(datasets.Value("float32"))),
             "category": datasets.List(datasets.ClassLabel(names=["dog", "cat"]))}  # fmt: skip
    features = datasets.Features({"image": datasets.Value("string"), "objects": named})

    def label(given, names=None):
        found = reshaped(given, "train", "image", "objects", names=names)
        return found.rows[0]["objects"][0]["label"], "\n".join(found.notes)

    assert label(table(tmp_path, features, **number))[0] == "cat"
    assert label(table(tmp_path, **number), {1: "owl"})[0] == "owl"
    plain, told = label(table(tmp_path, **number))
    assert plain == "1"
    assert "classes are numbers without names" in told
    with pytest.raises(DataError, match=r"row 1: class 1 is none of the 1 names \(dog\)"):
        label(table(tmp_path, **number), ["dog"])


@pytest.mark.parametrize(
    ("objects", "fault"),
    [
        ([{"bbox": [WIDE, WIDE], "category": ["cat"]}], "2 boxes, but 1 values of 'category'"),
        ([{"bbox": [[1, 2, 3]], "category": ["cat"]}], "a box of four numbers is expected"),
        ([{"bbox": [WIDE], "category": [None]}], "an object has no class"),
        ([{"polygon": [WIDE]}], "and no box: looked for box, bbox"),
        (['{"bbox": 5}'], "'bbox' is no list of boxes"),
    ],
)
def test_faults_of_cells(tmp_path, objects, fault):
    with pytest.raises(DataError, match=fault):
        reshaped(table(tmp_path, objects=objects), "train", "image", "objects")


def test_a_table_without_boxes(tmp_path):
    with pytest.raises(DataError, match=r"no column 'objects'.*Did you mean 'object'"):
        reshaped(table(tmp_path, object=["x"]), "train", "image", "objects")
    none = reshaped(table(tmp_path, objects=[None]), "train", "image", "objects")
    assert none.rows[0]["objects"] == []


def as_written(boxes, name, size):
    """Return boxes (left, top, right, bottom) in a convention."""
    start, end = boxes[:, :2], boxes[:, 2:]
    first = (start + end) / 2 if name.startswith("cx") else start
    made = np.concatenate([first, end if name.startswith("xyxy") else end - start], 1)
    return made / np.tile(size, 2) if name.endswith("normalised") else made


@pytest.mark.parametrize("name", ["xywh", "xyxy", "cxcywh", "xywh_normalised", "xyxy_normalised",
                                  "cxcywh_normalised"])  # fmt: skip
def test_conventions_are_recognised(name):
    rng, size = np.random.default_rng(0), np.array([100.0, 80.0])
    start = rng.uniform(0, 0.8, (200, 2)) * size
    boxes = np.concatenate([start, start + rng.uniform(0.1, 1, (200, 2)) * (size - start)], 1)
    written = as_written(boxes, name, size)
    found, told = recognised(written.tolist(), [[100, 80]] * 200)
    assert found == name
    assert "they could be" not in told
    scale = np.tile(size, 2) if name.endswith("normalised") else 1
    assert np.allclose([edges(box, found) for box in written] * scale, boxes)


def test_what_could_be_several_conventions_is_told_and_can_be_set(tmp_path):
    small = {"objects": [{"bbox": [[10, 10, 20, 20]], "category": ["cat"]}]}
    found = reshaped(table(tmp_path, **small), "train", "image", "objects")
    assert found.rows[0]["objects"][0]["box"] == [10, 10, 30, 30]
    assert "could be left, top, right, bottom or centre x" in found.notes[0]
    assert "options.convention" in found.notes[0]
    for name, box in {"pascal_voc": [10, 10, 20, 20], "cxcywh": [0, 0, 20, 20]}.items():
        found = reshaped(table(tmp_path, **small), "train", "image", "objects", name)
        assert found.rows[0]["objects"][0]["box"] == box
    with pytest.raises(DataError, match=r"'xyxz' is no convention of boxes. Did you mean 'xyxy'"):
        reshaped(table(tmp_path, **small), "train", "image", "objects", "xyxz")


@pytest.mark.parametrize("where", ["metadata.jsonl", "rows.jsonl", "metadata.csv"])
def test_metadata_beside_images(tmp_path, where):
    objects = {"bbox": [WIDE], "category": ["cat"]}
    for split in ("train", "test"):
        images(tmp_path / split, "a.png", "b.png")
        if where.endswith("csv"):
            cell = json.dumps(objects).replace('"', '""')
            content = f'file_name,objects\na.png,"{cell}"\nb.png,""\n'
        else:
            lines = [{"file_name": "a.png", "objects": objects},
                     {"file_name": "b.png", "objects": {"bbox": [], "category": []}}]  # fmt: skip
            content = "\n".join(map(json.dumps, lines))
        text(tmp_path / split / where, content)
    whole = {"a.png": [("cat", BOX)], "b.png": []}
    assert rows(tmp_path) == {"train": whole, "test": whole}
    assert rows(tmp_path / "train" / where) == {"train": whole}
    alone = read(str(tmp_path / "test"), False, "image", "objects")
    assert alone.splits["train"].column_names == ["image"]


def test_faults_of_metadata(tmp_path):
    images(tmp_path, "a.png")
    lines = ['{"file_name": "a.png", "objects": {"bbox": [[1, 2]], "category": ["x"]}}', "{", "{}"]
    path = text(tmp_path / "metadata.jsonl", "\n".join(lines))
    with pytest.raises(DataError) as caught:
        read(str(path), True, "image", "objects")
    assert "line 2: is no object of json" in str(caught.value)
    assert "row 2: has no file_name" in str(caught.value)


def test_tables_of_another_kind_are_left_to_the_core(tmp_path):
    images(tmp_path, "a.png")
    line = json.dumps({"image": "a.png", "objects": {"bbox": [WIDE], "category": ["cat"]}})
    text(tmp_path / "train.jsonl", line)
    assert read(str(tmp_path / "train.jsonl"), True, "image", "objects") is None
    assert read(str(tmp_path), True, "image", "objects") is None


def test_csv_with_a_box_a_row(tmp_path):
    images(tmp_path / "images", "a.png", "b.png")
    path = text(
        tmp_path / "train_labels.csv",
        "filename,width,height,class,xmin,ymin,xmax,ymax\n"
        "a.png,100,80,cat,60,50,90,70\na.png,100,80,dog,1,1,5,5\nb.png,100,80,,,,,\n",
    )
    found = {"a.png": [("cat", BOX), ("dog", [1, 1, 5, 5])], "b.png": []}
    assert rows(path) == rows(tmp_path) == {"train": found}
    assert "csv with a box a row" in notes(path)
    text(path, "filename,class,xmin,ymin,xmax,ymax\na.png,cat,60,x,90,70\n")
    with pytest.raises(DataError, match=r"line 2: has no class, or a corner that is no number"):
        read(str(path), True, "image", "objects")


def test_splits_of_few_boxes_are_read_as_the_others(tmp_path):
    images(tmp_path, "a.png")
    few, many = [[10, 10, 20, 20]], [[50, 40, 90, 70], [60, 10, 99, 79], [10, 10, 20, 20]]
    for split, boxes in {"train": many, "test": few}.items():
        objects = {"bbox": boxes, "category": ["cat"] * len(boxes)}
        line = json.dumps({"file_name": "a.png", "objects": objects})
        text(tmp_path / f"{split}.jsonl", line)
    assert rows(tmp_path)["test"] == {"a.png": [("cat", [10, 10, 20, 20])]}
    splits = {name: table(tmp_path, objects=[{"bbox": boxes, "category": ["cat"] * len(boxes)}])
              for name, boxes in {"test": few, "train": many}.items()}  # fmt: skip

    def plugin():
        made = ObjectDetection()
        made.options = DetectionOptions()
        return made

    trained = plugin()
    made, notes_, _ = load.shaped(dict(splits), trained, ColumnRoles.of({}))
    assert list(made) == ["test", "train"]
    assert made["test"][0]["objects"][0]["box"] == [10, 10, 20, 20]
    assert [note for note in notes_ if "left, top, right, bottom" in note]
    saved = plugin().with_(statistics=trained.training_statistics())
    alone = saved.reshape_rows(splits["test"], "test").rows
    assert alone[0]["objects"][0]["box"] == [10, 10, 20, 20]


@pytest.mark.parametrize("name", ["shared", "keys"])
def test_nothing_is_recognised_where_rows_say_what_boxes_are(tmp_path, name):
    given = table(tmp_path, **LAYOUTS[name])
    assert recognising(given, "train", "image", "objects")[1] is None
    assert recognising(given.remove_columns("image"), "train", "image", "objects")[1] is None


def test_texts_that_are_no_json_are_faults(tmp_path):
    images(tmp_path, "a.png", "b.png", "c.png")
    whole = json.dumps([{"bbox": WIDE, "label": "cat"}])
    paths = [str(tmp_path / f"{name}.png") for name in "abc"]
    for cells in (["", whole[:-3], whole], [whole[:-3], "[]", whole], ["[]", "", whole[:-3]]):
        given = datasets.Dataset.from_dict({"image": paths, "objects": cells})
        row = cells.index(whole[:-3]) + 1
        with pytest.raises(DataError, match=rf"objects, row {row}: is no json: \[\{{"):
            reshaped(given, "train", "image", "objects")
    empty = datasets.Dataset.from_dict({"image": paths, "objects": ["null", "[]", whole]})
    found = reshaped(empty, "train", "image", "objects").rows["objects"][:]
    assert [len(objects) for objects in found] == [0, 0, 1]


def test_keys_and_options_name_the_convention_of_a_box(tmp_path):
    keys = {"x": 60, "y": 50, "width": 30, "height": 20}
    shares = {"x": 0.6, "y": 0.625, "width": 0.3, "height": 0.25}
    plain, own = [60, 50, 30, 20], {"crowd": False, "area": 600.0}
    for box, more, convention, expected in (
        (keys, {}, None, BOX), (keys, {}, "xyxy", BOX), (keys, own, None, BOX),
        (keys, {}, "cxcywh", [45, 40, 75, 60]), (shares, {}, "xywh_normalised", BOX),
        (plain, {}, "xywh", BOX), (BOX, {}, None, BOX), (BOX, own, "xywh", BOX),
    ):  # fmt: skip
        objects = [{"box": box, "label": "cat", **more}]
        found = reshaped(
            table(tmp_path, objects=[objects]), "train", "image", "objects", convention
        )
        assert found.rows[0]["objects"][0]["box"] == pytest.approx(expected)
        line = json.dumps({"file_name": "a.png", "objects": objects})
        path = text(tmp_path / "metadata.jsonl", line)
        assert rows(path, convention=convention) == {"train": {"a.png": [("cat", expected)]}}


def test_formats_with_a_convention_of_their_own(tmp_path):
    images(tmp_path, "a.png")
    path = text(
        tmp_path / "rows.csv", "image,label,xmin,ymin,xmax,ymax\na.png,cat,0.6,0.625,0.9,0.875\n"
    )
    found = rows(path, convention="xyxy_normalised")
    assert found == {"train": {"a.png": [("cat", BOX)]}}
    text(path, "image,label,xmin,ymin,xmax,ymax\na.png,cat,60,50,90,70\n")
    assert rows(path, convention="xywh") == {"train": {"a.png": [("cat", BOX)]}}
    assert "csv with a box a row: options.convention is not used" in notes(path, convention="xywh")
    assert "options.convention" not in notes(path, convention="pascal_voc")
