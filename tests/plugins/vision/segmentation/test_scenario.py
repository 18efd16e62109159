"""Image segmentation from a folder of images and masks to a model that is used again."""

from __future__ import annotations

import json
import shutil

import mask_rows
import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from toolkit_plugins.vision.segmentation import batches
from toolkit_plugins.vision.segmentation.options import DenseAugment

import toolkit
from toolkit.cli.main import outcome
from toolkit.evaluation.batches import batch_maker, records
from toolkit.evaluation.mask_files import decode
from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import prepare

TILES = {"options.tiles": {"size": 64, "overlap": 0.25}}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Twenty-four images of 32 x 48 pixels with their masks."""
    return mask_rows.folder(tmp_path_factory.mktemp("scenes"), 24, size=(32, 48))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, scenes):
    path = tmp_path_factory.mktemp("recipe") / "discs.yaml"
    path.write_text(json.dumps({
        "scenario": "image-segmentation", "description": "Discs.",
        "model": {"from_config": mask_rows.TINY}, "data": {"source": str(scenes)},
    }))  # fmt: skip
    return str(path)


def checked(recipe, **settings):
    return prepare(
        find_recipe(recipe, [(tuple(key.split(".")), value) for key, value in settings.items()])
    )


@pytest.fixture(scope="module")
def job(recipe):
    """What comes before training, by the usual options."""
    return checked(recipe)


def changed(plugin, **options):
    """Return the plugin with other options, as if it had been made with them."""
    own = plugin.with_(options=plugin.options.model_copy(update=options))
    vars(own).pop("canvas", None)
    own.processor = own.load_processor()
    return own


def message(recipe, capsys, *settings):
    """Return the message of `toolkit check` for a user's mistake."""
    arguments = [part for text in settings for part in ("--set", text)]
    assert outcome(["check", recipe, "--no-estimate", *arguments]) == 2
    text = " ".join(capsys.readouterr().err.split())
    assert "Traceback" not in text
    return text


def test_from_a_folder_of_images_and_masks_to_predictions(finished, tmp_path):
    run = finished("image-segmentation")
    record, scores = run.record, run.metrics["test"]
    assert list(scores) == ["mean_iou", "mean_dice", "pixel_accuracy", "mean_accuracy"]
    floors = {name: found["mean_iou"]["value"] for name, found in record["baselines"].items()}
    assert set(floors) == {"majority", "position_majority", "pixel_logistic_regression"}
    assert scores["mean_iou"]["value"] > max(floors["majority"], floors["position_majority"])
    assert record["reload"] == {**record["reload"], "compared": 18, "different": 0}
    assert {"training_images", "worst_images"} <= set(record["figures"])
    config = json.loads((run.path / "model" / "config.json").read_text())
    assert list(config["id2label"].values()) == list(mask_rows.CLASSES)
    one = run.path.parent / "in" / "scenes" / "images" / "000.png"
    with Image.open(one) as image:
        found = [run.predict([{"image": form}])[0]
                 for form in (str(one), one.read_bytes(), image.copy())]  # fmt: skip
        # Without the toolkit, as anybody loads a model.
        model = transformers.AutoModelForSemanticSegmentation.from_pretrained(run.path / "model")
        processor = transformers.AutoImageProcessor.from_pretrained(
            run.path / "model", backend="pil"
        )
        outputs = model.eval()(**processor(image, return_tensors="pt"))
        own = processor.post_process_semantic_segmentation(outputs, [image.size[::-1]])[0]
    masks = [decode(prediction["mask"]) for prediction in found]
    assert all(np.array_equal(mask, masks[0]) for mask in masks)
    assert (masks[0] == own.numpy()).mean() > 0.99
    assert sum(found[0]["shares"].values()) == pytest.approx(1)
    assert found[0]["shares"]["ground"] == pytest.approx((masks[0] == 0).mean())


def test_new_masks_are_read_as_those_of_training_were(finished, tmp_path):
    run = finished("image-segmentation")
    new = mask_rows.folder(tmp_path / "new", 4, seed=9)
    (new / "classes.txt").unlink()
    found = run.evaluate(str(new))
    assert 0 < found.metrics["test"]["mean_iou"]["value"] <= 1
    flat = Image.fromarray(np.full((32, 32), 7, np.uint8))
    flat.save(new / "masks" / "000.png")
    with pytest.raises(toolkit.errors.UserError, match="7"):
        run.evaluate(str(new))


def test_predict_writes_a_mask_for_each_image_of_a_folder(finished, tmp_path, capsys):
    run = finished("image-segmentation")
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, size in enumerate(((32, 32), (20, 50))):
        image, _ = mask_rows.scene(np.random.default_rng(number), size)
        image.save(photos / f"photo{number}.png")
    (photos / "broken.png").write_bytes(b"no")
    out = tmp_path / "out.jsonl"
    assert outcome(["predict", str(run.path), str(photos), "-o", str(out)]) in (0, 1), (
        capsys.readouterr().err
    )
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 2
    made = sorted(path for path in tmp_path.rglob("*photo*.png") if path.parent != photos)
    assert [decode(path).shape for path in made] == [(32, 32), (20, 50)]


