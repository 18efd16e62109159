"""Instance segmentation: outlines in, masks of objects out."""

from __future__ import annotations

import io
import json

import datasets
import instance_rows
import mask_rows
import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from toolkit_plugins.vision.canvas import Canvas
from toolkit_plugins.vision.canvas_processors import processor_for
from toolkit_plugins.vision.segmentation import instance_batches, outlines, query_models
from toolkit_plugins.vision.segmentation.instances import InstanceSegmentation
from toolkit_plugins.vision.segmentation.options import SegmentationOptions
from toolkit_plugins.vision.segmentation.plugin import ImageSegmentation

import toolkit
from toolkit.cli.main import outcome
from toolkit.evaluation.metrics import mask_overlap
from toolkit.models import scratch
from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import prepare

SIZE = (64, 64)
HEAD = {"num_labels": 2, "id2label": {0: "disc", 1: "square"}, "dtype": "float32",
        "label2id": {"disc": 0, "square": 1}, "ignore_mismatched_sizes": True}  # fmt: skip


def recipe_of(folder, source, **options):
    path = folder / "shapes.yaml"
    path.write_text(json.dumps({
        "scenario": "image-segmentation", "description": "Shapes.",
        "model": {"from_config": instance_rows.TINY}, "data": {"source": str(source)},
        "options": {"kind": "instance", **options},
    }))  # fmt: skip
    return str(path)


def message(recipe, capsys, *settings):
    """Return the message of `toolkit check` for a user's mistake."""
    arguments = [part for text in settings for part in ("--set", text)]
    assert outcome(["check", recipe, "--no-estimate", *arguments]) == 2
    text = " ".join(capsys.readouterr().err.split())
    assert "Traceback" not in text
    return text


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """Twenty images of 64 x 96 pixels with annotations of COCO."""
    return instance_rows.folder(tmp_path_factory.mktemp("shapes") / "data", 20)


@pytest.fixture(scope="module")
def job(tmp_path_factory, shapes):
    return prepare(find_recipe(recipe_of(tmp_path_factory.mktemp("recipe"), shapes)))


@pytest.mark.parametrize("config", [instance_rows.TINY, instance_rows.EOMT,
                                    instance_rows.MASKFORMER])  # fmt: skip
def test_each_model_learns_is_saved_and_decodes_as_transformers_do(config, tmp_path):
    transformers.set_seed(0)
    folder = scratch.from_config(config).path
    model = query_models.load(folder, HEAD)
    canvas = Canvas.of(processor_for(folder, SIZE, False, "masks"))
    images, _ = canvas.scaled(torch.randint(0, 256, (2, 3, *SIZE)), [SIZE] * 2)
    numbers = torch.zeros(2, *SIZE, dtype=torch.int64)
    numbers[0, 5:20, 5:20], numbers[0, 30:50, 10:60] = 1, 2  # and the second image has none
    classes = [torch.tensor([1, 0]), torch.tensor([], dtype=torch.int64)]
    loss = model.train()(
        pixel_values=images, **query_models.targets_of(numbers, classes)
    ).loss.sum()  # fmt: skip
    loss.backward()
    assert torch.isfinite(loss)
    model.save_pretrained(tmp_path)
    auto = transformers.AutoModelForUniversalSegmentation
    with torch.no_grad():
        found = model.eval()(pixel_values=images)
        other = auto.from_pretrained(tmp_path).eval()(pixel_values=images)
    assert torch.equal(found.masks_queries_logits, other.masks_queries_logits)
    # Masks at the size that transformers decides them at: the same ones, of the same scores.
    size = (384, 384)
    one = query_models.objects_of(found.class_queries_logits[0], found.masks_queries_logits[0],
                                  size, canvas, 12)  # fmt: skip
    theirs = transformers.Mask2FormerImageProcessorPil().post_process_instance_segmentation(
        found, threshold=0.0, target_sizes=[size] * 2, return_binary_maps=True
    )[0]
    pairs = sorted(zip(theirs["segments_info"], theirs["segmentation"].numpy(), strict=True),
                   key=lambda pair: -pair[0]["score"])  # fmt: skip
    ours = sorted(zip(one.scores, one.labels, one.masks, strict=True), key=lambda item: -item[0])
    assert len(ours) == len(pairs)
    for (score, label, mask), (info, their) in zip(ours, pairs, strict=True):
        assert score == pytest.approx(info["score"], abs=1e-5)
        assert label == info["label_id"]
        assert mask_overlap.alike(mask, mask_overlap.encoded(their), 1e-3)


