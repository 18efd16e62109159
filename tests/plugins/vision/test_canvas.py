"""Canvases equal those of the saved image processor; boxes and masks lie where they should."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from datasets import Dataset, Features, Image
from PIL import Image as Pillow
from toolkit_plugins.vision import image_cache
from toolkit_plugins.vision.canvas import Canvas, default_size
from toolkit_plugins.vision.canvas_processors import processor_for
from transformers import AutoImageProcessor

from toolkit.errors import DataError, ModelError

SIZES = ((60, 100), (100, 60), (64, 96), (33, 35), (300, 40))
FRAMES = [(keep, kind) for keep in (True, False) for kind in ("boxes", "masks")]


def drawn(height, width, mode="RGB", seed=0):
    shape = (height, width) if mode == "L" else (height, width, 3)
    values = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    return Pillow.fromarray(values)


def file_of(image, kind="png", **settings):
    content = io.BytesIO()
    image.save(content, kind, **settings)
    return {"bytes": content.getvalue(), "path": None}


def scratch(folder):
    """Make a folder of a model without weights, as a run from scratch has it."""
    transformers.MobileNetV2Config().save_pretrained(folder)
    return folder


def saved(processor, folder):
    processor.save_pretrained(folder)
    return AutoImageProcessor.from_pretrained(folder, backend="pil")


def agree(processor, canvas):
    for height, width in SIZES:
        image = drawn(height, width, canvas.mode)
        values, contents, originals = canvas.canvases([file_of(image)])
        assert originals.tolist() == [[height, width]]
        ours, mask = canvas.scaled(torch.from_numpy(values).permute(0, 3, 1, 2), contents)
        theirs = processor(image, return_tensors="pt")
        assert theirs["pixel_values"].shape == ours.shape
        assert (theirs["pixel_values"] - ours).abs().max() <= max(canvas.slope) + 1e-6
        if "pixel_mask" in theirs:
            assert torch.equal(theirs["pixel_mask"], mask)


@pytest.mark.parametrize(("keep", "kind"), FRAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_from_scratch_the_saved_processor_makes_the_same_canvases(tmp_path, keep, kind, channels):
    made = processor_for(scratch(tmp_path / "a"), (64, 96), keep, kind, channels)
    processor = saved(made, tmp_path / "b")
    canvas = Canvas.of(processor, channels)
    assert (canvas.height, canvas.width, canvas.keep_ratio) == (64, 96, keep)
    assert canvas == Canvas.of(made, channels)
    agree(processor, canvas)


PRETRAINED = ["DetrImageProcessorPil", "YolosImageProcessorPil", "RTDetrImageProcessorPil",
              "SegformerImageProcessorPil", "BeitImageProcessorPil",
              "MobileNetV2ImageProcessorPil"]  # fmt: skip


@pytest.mark.parametrize("name", PRETRAINED)
@pytest.mark.parametrize(("keep", "kind"), FRAMES)
def test_a_folders_own_processor_keeps_its_scaling(tmp_path, name, keep, kind):
    own = getattr(transformers, name)(image_mean=[0.2, 0.3, 0.4], image_std=[0.5, 0.6, 0.7])
    transformers.MobileNetV2Config().save_pretrained(tmp_path)
    own.save_pretrained(tmp_path)
    processor = saved(processor_for(tmp_path, (64, 96), keep, kind), tmp_path / "again")
    agree(processor, Canvas.of(processor))
    assert list(processor.image_mean) == [0.2, 0.3, 0.4]
    assert processor.do_normalize == own.do_normalize
    if kind == "boxes":
        assert hasattr(processor, "post_process_object_detection")
    elif not keep:
        assert hasattr(processor, "post_process_semantic_segmentation")


def test_a_processor_that_reorders_colors_is_refused(tmp_path):
    scratch(tmp_path)
    transformers.MobileViTImageProcessorPil(do_flip_channel_order=True).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="more with colors"):
        processor_for(tmp_path, (64, 96), False, "masks")


def test_weights_without_a_processor_are_refused(tmp_path):
    scratch(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=r"preprocessor_config\.json"):
        processor_for(tmp_path, (64, 96), False, "masks")


def test_a_processor_of_another_geometry_is_no_canvas():
    with pytest.raises(ModelError, match="different sizes"):
        Canvas.of(transformers.SegformerImageProcessorPil(size={"shortest_edge": 64}))
    with pytest.raises(ModelError, match="more than resize"):
        Canvas.of(transformers.MobileViTImageProcessorPil(
            size={"height": 64, "width": 64}, do_center_crop=False))  # fmt: skip


def plain(keep, height=64, width=96, mode="RGB"):
    return Canvas(height, width, keep, mode, 2, (1 / 255,) * 3, (0.0,) * 3)


BOXES = [[0.0, 0.0, 10.5, 20.25], [3.25, 7.5, 50.0, 59.0], [0.0, 0.0, 100.0, 60.0]]


@pytest.mark.parametrize("keep", [True, False])
def test_boxes_go_there_and_back_exactly(keep):
    canvas = plain(keep)
    on = canvas.boxes_on(BOXES, (60, 100))
    assert np.abs(canvas.boxes_off(on, (60, 100)) - BOXES).max() < 1e-9
    assert canvas.boxes_on([], (60, 100)).shape == (0, 4)


@pytest.mark.parametrize("keep", [True, False])
def test_labels_and_decoding_are_those_of_the_processor(tmp_path, keep):
    processor = processor_for(scratch(tmp_path), (64, 96), keep, "boxes")
    canvas = Canvas.of(processor)
    for size in ((60, 100), (100, 60), (97, 61)):
        boxes = np.array([[2.0, 3.0, 30.0, 40.0], [10.0, 0.0, 60.0, 60.0]])
        coco = [{"bbox": [x, y, r - x, b - y], "category_id": 0, "area": 1.0, "iscrowd": 0}
                for x, y, r, b in boxes]  # fmt: skip
        target = {"image_id": 1, "annotations": coco}
        found = processor(drawn(*size), annotations=target, return_tensors="pt")
        on = canvas.boxes_on(boxes, size)
        assert np.abs(found["labels"][0]["boxes"].numpy() - on).max() < 1e-6
        outputs = SimpleNamespace(
            logits=torch.tensor([[[5.0], [4.0]]]), pred_boxes=torch.tensor(on)[None]
        )
        frames = torch.tensor(canvas.frames([canvas.content_of(size)], [size]))
        back = processor.post_process_object_detection(outputs, 0.1, frames)[0]["boxes"]
        assert np.abs(back.numpy() - boxes).max() < 1e-4


def test_a_box_is_around_its_pixels_on_the_canvas():
    image = Pillow.new("RGB", (100, 60))
    image.paste((255, 255, 255), (20, 10, 60, 50))
    for keep in (True, False):
        canvas = plain(keep)
        values = canvas.canvases([file_of(image)])[0][0]
        x, y, w, h = canvas.boxes_on([[20, 10, 60, 50]], (60, 100))[0] * [96, 64, 96, 64]
        rows, columns = (values[:, :, 0] > 127).nonzero()
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert np.abs(np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2]) - seen).max() <= 1


def test_sizes_are_those_of_the_upright_file_even_where_a_jpeg_is_decoded_smaller():
    sideways = Pillow.Exif()
    sideways[0x0112] = 6
    image = Pillow.new("RGB", (1203, 805))
    for kind in ("jpeg", "png"):
        files = [file_of(image, kind), file_of(image, kind, exif=sideways)]
        _, contents, originals = plain(True).canvases(files)
        assert originals.tolist() == [[805, 1203], [1203, 805]]
        assert contents.tolist() == [[64, 95], [64, 42]]


def test_masks_keep_their_classes_and_are_padded_with_ignored():
    mask = np.zeros((60, 100), np.uint8)
    mask[:, 50:] = 7
    mask[:, 99:] = 255
    for keep, height in ((True, 57), (False, 64)):
        canvas = plain(keep)
        content = canvas.content_of((60, 100))
        assert content[0] == height
        found = canvas.mask_canvases([file_of(Pillow.fromarray(mask))], [content])[0]
        assert set(np.unique(found)) == {0, 7, 255}
        assert (found[:height, :48] == 0).all()
        assert (found[:height, 48:95] == 7).all()
        assert (found[height:] == 255).all()


def test_unreadable_images_are_named():
    with pytest.raises(DataError, match="image 2"):
        plain(True).canvases([file_of(drawn(9, 9)), {"bytes": b"no", "path": None}])


def test_extreme_images_have_at_least_a_pixel():
    _, contents, _ = plain(True).canvases([file_of(drawn(2, 900)), file_of(drawn(1, 1))])
    assert contents.tolist() == [[1, 96], [64, 64]]


@pytest.mark.parametrize(
    ("sizes", "longest", "expected"),
    [
        ([(180, 240)] * 3, 640, (192, 256)),
        ([(480, 640), (480, 640), (4000, 3000)], 640, (480, 640)),
        ([(480, 640)], 320, (256, 320)),
        ([(3000, 4000)], 640, (480, 640)),
        ([(10, 10)], 640, (32, 32)),
        ([(10, 4000)], 650, (32, 640)),
    ],
)
def test_the_usual_size_follows_the_median_image(sizes, longest, expected):
    assert default_size(sizes, longest) == expected


def dense_rows(count):
    files = Features({"image": Image(decode=False), "mask": Image(decode=False)})
    rows = [{"image": file_of(drawn(20 + row, 40, seed=row)),
             "mask": file_of(Pillow.new("L", (40, 20 + row), row))}
            for row in range(count)]  # fmt: skip
    return Dataset.from_list(rows, features=files)


def test_cached_canvases_are_those_of_the_files(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    monkeypatch.setattr(image_cache, "CHUNK", 2)
    rows, canvas = dense_rows(5), plain(True, 32, 32)
    files = image_cache.keep_dense(rows, "image", canvas, "mask")
    images, contents, originals, masks = files.rows([4, 1])
    expected = canvas.canvases([rows[4]["image"], rows[1]["image"]])
    assert all(map(np.array_equal, (images, contents, originals), expected))
    cells = [rows[4]["mask"], rows[1]["mask"]]
    assert np.array_equal(masks, canvas.mask_canvases(cells, contents))
    assert image_cache.keep_dense(rows, "image", canvas).rows([0])[3] is None


def test_the_cache_knows_what_has_changed(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    rows, canvas = dense_rows(3), plain(True, 32, 32)
    first = image_cache.keep_dense(rows, "image", canvas, "mask")
    assert image_cache.keep_dense(rows, "image", canvas, "mask") == first
    assert image_cache.keep_dense(rows, "image", plain(False, 32, 32)).images != first.images
    others = rows.remove_columns("mask").add_column("mask", rows["mask"][::-1],
                                                    feature=rows.features["mask"])  # fmt: skip
    second = image_cache.keep_dense(others, "image", canvas, "mask")
    assert second.images == first.images
    assert second.masks != first.masks
    assert second.rows([0])[3].max() == 255
    assert second.rows([0])[3].min() == 2


def test_masks_count_in_what_fits(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    monkeypatch.setattr(image_cache, "MOST", 10 * 64 * 96 * 3)
    assert image_cache.fits(10, plain(True))
    assert not image_cache.fits(10, plain(True), masks=True)


def test_what_is_cached_does_not_depend_on_the_scaling():
    facts = json.dumps(plain(True).describe())
    assert facts == json.dumps(Canvas(64, 96, True, "RGB", 2, (1.0,) * 3, (0.5,) * 3).describe())
