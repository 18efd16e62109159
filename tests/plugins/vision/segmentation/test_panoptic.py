"""Panoptic segmentation: PNG files of segment ids in, segments out."""

from __future__ import annotations

import json
import shutil

import datasets
import instance_rows
import numpy as np
import pytest
import segment_rows
import torch
import transformers
from PIL import Image
from toolkit_plugins.vision.segmentation import instance_batches, panoptic_files, panoptic_rows
from toolkit_plugins.vision.segmentation.options import SegmentationOptions
from toolkit_plugins.vision.segmentation.panoptic import PanopticSegmentation
from toolkit_plugins.vision.segmentation.plugin import ImageSegmentation

import toolkit
from toolkit.cli.main import outcome
from toolkit.errors import DataError
from toolkit.evaluation import panoptic_files as pngs
from toolkit.evaluation.metrics import mask_overlap
from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import prepare

OPTIONS = SegmentationOptions(kind="panoptic")


def recipe_of(folder, source, **options):
    path = folder / "scenes.yaml"
    path.write_text(json.dumps({
        "scenario": "image-segmentation", "description": "Scenes.",
        "model": {"from_config": instance_rows.TINY}, "data": {"source": str(source)},
        "options": {"kind": "panoptic", **options},
    }))  # fmt: skip
    return str(path)


def message(recipe, capsys, *settings):
    """Return the message of `toolkit check` for a user's mistake."""
    arguments = [part for text in settings for part in ("--set", text)]
    assert outcome(["check", recipe, "--no-estimate", *arguments]) == 2
    text = " ".join(capsys.readouterr().err.split())
    assert "Traceback" not in text
    return text


def changed(root, scenes, change):
    """Return a copy of `scenes` whose json is changed."""
    shutil.copytree(scenes, root)
    path = root / "panoptic_train.json"
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    return root