def test_what_is_learned_are_the_masks_of_objects_that_are_there():
    numbers = torch.tensor([[[1, 1, 0], [3, -100, 0]]])
    found = query_models.targets_of(numbers, [torch.tensor([4, 5, 6])])
    assert found["class_labels"][0].tolist() == [4, 6]
    assert found["mask_labels"][0].tolist() == [[[1, 1, 0], [0, 0, 0]], [[0, 0, 0], [1, 0, 0]]]


def test_a_mask_lies_where_the_image_is_and_not_its_padding():
    canvas = Canvas(64, 64, True, "RGB", 2, (1.0,) * 3, (0.0,) * 3)
    masks = torch.full((1, 16, 16), -9.0)
    masks[0, 4:8, :8] = 9.0  # the lower half of the left half of an image of 100 x 200
    found = query_models.objects_of(torch.tensor([[0.0, 9.0, 0.0]]), masks, (100, 200), canvas, 5)
    assert found.labels[0] == 1
    assert found.boxes[0] == pytest.approx([0, 50, 100, 100], abs=4)
    assert mask_overlap.decoded(found.masks[0]).shape == (100, 200)
    assert found.scores[0] == pytest.approx(1, abs=0.05)


def test_outlines_become_numbers_of_objects_and_odd_ones_are_counted(job, shapes):
    plugin = job.plugin
    assert isinstance(plugin, InstanceSegmentation)
    assert list(plugin.classes) == list(instance_rows.CLASSES)
    assert any("1 object has a box and no outline" in note for note in job.loaded.notes)
    rows = datasets.concatenate_datasets(list(plugin.data.values()))
    given = json.loads((shapes / "annotations.json").read_text())["annotations"]
    kept = [one for objects in rows["objects"] for one in objects]
    assert len(kept) == len(given)
    assert sum(one["crowd"] for one in kept) == 2  # one has no outline
    name = next(iter(plugin.data))
    split, inputs = plugin.data[name], job.prepared[name]
    batch = instance_batches.Canvases(plugin.canvas)(inputs.to_list())
    actual = [[one for one in objects if not one["crowd"]] for objects in split["objects"]]
    for numbers, classes, objects in zip(*batch["labels"].values(), actual, strict=True):
        assert len(classes) == len(objects)
        assert set(np.unique(numbers)) - {0} == set(range(1, len(objects) + 1))
    reference = plugin.references(split.to_list())
    assert all("mask" in one for objects in reference for one in objects["objects"]
               if one["area"] != 64)  # fmt: skip


def test_small_objects_lie_over_large_ones():
    large, small = np.ones((8, 8)), np.zeros((8, 8))
    small[2:4, 2:4] = 1
    objects = [{"label": "a", "shape": mask_overlap.encoded(one), "area": one.sum()}
               for one in (small, large)]  # fmt: skip
    found = outlines.numbered({"objects": [objects]}, "objects", {"a": 0})
    mask = np.asarray(Image.open(io.BytesIO(found["numbers"][0]["bytes"])))
    assert np.array_equal(mask, 1 + small)
    assert found["class_labels"] == [[0, 0]]


def test_augmentation_moves_the_masks_with_the_image(job):
    plugin = job.plugin
    rows = next(iter(job.prepared.values())).to_list()
    batch = instance_batches.Canvases(plugin.canvas)(rows)
    torch.manual_seed(0)
    change = instance_batches.training_inputs(plugin.options.augment, plugin.canvas)
    found = change(batch)
    assert set(found) == {"pixel_values", "mask_labels", "class_labels"}
    plain = plugin.collator().on_device(batch)
    moved = 0
    for image, masks, classes, before in zip(
        found["pixel_values"], found["mask_labels"], found["class_labels"],
        plain["labels"]["mask_labels"], strict=True,
    ):  # fmt: skip
        assert len(masks) == len(classes) <= len(before)
        for mask, number in zip(masks, classes, strict=True):
            red, _, blue = (image[:, mask > 0] * 0.5 + 0.5).mean(1) * 255
            assert (red > blue) == (number == 0)  # discs are red, squares blue
        moved += len(masks) and not torch.equal(masks[0], before[0])
    assert moved


