"""Large images in tiles: decoded once, cropped for training, joined for prediction."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import datasets
import mask_rows
import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from toolkit_plugins.vision import image_cache
from toolkit_plugins.vision.segmentation import batches, decoding, tiles
from toolkit_plugins.vision.segmentation.options import Tiles
from toolkit_plugins.vision.trainer import EpochTold

import toolkit
from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import prepare

WANTED = Tiles(size=64, overlap=0.25)


@pytest.fixture(scope="module")
def canvas(tmp_path_factory):
    """The canvas of a run in tiles of 64 x 64 pixels."""
    root = tmp_path_factory.mktemp("tiles")
    path = root / "discs.yaml"
    path.write_text(json.dumps({
        "scenario": "image-segmentation", "description": "Discs.",
        "model": {"from_config": mask_rows.TINY}, "options": {"tiles": WANTED.model_dump()},
        "data": {"source": str(mask_rows.folder(root / "scenes", 12, size=(90, 130)))},
    }))  # fmt: skip
    return prepare(find_recipe(str(path), [])).plugin.canvas


def rows_of(scene):
    cells = [[{"bytes": _png(one), "path": None}] for one in scene]
    return datasets.Dataset.from_dict(dict(zip(("image", "mask"), cells, strict=True)))


def test_tiles_cover_an_image_and_are_joined_without_seams(canvas):
    image, mask = mask_rows.scene(np.random.default_rng(0), (100, 150))
    cells = [{"bytes": _png(one), "path": None} for one in (image, mask)]
    split = datasets.Dataset.from_dict({"image": cells[:1], "mask": cells[1:]})
    prepared = tiles.sources(split, "image", "mask", canvas, WANTED, keep="never")
    rows = prepared.to_list()
    assert len(rows) == 6
    assert {row["chunk_of"] for row in rows} == {0}
    batch = batches.Inputs(canvas)(rows)
    assert batch["pixel_values"].shape == (6, 3, 64, 64)
    scores = torch.nn.functional.one_hot(batch["labels"].clamp(min=0).long(), 3).movedim(-1, 1)
    found = decoding.joined((scores * 9.0).float(), cells[0], rows, canvas, WANTED)
    assert (found.mask == np.asarray(mask)).all()
    scores = torch.tensor([[0.6, 0.4], [1e-4, 1 - 1e-4]]).log()[:, :, None, None]  # two tiles
    places = [{"pixel_values": {"top": 0, "left": 0}}] * 2
    even = Image.new("RGB", (64, 64))
    cell = {"bytes": _png(even), "path": None}
    both = decoding.joined(scores.expand(2, 2, 64, 64), cell, places, canvas, WANTED)
    assert both.confidence == pytest.approx((0.4 + 1 - 1e-4) / 2, abs=1e-4)  # no geometric mean


def test_crops_of_tiles_depend_on_the_tile_the_seed_and_the_epoch_alone(canvas):
    split = rows_of(mask_rows.scene(np.random.default_rng(0), (100, 150)))
    rows, again = (tiles.sources(split, "image", "mask", canvas, WANTED, keep="never").to_list()
                   for _ in range(2))  # fmt: skip
    collator = batches.Canvases(canvas, spare=True, seed=7)
    EpochTold(collator).on_epoch_begin(None, transformers.TrainerState(epoch=1.5), None)
    first = collator(rows)
    # The Trainer divides the loss by the labels that it gets: as many as the model sees.
    assert first["labels"].shape == (6, 64, 64)
    assert first["pixel_values"].shape == (6, 3, 64, 64)
    inputs = batches.training_inputs(None, canvas)(first)
    assert (inputs["labels"] != -100).sum() == (first["labels"] != -100).sum()
    torch.manual_seed(5)
    resumed = batches.Canvases(canvas, spare=True, seed=7, epoch=1)(again[3:])
    assert torch.equal(resumed["pixel_values"], first["pixel_values"][3:])
    assert torch.equal(resumed["labels"], first["labels"][3:])
    for other in ({"seed": 8, "epoch": 1}, {"seed": 7, "epoch": 2}):
        found = batches.Canvases(canvas, spare=True, **other)(rows)
        assert not torch.equal(found["labels"], first["labels"])


def _png(image):
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()


def test_tiles_are_cached_where_they_are_few_and_need_a_disk_in_any_case(
    canvas, tmp_path, monkeypatch
):
    split = rows_of(mask_rows.scene(np.random.default_rng(3), (100, 150)))
    size = 100 * 150 * 4  # three channels and a mask
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)

    def folder(keep, most):
        monkeypatch.setattr(image_cache, "MOST", most)
        made = tiles.sources(split, "image", "mask", canvas, WANTED, keep=keep)
        return Path(made[0]["pixel_values"][tiles.WHOLE]).parent

    cache = tmp_path / "toolkit-pictures"
    assert folder("auto", size) == folder("always", 0) == cache
    assert cache not in {folder("auto", size - 1), folder("never", size)}
    full = SimpleNamespace(free=size - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(toolkit.errors.UserError, match=r"are free: set TMPDIR"):
        folder("never", size)