def read(source, options=OPTIONS):
    """Return the rows of a source in the shared form, and notes."""
    found = panoptic_files.read(str(source), True, options)
    made, _ = panoptic_rows.reshaped(found.splits["train"], "train", options, {})
    return made.rows, [*found.notes, *made.notes], made.dropped


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Twenty images of 64 x 64 pixels with segments of four classes."""
    return segment_rows.folder(tmp_path_factory.mktemp("scenes") / "data", 20)


@pytest.fixture(scope="module")
def job(tmp_path_factory, scenes):
    return prepare(find_recipe(recipe_of(tmp_path_factory.mktemp("recipe"), scenes)))


def test_the_files_of_coco_become_segments(scenes):
    rows, notes, dropped = read(scenes)
    assert notes == ["train: COCO panoptic json, 20 images"]
    assert not dropped
    whole = json.loads((scenes / "panoptic_train.json").read_text())
    names = {own: (name, thing) for name, (own, thing) in segment_rows.CLASSES.items()}
    for row, annotation in zip(rows, whole["annotations"], strict=True):
        ids = pngs.decode(str(scenes / "panoptic_train" / annotation["file_name"]))
        assert len(row["objects"]) == len(annotation["segments_info"])
        for one, given in zip(row["objects"], annotation["segments_info"], strict=True):
            name, thing = names[given["category_id"]]
            assert (one["label"], one["thing"]) == (name, bool(thing))
            assert one["crowd"] == bool(given["iscrowd"])
            pixels = mask_overlap.decoded(one["shape"])
            assert np.array_equal(pixels, ids == given["id"])
            assert one["area"] == pixels.sum()
    again, things = panoptic_rows.reshaped(rows, "test", OPTIONS, {})
    assert again.rows is rows
    assert things == {}


def test_the_kind_chooses_the_class_and_the_split_is_prepared(job):
    plugin = job.plugin
    assert ImageSegmentation.chosen(OPTIONS) is PanopticSegmentation
    assert isinstance(plugin, PanopticSegmentation)
    assert list(plugin.classes) == segment_rows.NAMES
    assert plugin.things == {"disc", "square"}
    assert plugin.training_statistics() == {"things": ["disc", "square"]}
    assert list(plugin.metrics()) == ["pq", "sq", "rq", "pq_things", "pq_stuff"]
    assert any("2 classes of things, 2 of stuff" in note for note in plugin.notes())
    name = next(iter(plugin.data))
    batch = instance_batches.Canvases(plugin.canvas)(job.prepared[name].to_list())
    numbers, classes = batch["labels"].values()
    for own, kinds, row in zip(numbers, classes, plugin.data[name], strict=True):
        known = [one for one in row["objects"] if not one["crowd"]]
        assert len(kinds) == len(known)
        assert set(np.unique(own).tolist()) - {0} == set(range(1, len(known) + 1))
        assert not own[:, :1].any()  # void


def _first(value):
    return value["annotations"][0]["segments_info"]


def test_odd_segments_have_a_documented_end_and_are_counted(tmp_path, scenes):
    def change(value):
        _first(value).append({"id": 77, "category_id": 3, "iscrowd": 0})  # without a pixel
        _first(value).append({"id": 0, "category_id": 3, "iscrowd": 0})
        _first(value).append({**_first(value)[0]})  # twice
        value["annotations"][2]["segments_info"].pop()  # in the PNG file alone
        value["annotations"][3]["segments_info"] = []
        del value["annotations"][5]

    folder = changed(tmp_path / "odd", scenes, change)
    small = folder / "panoptic_train" / "004.png"
    Image.open(small).resize((32, 32), Image.Resampling.NEAREST).save(small)
    other = folder / "panoptic_train" / "006.png"
    Image.open(other).resize((64, 20), Image.Resampling.NEAREST).save(other)
    rows, notes, dropped = read(folder)
    assert dropped == {"a mask of another shape than its image": 1}
    assert len(rows) == 18
    text = "\n".join(notes)
    for words in ("1 segment is listed without a pixel in the PNG file: left out (000.png)",
                  "1 segment is listed with the id 0", "1 segment is listed with an id that",
                  "segments of PNG files that no segments_info lists: void",
                  "1 image has no annotation: left out (005.jpg)",
                  "1 of 18 masks have another size than their image"):  # fmt: skip
        assert words in text
    assert rows[3]["objects"] == []
    assert rows[4]["objects"][0]["shape"]["size"] == [64, 64]


def test_segments_of_stuff_are_one_and_things_are_told_by_options(tmp_path, scenes):
    def change(value):
        for one in value["categories"]:
            del one["isthing"]

    folder = changed(tmp_path / "untold", scenes, change)
    rows, notes, _ = read(folder)
    kinds = {one["label"]: one["thing"] for row in rows for one in row["objects"]}
    assert kinds == {"sky": False, "ground": False, "disc": True, "square": True}
    assert any("annotations do not say which of 4 classes are things" in note for note in notes)
    options = SegmentationOptions(kind="panoptic", things=["square"])
    rows, notes, _ = read(scenes, options)
    for row in rows:
        discs = [one for one in row["objects"] if one["label"] == "disc" and not one["crowd"]]
        assert len(discs) <= 1
    assert any("segments of stuff are joined" in note for note in notes)
    with pytest.raises(DataError, match="'squre' is no class. Did you mean 'square'"):
        read(scenes, SegmentationOptions(kind="panoptic", things=["squre"]))


@pytest.mark.parametrize(("change", "words"), [
    (lambda v: _first(v)[0].update(category_id=9), "category_id 9 is none of the categories"),
    (lambda v: _first(v)[0].update(id="a"), "segments_info[0]: has no id, a whole number"),
    (lambda v: v["annotations"].append(dict(v["annotations"][0])), "is a second one of the image"),
    (lambda v: v["annotations"][0].update(image_id=99), "of no image that the file lists"),
    (lambda v: v["categories"][0].update(name="disc"), "2 categories are named 'disc'"),
    (lambda v: [one.update(file_name="x" + one["file_name"]) for one in v["images"]],
     "20 of 20 images, or their PNG files of segment ids, are not found"),
])  # fmt: skip
def test_wrong_files_are_refused_by_place(tmp_path, scenes, change, words):
    folder = changed(tmp_path / "wrong", scenes, change)
    with pytest.raises(DataError) as error:
        read(folder)
    assert words in str(error.value)


def test_png_files_that_cannot_be_read_are_named_or_skipped(tmp_path, scenes):
    folder = changed(tmp_path / "broken", scenes, lambda value: None)
    (folder / "panoptic_train" / "003.png").write_bytes(b"no image")
    Image.open(folder / "images" / "002.jpg").save(folder / "panoptic_train" / "002.png", "JPEG")
    with pytest.raises(DataError) as error:
        read(folder)
    assert "003.png" in str(error.value)
    assert "ids are not exact" in str(error.value)
    skipping = SegmentationOptions(kind="panoptic", on_corrupt="skip")
    rows, _, dropped = read(folder, skipping)
    assert dropped == {"a mask that cannot be read": 2}
    assert len(rows) == 18


def test_images_may_have_the_names_of_their_png_files(tmp_path, scenes):
    def change(value):
        for one in value["images"]:
            one["file_name"] = one["file_name"].replace("jpg", "png")

    folder = changed(tmp_path / "alike", scenes, change)
    for path in (folder / "images").iterdir():
        Image.open(path).save(path.with_suffix(".png"))
        path.unlink()
    rows, _, _ = read(folder)
    assert rows[0]["image"] == str(folder / "images" / "000.png")
    found = panoptic_files.read(str(folder), False, OPTIONS)
    assert sorted(found.splits["train"]["image"]) == sorted(map(str, (folder / "images").iterdir()))


def test_tables_with_segments_are_read_from_metadata_and_the_hub(tmp_path, scenes):
    whole = json.loads((scenes / "panoptic_train.json").read_text())
    names = {own: name for name, (own, _) in segment_rows.CLASSES.items()}
    folder = tmp_path / "table"
    shutil.copytree(scenes / "images", folder / "images")
    shutil.copytree(scenes / "panoptic_train", folder / "ids")
    lines = []
    for image, one in zip(whole["images"], whole["annotations"], strict=True):
        segments = [{"id": s["id"], "label": names[s["category_id"]], "iscrowd": s["iscrowd"],
                     "isthing": s["category_id"] > 2} for s in one["segments_info"]]  # fmt: skip
        names_of = {"file_name": f"images/{image['file_name']}",
                    "panoptic": f"ids/{one['file_name']}"}  # fmt: skip
        lines.append({**names_of, "segments_info": segments})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    expected, _, _ = read(scenes)
    rows, notes, _ = read(folder)
    assert notes[0] == "train: Hugging Face metadata with segments, 20 images"
    assert rows["objects"][:] == expected["objects"][:]
    hub = datasets.Dataset.from_dict({
        "image": [str(folder / one["file_name"]) for one in lines],
        "label": [str(folder / one["panoptic"]) for one in lines],
        "segments_info": [one["segments_info"] for one in lines],
    }).cast_column("label", datasets.Image())  # fmt: skip
    made, _ = panoptic_rows.reshaped(hub, "train", OPTIONS, {})
    assert made.rows["objects"][:] == expected["objects"][:]
    with pytest.raises(DataError, match="no column of segments"):
        panoptic_rows.reshaped(hub.remove_columns(["segments_info"]), "train", OPTIONS, {})


def test_other_annotations_are_refused(tmp_path, scenes, capsys):
    outlines = instance_rows.folder(tmp_path / "outlines", 12)
    text = message(recipe_of(tmp_path, outlines), capsys)
    assert "kind: panoptic needs a COCO panoptic json" in text
    assert "for outlines of objects kind: instance" in text


@pytest.mark.parametrize(("setting", "words"), [
    ("options.loss=dice", "loss has no effect with kind: panoptic"),
    ("options.max_detections=5", "max_detections has no effect with kind: panoptic"),
    ("options.augment.mosaic=0.5", "augment.mosaic is not for kind: panoptic"),
    ("options.tiles.size=64", "tiles has no effect with kind: panoptic"),
    ("options.kind=instance", "a COCO file of panoptic segments"),
])  # fmt: skip
def test_options_that_do_not_fit_are_refused(tmp_path, scenes, capsys, setting, words):
    assert words in message(recipe_of(tmp_path, scenes), capsys, setting)


def test_outputs_become_segments_at_the_size_of_the_image(job):
    plugin = job.plugin
    ground, sky = plugin.classes.index("ground"), plugin.classes.index("sky")
    masks = torch.full((1, 3, 16, 16), -9.0)
    masks[0, 0, :8], masks[0, 1, 8:], masks[0, 2] = 9.0, 9.0, -1.0
    classes = torch.full((1, 3, 5), 0.0)
    classes[0, 0, sky], classes[0, 1, ground], classes[0, 2, 4] = 9.0, 9.0, 9.0
    outputs = transformers.utils.ModelOutput(
        class_queries_logits=classes, masks_queries_logits=masks
    )
    row = plugin.data["test"][0]
    (found,) = plugin.decode(outputs, [row], [None])
    assert [(one["label"], one["isthing"]) for one in found["segments"]] == [
        ("sky", False), ("ground", False),
    ]  # fmt: skip
    ids = pngs.decode(found)
    assert ids.shape == (64, 64)
    assert (ids[:31] == 1).all()
    assert (ids[33:] == 2).all()
    (image,) = plugin.show(row, found, plugin.references([row])[0])
    assert set(np.unique(image.mask)) <= {1 + sky, 1 + ground}
    assert plugin.same(found, found)


@pytest.mark.slow
def test_from_annotations_to_a_model_that_is_used_again(tmp_path, scenes):
    recipe_of(tmp_path, scenes, threshold=0.3)
    path = tmp_path / "scenes.yaml"
    given = json.loads(path.read_text())
    given["training"] = {"num_train_epochs": 2, "per_device_train_batch_size": 4}
    path.write_text(json.dumps(given))
    run = toolkit.run(str(path), out=tmp_path / "run")
    assert list(run.metrics["test"])[:3] == ["pq", "sq", "rq"]
    assert run.record["reload"]["different"] == 0
    assert {"training_images", "worst_images"} <= set(run.record["figures"])
    assert set(run.record["baselines"]) == {"majority_stuff", "position_majority"}
    (found,) = run.predict([{"image": str(scenes / "images" / "003.jpg")}])
    ids = pngs.decode(found)
    assert ids.shape == (64, 64)
    assert set(np.unique(ids).tolist()) - {0} == {one["id"] for one in found["segments"]}
    assert run.evaluate(str(scenes)).metrics["test"]["pq"]["value"] >= 0
    page = (run.path / "report.html").read_text()
    assert "things and stuff" in page
