"""Image classification from a folder, a table or a Hub's parquet to a model that is used again."""

from __future__ import annotations

import io
import json

import datasets
import numpy as np
import pytest
from finished import PICTURES as QUICK
from image_rows import CLASSES, TINY, bar, folder
from PIL import Image
from toolkit_plugins.vision.classification.batches import Canvases
from transformers import AutoImageProcessor, AutoModelForImageClassification

import toolkit
from toolkit.cli.main import outcome
from toolkit.errors import UserError
from toolkit.evaluation.batches import batch_maker, records
from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import prepare
from toolkit.testing.interruptions import assert_resumes


@pytest.fixture
def recipe(tmp_path, photos):
    """A recipe for the photos, and a small model from scratch."""
    path = tmp_path / "bars.yaml"
    path.write_text(json.dumps({
        "scenario": "image-classification", "description": "Bars.", "model": {"from_config": TINY},
        "data": {"source": str(photos), "split": {"stratify": True}},
        "options": {"size": 24},
    }))  # fmt: skip
    return str(path)


def checked(recipe, **settings):
    return prepare(
        find_recipe(recipe, [(tuple(key.split(".")), value) for key, value in settings.items()])
    )


def message(recipe, capsys, *settings):
    """Return the message of `toolkit check` for a user's mistake."""
    arguments = [part for text in settings for part in ("--set", text)]
    assert outcome(["check", recipe, *arguments]) == 2
    text = " ".join(capsys.readouterr().err.split())
    assert "Traceback" not in text
    return text


def test_from_a_folder_of_photos_to_predictions(finished, tmp_path):
    run = finished("image-classification")
    record = run.record
    assert record["metrics"]["test"]["roc_auc"]["value"] > 0.9
    assert list(record["metrics"]["test"]) == [
        "accuracy", "sensitivity", "specificity", "f1", "roc_auc"
    ]  # fmt: skip
    assert set(record["baselines"]) == {"majority", "grey_pixels_logistic_regression"}
    assert (record["reload"]["compared"], record["reload"]["different"]) == (24, 0)
    assert record["model"]["source"] == "config"
    assert "from scratch" in (run.path / "README.md").read_text()
    chosen = json.loads((run.path / "model" / "calibration.json").read_text())
    assert chosen["validation_sensitivity"] >= 0.9
    assert {"training_images", "roc", "threshold"} <= set(record["figures"])
    with Image.open(run.path / "figures" / "training_images.png") as sheet:
        assert np.asarray(sheet).std() > 10
    one = run.path.parent / "in" / "photos" / "lying" / "000.png"
    with Image.open(one) as image:
        found = [run.predict([{"image": form}])[0]
                 for form in (str(one), one.read_bytes(), image.copy())]  # fmt: skip
    assert found[0] == found[1] == found[2]
    assert found[0]["label"] == (
        "lying" if found[0]["scores"]["lying"] >= chosen["threshold"] else "standing"
    )
    with pytest.raises(UserError, match="row 1: there is no file .*nothing.png"):
        run.predict([{"image": str(tmp_path / "nothing.png")}])
    with pytest.raises(UserError, match="image 2: not a readable image"):
        run.predict([{"image": one.read_bytes()}, {"image": b"no"}])
    # Without the toolkit, as anybody loads a model.
    model = AutoModelForImageClassification.from_pretrained(run.path / "model")
    processor = AutoImageProcessor.from_pretrained(run.path / "model", backend="pil")
    with Image.open(one) as image:
        logits = model.eval()(**processor(image, return_tensors="pt")).logits
    scores = dict(zip(model.config.id2label.values(), logits.softmax(-1)[0].tolist(), strict=True))
    assert scores == pytest.approx(found[0]["scores"], abs=1e-3)


@pytest.mark.slow
def test_a_pretrained_model_from_files_that_are_read_by_workers(recipe, tiny_mobilenet, tmp_path):
    settings = {"options.cache": "never", "options.size": None, "training.num_train_epochs": 1}
    run = toolkit.run(
        recipe, model=tiny_mobilenet, out=tmp_path / "run", settings={**QUICK, **settings}
    )
    assert "frozen_linear" in run.record["baselines"]
    assert run.record["reload"]["different"] == 0
    again = toolkit.run(
        recipe, model=tiny_mobilenet, out=tmp_path / "again",
        settings={**QUICK, **settings, "options.cache": "always"},
    )  # fmt: skip
    assert again.record["metrics"] == run.record["metrics"]


