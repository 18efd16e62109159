"""Semantic segmentation with models that predict masks with a class each (Mask2Former)."""

from __future__ import annotations

import json

import instance_rows
import mask_rows
import numpy as np
import pytest
import torch
import transformers
from toolkit_plugins.vision import generated
from toolkit_plugins.vision.canvas import Canvas
from toolkit_plugins.vision.segmentation import decoding, query_models, query_pixels
from toolkit_plugins.vision.segmentation.plugin import ImageSegmentation

import toolkit
from toolkit.cli.main import outcome
from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import prepare

SIZE = (64, 64)
SCENE = (64, 64)


def recipe_of(folder, source, config=instance_rows.TINY, **options):
    path = folder / "scenes.yaml"
    path.write_text(json.dumps({
        "scenario": "image-segmentation", "description": "Scenes.",
        "model": {"from_config": config}, "data": {"source": str(source)}, "options": options,
    }))  # fmt: skip
    return str(path)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Twenty images of 64 x 64 pixels with masks of three classes."""
    return mask_rows.folder(tmp_path_factory.mktemp("scenes") / "data", 20, size=SCENE)


@pytest.fixture(scope="module")
def job(tmp_path_factory, scenes):
    return prepare(find_recipe(recipe_of(tmp_path_factory.mktemp("recipe"), scenes)))


def test_each_class_that_is_there_is_a_mask_and_ignored_pixels_are_in_none():
    labels = torch.tensor([[[2, 0, 0], [2, -100, 2]], [[-100] * 3] * 2])
    found = query_pixels.targets_of(labels)
    assert found["class_labels"][0].tolist() == [0, 2]
    assert found["mask_labels"][0].tolist() == [[[0, 1, 1], [0, 0, 0]], [[1, 0, 0], [1, 0, 1]]]
    assert found["class_labels"][1].shape == (0,)
    assert found["mask_labels"][1].shape == (0, 2, 3)


@pytest.mark.parametrize("name", ["Mask2Former", "MaskFormer"])
def test_pixels_are_decided_as_transformers_does(name):
    rng = torch.Generator().manual_seed(0)
    classes, masks = torch.randn(2, 9, 4, generator=rng), torch.randn(2, 9, 16, 16, generator=rng)
    outputs = transformers.utils.ModelOutput(class_queries_logits=3 * classes,
                                             masks_queries_logits=5 * masks)  # fmt: skip
    # At the size at which transformers computes its masks.
    processor = getattr(transformers, f"{name}ImageProcessorPil")()
    size = (384, 384) if name == "Mask2Former" else (16, 16)
    theirs = processor.post_process_semantic_segmentation(outputs, target_sizes=[size] * 2)
    canvas = Canvas(64, 64, False, "RGB", 2, (1.0,) * 3, (0.0,) * 3)
    image = _blank(size)
    for own, their in zip(zip(*query_models.logits_of(outputs), strict=True), theirs, strict=True):
        found = decoding.whole(own[1], image, canvas, own[0])
        assert (found.mask == their.numpy()).mean() > 0.9999
        assert 1 / 3 < found.confidence <= 1


def _blank(size):
    return generated.png(np.zeros((*size, 3), np.uint8))


def test_masks_of_a_padded_image_lie_where_it_is():
    canvas = Canvas(64, 64, True, "RGB", 2, (1.0,) * 3, (0.0,) * 3)
    masks = torch.full((2, 16, 16), -9.0)
    masks[0, :8, :8], masks[1, :8, 8:] = 9.0, 9.0  # halves of an image of 100 x 200
    classes = torch.tensor([[9.0, 0, 0], [0, 9.0, 0]])
    found = decoding.whole(masks, _blank((100, 200)), canvas, classes)
    assert (found.mask[:, :95] == 0).all()
    assert (found.mask[:, 105:] == 1).all()


def test_the_model_is_recognised_and_learns_masks_of_augmented_images(job):
    plugin = job.plugin
    assert type(plugin) is ImageSegmentation
    assert plugin.by_masks
    assert plugin.loss() is None
    assert list(plugin.classes) == list(mask_rows.CLASSES)
    from toolkit_plugins.vision.segmentation.batches import Canvases

    rows = next(iter(job.prepared.values())).to_list()[:4]
    torch.manual_seed(0)
    found = plugin.changer()(Canvases(plugin.canvas)(rows))
    assert set(found) == {"pixel_values", "mask_labels", "class_labels"}
    for masks, classes in zip(found["mask_labels"], found["class_labels"], strict=True):
        assert len(masks) == len(classes) > 0
        assert (masks.sum(0) <= 1).all()


def test_outputs_of_tiles_are_joined_as_those_of_other_models(job):
    plugin = job.plugin
    outputs = transformers.utils.ModelOutput(
        class_queries_logits=torch.randn(2, 9, 4), masks_queries_logits=torch.randn(2, 9, 16, 16)
    )
    parts = plugin.reduce_chunk(outputs, [])
    assert [part.dtype for part in parts] == [torch.float16] * 2
    assert torch.allclose(parts[0].float().exp().sum(0), torch.ones(16, 16), atol=1e-2)


@pytest.mark.parametrize(("setting", "words"), [
    ("options.loss=dice", "options.loss: has no effect: mask2former has a loss of its own"),
    ("options.class_weights=balanced", "options.class_weights: has no effect"),
    ("training.label_smoothing_factor=0.1", "training.label_smoothing_factor: has no effect"),
    ("options.decoder=upernet", "mask2former is none"),
    ("options.output_stride=8", "has a fixed stride"),
])  # fmt: skip
def test_settings_of_other_models_are_refused(tmp_path, scenes, capsys, setting, words):
    arguments = ["check", recipe_of(tmp_path, scenes), "--no-estimate", "--set", setting]
    assert outcome(arguments) == 2
    text = " ".join(capsys.readouterr().err.split())
    assert "Traceback" not in text
    assert words in text


@pytest.mark.slow
@pytest.mark.parametrize("config", [instance_rows.TINY, instance_rows.EOMT],
                         ids=["whole", "tiles"])  # fmt: skip
def test_from_masks_to_a_model_that_is_used_again(tmp_path, scenes, config):
    tiles = {} if config is instance_rows.TINY else {"tiles": {"size": 64}}
    recipe_of(tmp_path, scenes, config, **tiles)
    given = json.loads((tmp_path / "scenes.yaml").read_text())
    given["training"] = {"num_train_epochs": 2, "per_device_train_batch_size": 4}
    (tmp_path / "scenes.yaml").write_text(json.dumps(given))
    run = toolkit.run(str(tmp_path / "scenes.yaml"), out=tmp_path / "run")
    assert next(iter(run.metrics["test"])) == "mean_iou"
    assert run.record["reload"]["different"] == 0
    assert {"training_images", "worst_images"} <= set(run.record["figures"])
    (found,) = run.predict([{"image": str(scenes / "images" / "003.png")}])
    assert sum(found["shares"].values()) == pytest.approx(1)
    auto = transformers.AutoModelForUniversalSegmentation
    assert auto.from_pretrained(run.path / "model").config.num_labels == 3
    assert run.evaluate(str(scenes)).metrics["test"]["mean_iou"]["value"] >= 0
