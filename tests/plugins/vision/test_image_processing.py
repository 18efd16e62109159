"""What the toolkit makes of a picture is what the model's own processor makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import transformers
from image_rows import as_bytes
from PIL import Image
from toolkit_plugins.vision import image_cache
from toolkit_plugins.vision.image_processing import View, processor_of

from toolkit.errors import ModelError

RNG = np.random.default_rng(0)
PICTURES = [
    Image.fromarray(RNG.integers(0, 256, (h, w, 3), np.uint8))
    for h, w in ((40, 70), (71, 33), (32, 32), (5, 9))
]
PROCESSORS = {
    "resize and crop": transformers.MobileNetV2ImageProcessorPil(
        size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32}
    ),
    "resize": transformers.ViTImageProcessorPil(
        size={"height": 28, "width": 20}, image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.4]
    ),
    "odd crop": transformers.MobileNetV2ImageProcessorPil(
        size={"shortest_edge": 41}, crop_size={"height": 32, "width": 32}
    ),
    "crop by percent": transformers.ConvNextImageProcessorPil(size={"shortest_edge": 32}),
}


@pytest.mark.parametrize("kind", PROCESSORS)
def test_it_is_what_the_processor_makes(kind):
    import torch

    processor = PROCESSORS[kind]
    view = View.of(processor, 3)
    assert view.own == (kind in ("odd crop", "crop by percent"))
    canvases = np.stack([view.on_canvas(picture) for picture in PICTURES])
    found = view.scaled(torch.from_numpy(view.middle(canvases)).permute(0, 3, 1, 2).float())
    expected = processor(PICTURES, return_tensors="pt")["pixel_values"]
    assert found.shape == expected.shape
    # transformers rounds resized values or not, by the way that it takes; one level at most.
    assert (found - expected).abs().max() < 1.01 * view.slope.max()


def test_grey_models_take_grey_pictures(tmp_path):
    config = transformers.ResNetConfig(num_channels=1)
    config.image_size = 12
    config.save_pretrained(tmp_path)
    processor = processor_of(tmp_path, None)
    view = View.of(processor, 1)
    assert (view.mode, view.final) == ("L", (12, 12))
    assert view.canvases([as_bytes(PICTURES[0])]).shape == (1, 12, 12, 1)
    processor.save_pretrained(tmp_path)  # which says how a saved model sees pictures
    again = View.of(processor_of(tmp_path, None), 1)
    assert again.describe() == view.describe()
    assert np.allclose(again.slope, view.slope)


def test_another_size_keeps_what_is_cropped_in_proportion(tmp_path):
    transformers.MobileNetV2Config().save_pretrained(tmp_path)
    transformers.MobileNetV2ImageProcessorPil().save_pretrained(tmp_path)
    view = View.of(processor_of(tmp_path, 112), 3)
    assert (view.canvas, view.final) == ((128, 128), (112, 112))


def test_pictures_of_many_sizes_are_refused():
    processor = transformers.MobileNetV2ImageProcessorPil(do_center_crop=False)
    with pytest.raises(ModelError, match="resize to one size"):
        View.of(processor, 3)


def test_the_cache_holds_what_decoding_gives_and_knows_contents(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    view = View.of(PROCESSORS["resize"], 3)
    files = [{"bytes": as_bytes(picture), "path": None} for picture in PICTURES]
    rows = datasets.Dataset.from_dict({"image": files})
    path = image_cache.keep(rows, "image", view)
    assert (image_cache.opened(str(path)) == view.canvases(files)).all()
    first = path.stat().st_mtime_ns
    assert image_cache.keep(rows, "image", view) == path
    assert path.stat().st_mtime_ns == first
    assert image_cache.keep(rows.select([1, 0, 2, 3]), "image", view) != path
    assert image_cache.keep(rows, "image", View.of(PROCESSORS["crop by percent"], 3)) != path
    assert not list(path.parent.glob("*.partial"))
