"""Object detection from annotated images to a model that is used again."""

from __future__ import annotations

import io
import json

import annotated_trees
import datasets
import numpy as np
import object_rows
import pytest
import torch
import transformers
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from toolkit_plugins.vision.dense_augment import DenseAugment
from toolkit_plugins.vision.detection import batches

from toolkit.cli.main import outcome
from toolkit.evaluation.batches import batch_maker, records
from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import prepare


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Thirty images with their annotations."""
    return object_rows.coco(tmp_path_factory.mktemp("scenes"), 30)


@pytest.fixture
def recipe(tmp_path, scenes):
    return object_rows.recipe(tmp_path / "squares.yaml", scenes)


def checked(recipe, **settings):
    return prepare(
        find_recipe(recipe, [(tuple(key.split(".")), value) for key, value in settings.items()])
    )


@pytest.fixture(scope="module")
def job(tmp_path_factory, scenes):
    """What comes before training, by the usual options."""
    path = tmp_path_factory.mktemp("recipe") / "squares.yaml"
    return checked(object_rows.recipe(path, scenes))


def changed(plugin, **options):
    """Return the plugin with other options, as if it had been made with them."""
    return plugin.with_(options=plugin.options.model_copy(update=options))


def message(recipe, capsys, *settings):
    """Return the message of `toolkit check` for a user's mistake."""
    arguments = [part for text in settings for part in ("--set", text)]
    assert outcome(["check", recipe, "--no-estimate", *arguments]) == 2
    text = " ".join(capsys.readouterr().err.split())
    assert "Traceback" not in text
    return text


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_from_annotations_to_a_model_that_anybody_loads(finished):
    run = finished("object-detection")
    record, scores = run.record, run.metrics["test"]
    assert list(scores)[:3] == ["ap", "ap50", "ap75"]
    floors = {name: found["ap50"]["value"] for name, found in record["baselines"].items()}
    assert set(floors) == {"frequent_boxes", "threshold_blobs"}
    assert scores["ap50"]["value"] > floors["frequent_boxes"]
    assert record["reload"] == {**record["reload"], "compared": 18, "different": 0}
    assert {"training_images", "worst_images"} <= set(record["figures"])
    config = json.loads((run.path / "model" / "config.json").read_text())
    assert list(config["id2label"].values()) == list(object_rows.CLASSES)
    one = run.path.parent / "in" / "scenes" / "images" / "000.png"
    with Image.open(one) as image:
        found = [run.predict([{"image": form}])[0]
                 for form in (str(one), one.read_bytes(), image.copy())]  # fmt: skip
        # Without the toolkit, as anybody loads a model.
        model = transformers.AutoModelForObjectDetection.from_pretrained(run.path / "model")
        processor = transformers.AutoImageProcessor.from_pretrained(
            run.path / "model", backend="pil"
        )
        outputs = model.eval()(**processor(image, return_tensors="pt"))
        own = processor.post_process_object_detection(
            outputs, threshold=0.0, target_sizes=[image.size[::-1]]
        )[0]
    assert found[0] == found[1] == found[2]
    boxes = [*found[0]["objects"], *found[0]["candidates"]]
    best = own["scores"].argsort(descending=True, stable=True)[: len(boxes)]
    assert [b["score"] for b in boxes[:5]] == pytest.approx(own["scores"][best][:5].tolist(), 1e-4)
    edges = own["boxes"][best][:5].clamp(0, object_rows.SIDE)
    assert np.allclose([b["box"] for b in boxes[:5]], edges.detach().numpy(), atol=0.05)