@pytest.mark.parametrize(("way", "same"), [("auto", True), ("freeze", True), ("train", False)])
def test_statistics_of_a_pretrained_model_are_left_alone(
    recipe, tiny_mobilenet, tmp_path, way, same
):
    from safetensors.torch import load_file

    settings = {"model": str(tiny_mobilenet), "options.size": None, "options.batch_norm": way,
                "training": {"max_steps": 2, "eval_strategy": "no"}}  # fmt: skip
    made = checked(recipe, **settings)
    made.arguments.output_dir = str(tmp_path)
    trainer = made.plugin.trainer(
        model=made.plugin.model, args=made.arguments, train_dataset=made.prepared["train"]
    )
    trainer.train()
    before, after = load_file(tiny_mobilenet / "model.safetensors"), made.plugin.model.state_dict()
    names = [name for name in before if name.endswith("running_mean")]
    assert names
    assert all(bool((after[name].cpu() == before[name]).all()) == same for name in names)


def test_parquet_csv_and_folder_hold_the_same_pictures(recipe, photos, tmp_path):
    files = sorted(photos.rglob("*.png"))
    lines = [f"{path.relative_to(photos)},{path.parent.name}" for path in files]
    (photos / "list.csv").write_text("\n".join(["file,kind", *lines]))
    rows = datasets.Dataset.from_dict(
        {"image": [str(path) for path in files], "label": [path.parent.name for path in files]}
    ).cast_column("image", datasets.Image())
    kinds = datasets.ClassLabel(names=list(CLASSES))
    rows = rows.cast_column("label", kinds)
    rows.to_parquet(str(tmp_path / "rows.parquet"))
    by_folder = tmp_path / "copy"
    folder(by_folder, dict.fromkeys(CLASSES, 60))
    jobs = [
        checked(recipe, **{"data.source": str(by_folder)}),
        checked(recipe, **{"data.source": str(tmp_path / "rows.parquet")}),
        checked(recipe, **{"data.source": str(photos / "list.csv"), "options.image": "file",
                           "options.label": "kind"}),
    ]  # fmt: skip
    batches = []
    for one in jobs:
        assert one.plugin.labels.names == CLASSES
        assert len(one.prepared["train"]) == 84
        assert one.loaded.overlap["train-test"] == {"exact": 0, "normalised": 0, "near": 0}
        rows = records(one.prepared["train"], list(range(8)))
        batches.append(one.plugin.collator()(rows))
    for batch in batches[1:]:
        assert (batch["pixel_values"] == batches[0]["pixel_values"]).all()
        assert (batch["labels"] == batches[0]["labels"]).all()


def test_training_changes_pictures_and_nothing_else_does(recipe):
    import torch

    plugin = checked(recipe, **{"options.augment": {"rotate": 90}}).plugin
    rows = records(plugin.prepare(plugin.data["train"], "train"), list(range(4)))
    torch.manual_seed(0)
    make = batch_maker(plugin, plugin.model, with_labels=True)
    plain = [make(rows)["pixel_values"] for _ in range(2)]
    canvases = Canvases(plugin.view)
    changed = [plugin.changer()(canvases(rows))["pixel_values"] for _ in range(2)]
    assert torch.equal(*plain)
    assert not torch.equal(*changed)
    assert not torch.equal(plain[0], changed[0])
    unchanged = checked(recipe, **{"options.augment": None}).plugin
    assert torch.allclose(unchanged.changer()(canvases(rows))["pixel_values"], plain[0])


def test_images_are_copied_to_the_device_in_8_bits(recipe):
    import torch

    plugin = checked(recipe, **{"options.cache": "never"}).plugin
    rows = records(plugin.prepare(plugin.data["test"], "test"), list(range(4)))
    assert plugin.collator()(rows)["pixel_values"].dtype == torch.uint8
    made = batch_maker(plugin, plugin.model, with_labels=False)(rows)
    images = [Image.open(io.BytesIO(row["pixel_values"]["bytes"]))
              if row["pixel_values"]["bytes"] else Image.open(row["pixel_values"]["path"])
              for row in rows]  # fmt: skip
    wanted = plugin.processor([image.convert(plugin.view.mode) for image in images],
                              return_tensors="pt")["pixel_values"]  # fmt: skip
    assert torch.allclose(made["pixel_values"], wanted, atol=1e-5)