def test_the_kind_chooses_the_class_and_the_column():
    semantic, instance = (SegmentationOptions(kind=kind) for kind in ("semantic", "instance"))
    assert ImageSegmentation.chosen(semantic) is ImageSegmentation
    assert ImageSegmentation.chosen(instance) is InstanceSegmentation
    assert (semantic.mask, semantic.objects) == ("mask", None)
    assert (instance.mask, instance.objects) == (None, "objects")
    again = SegmentationOptions.model_validate(instance.model_dump())
    assert again == instance


@pytest.mark.parametrize(("setting", "words"), [
    ("options.kind=panoptic", "kind: panoptic needs a COCO panoptic json"),
    ("options.loss=dice", "loss has no effect with kind: instance"),
    ("options.tiles.size=64", "tiles has no effect with kind: instance"),
    ("options.augment.mosaic=0.5", "augment.mosaic is not for kind: instance"),
    ("options.mask=other", "mask has no effect with kind: instance"),
])  # fmt: skip
def test_options_that_do_not_fit_are_refused(tmp_path, shapes, capsys, setting, words):
    assert words in message(recipe_of(tmp_path, shapes), capsys, setting)


def test_options_of_objects_are_refused_with_masks_of_classes():
    with pytest.raises(ValueError, match="threshold has no effect with kind: semantic"):
        SegmentationOptions(threshold=0.4)


def test_data_without_outlines_is_refused(tmp_path, shapes, capsys):
    plain = json.loads((shapes / "annotations.json").read_text())
    for one in plain["annotations"]:
        one["segmentation"] = []
    boxes = instance_rows.folder(tmp_path / "boxes", 20)
    (boxes / "annotations.json").write_text(json.dumps(plain))
    assert "choose the scenario object-detection" in message(recipe_of(tmp_path, boxes), capsys)
    masks = mask_rows.folder(tmp_path / "masks", 20)
    assert "options.kind: semantic" in message(recipe_of(tmp_path, masks), capsys)


def test_a_model_without_objects_is_refused_before_training(tmp_path, shapes, capsys):
    path = tmp_path / "shapes.yaml"
    recipe_of(tmp_path, shapes)
    given = json.loads(path.read_text())
    given["model"] = {"from_config": mask_rows.TINY}
    path.write_text(json.dumps(given))
    text = message(str(path), capsys)
    assert "segformer finds no objects with masks" in text
    assert "mask2former" in text


@pytest.mark.slow
def test_from_annotations_to_a_model_that_is_used_again(tmp_path, shapes):
    path = tmp_path / "shapes.yaml"
    recipe_of(tmp_path, shapes, threshold=0.2)
    given = json.loads(path.read_text())
    given["training"] = {"num_train_epochs": 2, "per_device_train_batch_size": 4}
    path.write_text(json.dumps(given))
    run = toolkit.run(str(path), out=tmp_path / "run")
    scores = run.metrics["test"]
    assert list(scores)[:3] == ["mask_ap", "mask_ap50", "mask_ap75"]
    assert run.record["reload"]["different"] == 0
    assert {"training_images", "worst_images"} & set(run.record["figures"])
    assert set(run.record["baselines"]) == {"frequent_boxes", "threshold_blobs"}
    found = run.predict([{"image": str(shapes / "003.png")}])[0]
    every = [*found["objects"], *found["candidates"]]
    assert every
    for one in every:
        mask = mask_overlap.decoded(one["mask"])
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert one["box"] == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    assert run.evaluate(str(shapes)).metrics["test"]["mask_ap"]["value"] >= 0
