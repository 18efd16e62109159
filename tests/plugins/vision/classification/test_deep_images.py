"""Images of more than 8 bits, and images whose EXIF cannot be read."""

import json

import image_rows
import numpy as np
import pytest
from PIL import Image
from toolkit_plugins.vision.images import use, usual_levels

import toolkit
from toolkit.cli.main import outcome


def deep(folder, top, kind, most=None, count=30):
    """Write images whose values go up to `top`, each to its own maximum, as tiff files."""
    rng = np.random.default_rng(0)
    for label in image_rows.CLASSES:
        (folder / label).mkdir(parents=True)
        for number in range(count):
            grey = np.asarray(image_rows.bar(label, rng).convert("L"), np.float64) / 255
            bright = top if number == 0 else top * (0.3 + 0.02 * number)
            values = np.clip(grey * bright / grey.max(), 0, most or top)
            Image.fromarray(values.astype(kind)).save(folder / label / f"{number:02}.tiff")
    return folder


@pytest.mark.parametrize(
    ("value", "levels"),
    [
        ((0, 200, False), (0, 255)), ((0, 900, False), (0, 1023)), ((5, 4000, False), (0, 4095)),
        ((0, 16_000, False), (0, 16_383)), ((0, 65_000, False), (0, 65_535)),
        ((-1000, 3000, False), (-1000, 3000)), ((0, 0.9, True), (0, 1)),
        ((0, 254.5, True), (0, 255)),
        ((0, 2e4, True), (0, 2e4)), ((-1, 1, True), (-1, 1)), ((7, 7, False), (0, 255)),
    ],
)  # fmt: skip
def test_the_range_of_values_says_what_is_white(value, levels):
    assert usual_levels(*value) == levels


@pytest.mark.parametrize(
    ("top", "kind", "said"),
    [(4095, np.uint16, "0 is black and 4095 white"), (1.0, np.float32, "0 is black and 1 white"),
     (30_000.0, np.float32, "is black and 30000 white")],
)  # fmt: skip
def test_deep_images_are_scaled_by_the_range_of_all_and_told(tmp_path, capsys, top, kind, said):
    photos = deep(tmp_path / "p", top, kind)
    words = ["check", "image-classification", "--no-estimate", "--data", str(photos)]
    assert outcome(words) == 0, capsys.readouterr().err
    assert said in " ".join(capsys.readouterr().out.split())


def test_the_setting_and_its_faults(tmp_path, capsys):
    photos = deep(tmp_path / "p", 4095, np.uint16)
    words = ["check", "image-classification", "--no-estimate", "--data", str(photos), "--set"]
    assert outcome([*words, "options.levels=[100, 3000]"]) == 0
    assert "100 is black and 3000 white" in " ".join(capsys.readouterr().out.split())
    assert outcome([*words, "options.levels=[3000, 100]"]) == 2
    assert "of which the second is larger" in capsys.readouterr().err


def test_a_saved_model_scales_as_training_did(tmp_path):
    photos = deep(tmp_path / "p", 4095, np.uint16)
    recipe = tmp_path / "deep.yaml"
    recipe.write_text(json.dumps({
        "scenario": "image-classification", "model": {"from_config": image_rows.TINY},
        "options": {"size": 24}, "training": {"num_train_epochs": 1},
        "data": {"source": str(photos), "split": {"stratify": True}},
    }))  # fmt: skip
    run = toolkit.run(str(recipe), out=tmp_path / "run")
    assert run.record["reload"]["different"] == 0
    dark = np.full((24, 24), 700, np.uint16)
    dark[4:8] = 900
    files = {}
    for name, values in (("dark", dark), ("scaled", (dark / 4095 * 255).round().astype(np.uint8))):
        files[name] = image_rows.as_bytes(Image.fromarray(values))
    one, other = run.predict([{"image": files["dark"]}, {"image": files["scaled"]}])
    # By its own range it would be four times as bright.
    assert one["scores"] == pytest.approx(other["scores"], abs=1e-3)


@pytest.mark.parametrize("form", ["webp", "png", "jpeg"])
@pytest.mark.parametrize("exif", [b"junkjunkjunk", b"Exif\0\0junkjunk", b"II*\0\xff\xff\xff\xff"])
def test_odd_exif_never_costs_sound_pixels(form, exif):
    image = image_rows.bar("lying", np.random.default_rng(0))
    content = image_rows.as_bytes(image, form, exif=exif)
    assert use(content, "RGB", None, np.asarray).shape[1::-1] == image.size
    if form == "png":
        assert np.array_equal(use(content, "RGB", None, np.asarray), image)