def test_corrupt_files_are_named_and_counted(recipe, photos, capsys):
    whole = (photos / "lying" / "003.png").read_bytes()
    (photos / "lying" / "003.png").write_bytes(whole[: len(whole) // 2])
    (photos / "standing" / "004.png").write_bytes(b"")
    (photos / "standing" / "005.png").write_bytes(b"<html>not found</html>")
    text = message(recipe, capsys)
    for part in ("003.png: ", "004.png: the file is empty", "005.png: not a readable image",
                 "options.on_corrupt: skip leaves such images out"):  # fmt: skip
        assert part in text
    found = checked(recipe, **{"options.on_corrupt": "skip"})
    assert found.loaded.skipped == {"train": {"image cannot be read": 3}}
    assert sum(len(split) for split in found.prepared.values()) == 117
    assert any("004.png: the file is empty" in note for note in found.loaded.notes)


def test_many_corrupt_files_are_capped(recipe, photos, capsys):
    for number in range(30):
        (photos / "lying" / f"{number:03}.png").write_bytes(b"no")
    assert "train: 10 more images cannot be read" in message(recipe, capsys)


def test_pictures_of_one_pixel_are_kept_and_noted(recipe, photos):
    Image.new("RGB", (1, 1), "red").save(photos / "lying" / "000.png")
    found = checked(recipe)
    assert "train: 1 image has fewer than 8 pixels a side" in found.loaded.notes


def test_the_same_picture_in_another_file_is_found(recipe, photos):
    for number in range(60):
        with Image.open(photos / "lying" / f"{number:03}.png") as image:
            image.save(photos / "lying" / f"again{number}.bmp")
    overlap = checked(recipe).loaded.overlap["train-test"]
    assert overlap["exact"] == 0
    assert overlap["normalised"] > 5


def test_a_class_that_only_test_has_is_told(recipe, tmp_path):
    for split, counts in (("train", {"a": 20, "b": 20}), ("test", {"a": 3, "c": 3})):
        rng = np.random.default_rng(len(split))
        for label, count in counts.items():
            place = tmp_path / "parts" / split / label
            place.mkdir(parents=True)
            for number in range(count):
                bar("lying", rng).save(place / f"{number}.png")
    found = checked(recipe, **{"data.source": str(tmp_path / "parts")})
    assert "test has classes that train lacks, counted as wrong: 'c' (3)" in found.plugin.notes()


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        (["options.positive=Lying"], "options.positive: is 'Lying'. Did you mean 'lying'?"),
        (["options.operating_point=best"], "write youden"),
        (["options.operating_point=sensitivity >= 0.95 with confidence 0.95"], "59 are needed"),
        (["options.augment={flap: both}"], "flap"),
        (["options.class_weights={lying: 2, sitting: 1}"], "names sitting; the classes are"),
        (["options.image=picture", "data.source=LIST"], "there is no column 'picture'"),
        (["options.image=n", "data.source=LIST"], "row 1: there is no file '0'"),
        (["options.image=label", "options.label=image"], "'lying' is a folder"),
        (["data.source=ONE"], "has one class only (lying)"),
        (["model={from_config: {model_type: bert}}"], "cannot be loaded for image-classification"),
    ],
)
def test_what_is_wrong_is_said_before_training(recipe, photos, tmp_path, capsys, settings, part):
    lines = ["image,label,n", *(f"{kind}/{n:03}.png,{kind},{n}" for kind in CLASSES
                                for n in range(20))]  # fmt: skip
    (photos / "list.csv").write_text("\n".join(lines))
    places = {"LIST": str(photos / "list.csv"), "ONE": str(folder(tmp_path / "one", {"lying": 9}))}
    given = []
    for text in settings:
        for name, path in places.items():
            text = text.replace(f"={name}", f"={path}")
        given.append(text)
    if not any("data.source" in text for text in given) and "options.image=label" not in given:
        (photos / "list.csv").unlink()
    assert part in message(recipe, capsys, *given)


def test_a_model_of_texts_is_refused(recipe, tiny_model, capsys):
    text = message(recipe, capsys, f"model={tiny_model}")
    assert "holds no preprocessor_config.json. Is it an image model?" in text


@pytest.mark.nightly
def test_resumed_with_augmentation_it_ends_as_it_would_have(recipe, tmp_path):
    changes = {"crop": 0.6, "policy": "trivial_augment", "mixup": 0.2, "cutmix": 1.0,
               "random_erasing": 0.3}  # fmt: skip
    training = {"num_train_epochs": 2, "per_device_train_batch_size": 16}
    arguments = [recipe, "--quiet", "--set", f"options.augment={json.dumps(changes)}",
                 "--set", f"training={json.dumps(training)}"]  # fmt: skip
    assert_resumes(arguments, tmp_path, {"step": 8, "evaluation": 2})


@pytest.mark.slow
def test_the_default_recipe_reads_digits(tmp_path):
    run = toolkit.run("image-classification", out=tmp_path / "run")
    assert run.metrics["test"]["accuracy"]["value"] >= 0.98
    baseline = run.record["baselines"]["grey_pixels_logistic_regression"]["accuracy"]["value"]
    assert run.metrics["test"]["accuracy"]["value"] > baseline
