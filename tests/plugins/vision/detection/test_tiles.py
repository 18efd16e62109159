"""Small objects in large images: tiles are learned, predicted and joined without loss."""

from __future__ import annotations

import numpy as np
import object_rows
import pytest
import torch
import transformers
from box_scenes import box, png
from toolkit_plugins.vision.detection import batches

from toolkit.cli.main import outcome
from toolkit.evaluation.batches import records
from toolkit.evaluation.predicting import predict
from toolkit.recipe.library import find_recipe
from toolkit.runner.prepare import prepare

SIDE = 64
TILES = {"size": SIDE, "overlap": 0.25}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A recipe of tiny detectors on twelve large images, of which the last has no object."""
    root, rng = tmp_path_factory.mktemp("tiles"), np.random.default_rng(0)
    source = object_rows.written(
        root / "scenes", [object_rows.small_things(rng, 5 * (place < 11)) for place in range(12)]
    )
    return object_rows.recipe(root / "tiles.yaml", source, options={"tiles": TILES})


@pytest.fixture(scope="module")
def job(recipe):
    return checked(recipe)


def checked(recipe, **settings):
    return prepare(
        find_recipe(recipe, [(tuple(key.split(".")), value) for key, value in settings.items()])
    )


def perfect(plugin, rows):
    """Return outputs that say what the labels of prepared rows say."""
    most = max(1, *(len(row["labels"]["boxes"]) for row in rows))
    logits = torch.full((len(rows), most, len(plugin.classes)), -20.0)
    places = torch.full((len(rows), most, 4), 0.5)
    for row, one in enumerate(rows):
        for n, (place, number) in enumerate(
            zip(one["labels"]["boxes"], one["labels"]["class_labels"], strict=True)
        ):
            places[row, n], logits[row, n, number] = torch.tensor(place), 5.0 - n / 10
    return transformers.utils.ModelOutput(logits=logits, pred_boxes=places)


def decoded(plugin, split):
    """Return predictions of a model that sees in each tile what its labels say."""
    raw = split.to_list()
    prepared = plugin.prepare(split, "test")
    rows = records(prepared, list(range(len(prepared))))
    parts = plugin.reduce_chunk(perfect(plugin, rows), rows)
    owned = [[n for n, row in enumerate(rows) if row["chunk_of"] == of] for of in range(len(raw))]
    return plugin.decode([[parts[n] for n in own] for own in owned], raw,
                         [[rows[n] for n in own] for own in owned])  # fmt: skip


@pytest.mark.parametrize("whole", [False, True])
def test_each_object_is_found_once_where_it_is(job, whole):
    plugin = with_tiles(job.plugin, whole=whole)
    split = plugin.data["train"]
    for row, found in zip(split.to_list(), decoded(plugin, split), strict=True):
        there = sorted((one["label"], one["box"]) for one in row["objects"])
        seen = sorted((one["label"], one["box"]) for one in found["objects"])
        assert [label for label, _ in seen] == [label for label, _ in there]
        for (_, one), (_, other) in zip(seen, there, strict=True):
            assert one == pytest.approx(other, abs=0.51 if whole else 1e-3)


def test_tiles_show_the_pixels_of_their_place(job):
    plugin = job.plugin
    split = plugin.data["train"]
    prepared = plugin.prepare(split, "test")
    rows = records(prepared, list(range(len(prepared))))
    batch = batches.Canvases(plugin.canvas)(rows)
    seen = 0
    for image, content, labels in zip(
        batch["pixel_values"], batch["contents"], batch["labels"], strict=True
    ):
        assert (content <= SIDE).all()
        for (x, y, width, height), number in zip(
            labels["boxes"].tolist(), labels["class_labels"].tolist(), strict=True
        ):
            red, _, blue = image[:, int(y * SIDE), int(x * SIDE)].tolist()
            assert (red > blue) == (plugin.classes[number] == "large")
            assert width * SIDE <= 10.01
            assert height * SIDE <= 10.01
            seen += 1
    assert seen > 50


def test_objects_at_edges_are_decided_by_what_is_visible_and_counted(tmp_path):
    pixels = np.full((80, 120, 3), 230)
    # Tiles without overlap begin at 0 and 56 across, at 0 and 16 down.
    objects = [box(59, 4, 69, 14, "large"), box(20, 30, 30, 40, "small"),
               box(8, 50, 118, 74, "large")]  # fmt: skip
    source = object_rows.written(tmp_path / "scenes", [(png(pixels), objects)] * 12)
    tiles = {"size": 64, "overlap": 0.0, "min_visible": 0.6, "whole": False}
    path = object_rows.recipe(tmp_path / "edges.yaml", source, options={"tiles": tiles})
    plugin = checked(path).plugin
    count = len(plugin.data["train"])
    notes = " ".join(plugin.notes())
    assert f"train: {count} objects in no tile" in notes  # no tile shows 60% of the long one
    assert "less than options.tiles.min_visible=0.6 of the object is visible" in notes
    prepared = plugin.prepare(plugin.data["train"].select([0]), "test")
    shown = [len(row["labels"]["boxes"]) for row in prepared]
    assert len(shown) == 4
    # The first lies in both upper tiles' columns, half of it in the left: it is the right one's.
    assert sum(shown) == sum((1, 1, 1, 0))


def with_tiles(plugin, **changes):
    """Return the plugin with other options of tiles, as if it had been made with them."""
    options = plugin.options
    tiles = options.tiles.model_copy(update=changes)
    return plugin.with_(options=options.model_copy(update={"tiles": tiles}))


def test_empty_tiles_are_kept_as_a_share_and_every_image_stays(job):
    split = job.plugin.data["train"]

    def train(share):
        plugin = with_tiles(job.plugin, empty=share)
        rows = plugin.prepare(split, "train")
        told = f"tiles without objects left out (options.tiles.empty={share:g})"
        assert (told in " ".join(plugin.notes())) == (share < 1)
        return rows

    every, none, half, again = (train(share) for share in (1.0, 0.0, 0.5, 0.5))
    bare = [sum(not row["class_labels"] for row in rows["labels"][:]) for rows in (every, none)]
    assert bare[0] > 20
    assert bare[1] <= 1  # of the image that has no object
    assert set(every["chunk_of"][:]) == set(none["chunk_of"][:]) == set(range(len(split)))
    assert half["pixel_values"][:] == again["pixel_values"][:]
    assert len(none) < len(half) < len(every)


def test_overlapping_objects_of_one_tile_stay_and_those_of_two_are_one(job):
    plugin = job.plugin
    row = plugin.data["test"].select([0])
    rows = records(plugin.prepare(row, "test"), list(range(4)))
    parts = []
    for one in rows:
        left, top, *_ = one["pixel_values"]["box"]
        boxes = [[50, 30, 60, 40], [52, 30, 62, 40]] if top == 0 and left < 60 else []
        at = [[((a + c) / 2 - left) / SIDE, ((b + d) / 2 - top) / SIDE, (c - a) / SIDE,
               (d - b) / SIDE] for a, b, c, d in boxes]  # fmt: skip
        one["labels"] = {"boxes": at, "class_labels": [0] * len(at)}
        parts += plugin.reduce_chunk(perfect(plugin, [one]), [one])
    assert sum(bool(one["labels"]["boxes"]) for one in rows) == 2
    found = plugin.decode([parts], row.to_list(), [rows])[0]["objects"]
    edges = sorted(one["box"] for one in found)
    assert np.allclose(edges, [[50, 30, 60, 40], [52, 30, 62, 40]], atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["options.tiles={size: 70}"], "is no multiple of 32: 64 and 96 are nearest"),
        (["options.size=64"], "leave out size and keep_ratio"),
        (["options.tiles={size: 256}"], "no training image is larger than a tile of 256 pixels"),
        (["options.tiles={size: 64, overlap: 0.8}"], "overlap"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(recipe, capsys, settings, told):
    arguments = [part for text in settings for part in ("--set", text)]
    assert outcome(["check", recipe, "--no-estimate", *arguments]) == 2
    assert told in " ".join(capsys.readouterr().err.split())


def test_predictions_come_from_all_tiles_whatever_the_batch(job):
    plugin, split = job.plugin, job.plugin.data["test"]
    prepared = plugin.prepare(split, "predict")
    assert "labels" not in prepared.column_names
    found = []
    for size in (2, 7):
        made = predict(plugin, plugin.model, split, prepared, size)
        found.append([one for batch in made for one in batch.predictions])
    assert len(found[0]) == len(split)
    assert all(plugin.same(*pair) for pair in zip(*found, strict=True))
    edges = [one["box"] for row in found[0] for key in ("objects", "candidates")
             for one in row[key]]  # fmt: skip
    assert max(edge[2] for edge in edges) > 2 * SIDE  # beyond the first tiles