def test_training_changes_images_with_their_masks_and_nothing_else_does(job):
    plugin = changed(job.plugin, augment=DenseAugment(flip="both", rotate=30))
    assert plugin.canvas.canvas == (32, 64)  # 32 x 48 in steps of 32
    rows = records(plugin.prepare(plugin.data["train"], "train"), list(range(4)))
    torch.manual_seed(0)
    make = batch_maker(plugin, plugin.model, with_labels=True)
    plain = [make(rows) for _ in range(2)]
    assert torch.equal(plain[0]["pixel_values"], plain[1]["pixel_values"])
    given = batches.Canvases(plugin.canvas, spare=True)(rows)
    found = [plugin.changer()(given) for _ in range(2)]
    assert not torch.equal(found[0]["pixel_values"], found[1]["pixel_values"])
    for one in found:  # stripes are brighter or darker than the ground, wherever they lie now
        values, labels = one["pixel_values"].mean(1).abs(), one["labels"]
        assert set(labels.unique().tolist()) <= {-100, 0, 1, 2}
        assert values[labels > 0].mean() > 2 * values[labels == 0].mean()
    again = changed(plugin, augment=None).changer()(given)
    assert torch.allclose(again["pixel_values"], plain[0]["pixel_values"])
    assert torch.equal(again["labels"], plain[0]["labels"])


def test_the_cache_holds_what_the_files_hold(job):
    made = []
    for cache in ("always", "never"):
        plugin = changed(job.plugin, cache=cache)
        rows = records(plugin.prepare(plugin.data["test"], "test"), [0, 1])
        made.append(batch_maker(plugin, plugin.model, with_labels=True)(rows))
    assert all(torch.equal(made[0][name], made[1][name]) for name in ("pixel_values", "labels"))


def test_padding_has_no_place_in_the_mask(job):
    plugin = changed(job.plugin, size=32, keep_ratio=True)
    rows = plugin.data["test"].select([0]).to_list()
    logits = torch.zeros(1, 3, 8, 8)
    logits[:, 1, :5], logits[:, 2, 5:] = 1.0, 1.0  # 48 x 32 pixels lie in the upper 21 of 32 rows
    found = plugin.decode(transformers.utils.ModelOutput(logits=logits), rows, rows)
    mask = decode(found[0]["mask"])
    assert mask.shape == (32, 48)
    assert (mask[:28] == 1).all()
    assert (mask == 2).mean() < 0.1


@pytest.mark.slow
def test_a_run_in_tiles(recipe, tmp_path):
    large = mask_rows.folder(tmp_path / "large", 12, size=(90, 130))
    run = toolkit.run(recipe, data=str(large), out=tmp_path / "run",
                      settings={**TILES, "training.max_steps": 3})  # fmt: skip
    assert run.record["reload"]["different"] == 0
    assert any("tiles of 64 x 64" in note for note in run.record["data"]["notes"])
    found = run.predict([{"image": str(large / "images" / "000.png")}])[0]
    assert decode(found["mask"]).shape == (90, 130)


def test_a_batch_of_one_image_trains_with_batch_norm(recipe, tiny_mobilenet, tmp_path):
    settings = {"model": str(tiny_mobilenet), "options.output_stride": 16, "options.size": 32,
                "training": {"max_steps": 4, "per_device_train_batch_size": 8,
                             "eval_strategy": "no"}}  # fmt: skip
    made = checked(recipe, **settings)
    assert len(made.prepared["train"]) % 8 == 1
    made.arguments.output_dir = str(tmp_path)
    plugin = made.plugin
    trainer = plugin.trainer(
        model=plugin.model, args=made.arguments, train_dataset=made.prepared["train"],
        compute_loss_func=plugin.loss(),
    )  # fmt: skip
    before = {n: w.clone() for n, w in plugin.model.named_buffers() if "running_mean" in n}
    trainer.train()
    after = dict(plugin.model.named_buffers())
    moved = {name for name, weight in before.items() if not torch.equal(weight, after[name])}
    assert moved
    assert all(name.startswith("segmentation_head.") for name in moved)


def test_what_cannot_be_read_is_named_and_counted(recipe, scenes, tmp_path, capsys):
    root = shutil.copytree(scenes, tmp_path / "copy")
    (root / "images" / "003.png").write_bytes(b"")
    given = [f"data.source={root}"]
    text = message(recipe, capsys, *given)
    assert "003.png: the file is empty" in text
    assert "options.on_corrupt: skip" in text
    found = checked(recipe, **{"data.source": str(root), "options.on_corrupt": "skip"})
    assert sum(found.loaded.skipped["train"].values()) == 1
    assert sum(len(split) for split in found.prepared.values()) == 23


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        (["options.class_weights={disk: 2}"], "is no class. Did you mean 'disc'?"),
        (["options.output_stride=8"], "segformer has a fixed stride"),
        (["options.tiles={size: 70}"], "is no multiple of 32: 64 and 96 are nearest"),
        (["options.tiles={size: 64}", "options.size=64"], "leave out size and keep_ratio"),
        (["options.positive=disc"], "positive"),
        (["model={from_config: {model_type: vit}}"], "no semantic segmentation with 'vit'"),
        (["options.augment={flap: both}"], "flap"),
    ],
)
def test_what_is_wrong_is_said_before_training(recipe, capsys, settings, part):
    assert part in message(recipe, capsys, *settings)