def test_average_precision_is_that_of_pycocotools_on_the_predictions_file(finished):
    run = finished("object-detection")
    rows = lines(run.path / "predictions.jsonl")
    names = {name: place for place, name in enumerate(object_rows.CLASSES, 1)}

    def annotations(which, keys):
        found = []
        for place, row in enumerate(rows):
            for one in (one for key in keys for one in row[which].get(key, ())):
                left, top, right, bottom = one["box"]
                size = [left, top, right - left, bottom - top]
                found.append({
                    "id": len(found) + 1, "image_id": place, "category_id": names[one["label"]],
                    "bbox": size, "area": size[2] * size[3], "iscrowd": 0,
                    "score": one.get("score"),
                })  # fmt: skip
        return found

    gold = COCO()
    gold.dataset = {
        "images": [{"id": place} for place in range(len(rows))],
        "categories": [{"id": place} for place in names.values()],
        "annotations": annotations("reference", ["objects"]),
    }
    gold.createIndex()
    found = gold.loadRes(annotations("prediction", ["objects", "candidates"]))
    evaluation = COCOeval(gold, found, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    scores = run.metrics["test"]
    for name, place in (("ap", 0), ("ap50", 1), ("ap75", 2)):
        assert scores[name]["value"] == pytest.approx(evaluation.stats[place], abs=1e-6)


@pytest.mark.slow
def test_new_annotations_of_another_tool_are_scored(finished, tmp_path):
    run = finished("object-detection")
    new = object_rows.voc(tmp_path / "new", 8, seed=0)
    found = run.evaluate(str(new)).metrics["test"]
    assert found["ap50"]["value"] > 0.05  # the first images of training


def test_predict_names_files_and_rejects_what_is_no_image(finished, tmp_path, capsys):
    run = finished("object-detection")
    photos = tmp_path / "photos"
    photos.mkdir()
    for place, (content, _) in enumerate(object_rows.scenes(3)):
        (photos / f"{place}.png").write_bytes(content)
    (photos / "broken.png").write_bytes(b"no")
    out = tmp_path / "out.jsonl"
    assert outcome(["predict", str(run.path), str(photos), "-o", str(out)]) in (0, 1)
    assert "skipped 1 rows" in "".join(capsys.readouterr())
    (rejected,) = lines(out.with_name("out.jsonl.rejected.jsonl"))
    assert "broken.png" in json.dumps(rejected)
    rows = [line["prediction"] for line in lines(out)]
    assert len(rows) == 3
    kept = json.loads((run.path / "model" / "calibration.json").read_text())
    threshold = kept["threshold"]
    for row in rows:
        assert all(one["score"] >= threshold for one in row["objects"])
        assert all(one["score"] < threshold for one in row["candidates"])
        assert sum(row["counts"].values()) == len(row["objects"])
    table = tmp_path / "rows.jsonl"
    names = ["photos/0.png", "photos/broken.png", "photos/2.png"]
    table.write_text("".join(json.dumps({"image": name}) + "\n" for name in names))
    again = tmp_path / "again.jsonl"
    assert outcome(["predict", str(run.path), str(table), "-o", str(again)]) in (0, 1)
    kept = [line["prediction"] for line in lines(again)]
    assert [row["counts"] for row in kept] == [rows[0]["counts"], rows[2]["counts"]]


def test_boxes_of_a_turned_photo_are_in_pixels_of_the_upright_image(finished):
    run = finished("object-detection")
    upright = Image.open(io.BytesIO(object_rows.scenes(1)[0][0])).resize((64, 96))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to be upright
    turned, plain = io.BytesIO(), io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(turned, "png", exif=exif)
    upright.save(plain, "png")
    one, other = (run.predict([{"image": file.getvalue()}])[0] for file in (turned, plain))
    assert one == other
    boxes = [*one["objects"], *one["candidates"]]
    assert max(box["box"][3] for box in boxes) > 64


def test_patches_say_what_moved_the_best_box_of_a_class(finished):
    run = finished("object-detection")
    (found,) = run.explain([{"image": object_rows.scenes(1)[0][0]}], top=5)
    parts = found["explanation"]
    assert {part["of"] for part in parts} <= set(object_rows.CLASSES)
    assert any(part["contribution"] for part in parts)
    for part in parts:
        left, top, right, bottom = part["box"]
        assert 0 <= left < right <= object_rows.SIDE
        assert 0 <= top < bottom <= object_rows.SIDE


def test_a_grey_image_is_read_as_one_of_colours(finished):
    run = finished("object-detection")
    grey = Image.open(io.BytesIO(object_rows.scenes(1)[0][0])).convert("L")
    one, other = (io.BytesIO() for _ in "ab")
    grey.save(one, "png")
    grey.convert("RGB").save(other, "png")
    found = [run.predict([{"image": file.getvalue()}])[0] for file in (one, other)]
    assert found[0] == found[1]


def test_training_moves_boxes_with_their_objects_and_nothing_else_does(job):
    plugin = changed(job.plugin, augment=DenseAugment(flip="both", crop=0.6, zoom_out=1.5))
    rows = records(plugin.prepare(plugin.data["train"], "train"), list(range(8)))
    torch.manual_seed(0)
    moved = batches.augmented(plugin.options.augment, plugin.canvas)(
        batches.Canvases(plugin.canvas)(rows)
    )
    seen = 0
    for image, boxes, labels in zip(moved.images, moved.boxes, moved.labels, strict=True):
        for (left, top, right, bottom), label in zip(boxes.tolist(), labels.tolist(), strict=True):
            x, y = int((left + right) / 2), int((top + bottom) / 2)
            red, _, blue = image[:, y, x].tolist()
            assert (red > blue) == (plugin.classes[label] == "large")
            seen += 1
    assert seen > 5
    make = batch_maker(plugin, plugin.model, with_labels=True)
    plain = [make(rows) for _ in "ab"]
    assert torch.equal(plain[0]["pixel_values"], plain[1]["pixel_values"])
    unchanged = batches.training_inputs(None, plugin.canvas, frozenset())(
        batches.Canvases(plugin.canvas)(rows)
    )
    assert torch.allclose(unchanged["pixel_values"], plain[0]["pixel_values"], atol=1e-5)
    for one, other in zip(unchanged["labels"], plain[0]["labels"], strict=True):
        assert torch.allclose(one["boxes"], other["boxes"], atol=1e-5)


@pytest.mark.parametrize("keep_ratio", [False, True])
def test_what_the_labels_say_is_decoded_to_the_boxes_of_the_data(tmp_path, keep_ratio):
    annotated_trees.images(tmp_path / "images", *(f"{n}.png" for n in range(12)), size=(100, 80))
    boxes = {f"{n}.png": [("cat", [5.0 + n, 20, 30, 40.5])] for n in range(12)}
    annotated_trees.coco(tmp_path / "annotations.json", boxes)
    recipe = object_rows.recipe(tmp_path / "cats.yaml", tmp_path)
    settings = {"options.size": [64, 96], "options.keep_ratio": keep_ratio}
    plugin = checked(recipe, **settings).plugin
    assert plugin.classes == ["cat"]
    rows = plugin.data["test"].to_list()
    prepared = records(plugin.prepare(plugin.data["test"], "test"), list(range(len(rows))))
    places = torch.tensor([row["labels"]["boxes"] for row in prepared])
    outputs = transformers.utils.ModelOutput(logits=torch.full((len(rows), 1, 1), 3.0),
                                             pred_boxes=places)  # fmt: skip
    for row, found in zip(rows, plugin.decode(outputs, rows, prepared), strict=True):
        (one,) = found["objects"]
        assert one["box"] == pytest.approx(row["objects"][0]["box"], abs=1e-3)
        assert one["score"] == pytest.approx(0.9526, abs=1e-4)


def test_sizes_are_of_all_images_in_order(tmp_path):
    names = [str(tmp_path / f"{place}.png") for place in range(2)]
    Image.new("RGB", (6, 4)).save(names[0])
    Image.new("RGB", (5, 3)).save(names[1])
    split = datasets.Dataset.from_dict({"photo": [names[0]] * batches.BATCH + [names[1]]})
    found = batches.sources(split, "photo", None, use_cache=False)
    assert found["size"][:] == [[4, 6]] * batches.BATCH + [[3, 5]]


def test_overlapping_boxes_of_a_class_are_suppressed_if_asked_to(job):
    places = [[0.5, 0.5, 0.4, 0.4], [0.51, 0.5, 0.4, 0.4], [0.2, 0.2, 0.1, 0.1]]
    logits = [[3.0, -9.0], [2.0, -9.0], [1.0, -9.0]]
    outputs = transformers.utils.ModelOutput(
        logits=torch.tensor([logits]), pred_boxes=torch.tensor([places])
    )
    counts = {}
    for nms in (None, 0.7):
        plugin = changed(job.plugin, nms=nms, threshold=0.5)
        row = {"image": "", "size": [64, 64]}
        (found,) = plugin.decode(outputs, [row], [row])
        counts[nms] = found["counts"]
    assert counts == {None: {"large": 3}, 0.7: {"large": 2}}


def test_some_of_the_classes_are_learned_if_asked_to(recipe, capsys):
    made = checked(recipe, **{"options.labels": ["small"]})
    assert made.plugin.classes == ["small"]
    rows = [row["objects"] for split in made.plugin.data.values() for row in split]
    assert {one["label"] for row in rows for one in row} == {"small"}
    assert [] in rows  # images without any object stay
    told = message(recipe, capsys, 'options.labels=["smal"]')
    assert "options.labels" in told
    assert "no training image has 'smal'. Did you mean 'small'" in told


def test_the_threshold_that_is_asked_for_is_used(job):
    assert changed(job.plugin, threshold=0.3).calibrate([]) == {"threshold": 0.3}


def test_images_without_any_object_are_refused_if_all_are(tmp_path, capsys):
    annotated_trees.images(tmp_path / "images", *(f"{n}.png" for n in range(12)))
    annotated_trees.coco(tmp_path / "annotations.json", {f"{n}.png": [] for n in range(12)})
    told = message(object_rows.recipe(tmp_path / "none.yaml", tmp_path), capsys)
    assert "none of 12 images has an object" in told
