"""Boxes that no model can learn from, images turned by EXIF, sizes that differ, outlines."""

from __future__ import annotations

import math

import numpy as np
import pytest
from annotated_trees import coco, images, rows, text, voc
from toolkit_plugins.vision.annotations import read, shapes
from toolkit_plugins.vision.annotations.clean import clean
from toolkit_plugins.vision.annotations.forms import Item, Tally, Thing
from toolkit_plugins.vision.annotations.headers import Header

from toolkit.errors import DataError

TURNS = range(1, 9)


def cleaned(tmp_path, *boxes, **settings):
    """Return the boxes that stay in an image of 100 x 80, and the notes."""
    images(tmp_path, "a.png")
    things = [Thing("cat", box) for box in boxes]
    item, tally = Item(tmp_path / "a.png", "a.png", things, **settings), Tally()
    faults = clean([item], tally, "train")
    assert not faults
    return [list(thing.box) for thing in item.things], "\n".join(tally.notes())


@pytest.mark.parametrize(
    ("box", "kept", "note"),
    [
        ((10, 10, 10, 20), [], "1 box of no width or height removed (a.png)"),
        ((10, 10, 10.0005, 20), [], "of no width"),
        ((10, 10, math.nan, 20), [], "that are no numbers"),
        ((10, 10, math.inf, 20), [], "that are no numbers"),
        ((100, 10, 120, 20), [], "outside of its image removed"),
        ((-9, 10, 0, 20), [], "outside of its image removed"),
        ((90, 70, 120, 95), [[90, 70, 100, 80]], "past the edge of its image clipped"),
        ((0, -0.01, 9, 9), [[0, 0, 9, 9]], ""),
        ((30, 40, 10, 20), [[10, 20, 30, 40]], "exchanged: put in order"),
        ((10, 10, 20, 20), [[10, 10, 20, 20]], ""),
    ],
)
def test_odd_boxes(tmp_path, box, kept, note):
    found, told = cleaned(tmp_path, box)
    assert found == kept
    assert note in told if note else not told


def test_boxes_that_are_there_twice(tmp_path):
    images(tmp_path, "a.png")
    one = (1.0, 2.0, 3.0, 4.0)
    things = [Thing("cat", one), Thing("dog", one), Thing("cat", one)]
    item, tally = Item(tmp_path / "a.png", "a.png", things), Tally()
    assert not clean([item], tally, "train")
    assert [thing.label for thing in item.things] == ["cat", "dog"]
    assert tally.notes() == ["1 box that is there twice (same class and place): one kept (a.png)"]


def test_names_in_notes_are_few(tmp_path):
    names = [f"{n}.png" for n in range(9)]
    images(tmp_path, *names)
    items = [Item(tmp_path / name, name, [Thing("cat", (2, 2, 2, 2))]) for name in names]
    tally = Tally()
    clean(items, tally, "train")
    assert tally.notes()[0].endswith("removed (0.png, 1.png, 2.png, 3.png, 4.png, ...)")


def test_most_boxes_past_the_edge_are_another_convention(tmp_path):
    images(tmp_path, "a.png")
    corners = [("cat", [50 + n, 50, 90 + n, 70]) for n in range(5)]
    path = coco(tmp_path / "a.json", {"a.png": corners})
    with pytest.raises(DataError, match=r"5 of 5 boxes are past the edge .* a.png of 100 x 80"):
        read(str(path), True, "image", "objects")
    shares = [("cat", [0.1, 0.1 * n, 0.5, 0.5]) for n in range(5)]
    with pytest.raises(DataError, match="all 5 boxes are between 0 and 1"):
        read(str(coco(tmp_path / "a.json", {"a.png": shares})), True, "image", "objects")


def test_classes_that_differ_in_case_stay_apart(tmp_path):
    images(tmp_path, "a.png")
    path = voc(tmp_path / "a.xml", [("car", (1, 1, 5, 5)), ("Car", (1, 1, 6, 6))])
    told = read(str(path), True, "image", "objects").notes[-1]
    assert told.startswith("'Car' and 'car' are 2 classes")


@pytest.mark.parametrize("orientation", TURNS)
def test_points_and_masks_turn_as_pillow_turns_images(tmp_path, orientation):
    from PIL import Image, ImageOps

    stored = np.zeros((8, 10), np.uint8)
    stored[1:3, 2:7] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        upright = np.asarray(ImageOps.exif_transpose(image)) > 0
    down, across = np.nonzero(upright)
    seen = [across.min(), down.min(), across.max() + 1, down.max() + 1]
    rle = shapes.turned(shapes.from_mask(stored), orientation)
    assert (shapes.decoded(rle) == upright).all()
    header = Header((10, 8), orientation)
    first, second = header.turned((2, 1)), header.turned((7, 3))
    assert [*map(min, first, second), *map(max, first, second)] == seen
    assert header.upright == upright.shape[::-1]


def test_annotations_of_the_stored_and_of_the_upright_image(tmp_path):
    images(tmp_path, "a.png", "b.png", "c.png", turned=6)
    voc(tmp_path / "a.xml", [("cat", (10, 20, 30, 50))])  # states 100 x 80: as stored
    voc(tmp_path / "b.xml", [("cat", (10, 20, 30, 50))], size=(80, 100))
    voc(tmp_path / "c.xml", [("cat", (10, 20, 30, 50))], size=(0, 0))
    plain = [("cat", [10, 20, 30, 50])]
    assert rows(tmp_path)["train"] == {
        "a.png": [("cat", [30, 10, 60, 30])], "b.png": plain, "c.png": plain}  # fmt: skip
    told = "\n".join(read(str(tmp_path), True, "image", "objects").notes)
    assert "1 image whose annotations are of the stored image: turned as EXIF says (a.png)" in told
    assert "1 image is turned by EXIF: its annotations are taken to be of the upright" in told


@pytest.mark.parametrize(("turned", "size"), [(3, (100, 80)), (6, (80, 80))])
def test_a_size_that_does_not_say_whether_an_image_was_turned_is_told(tmp_path, turned, size):
    images(tmp_path, "a.png", turned=turned, size=size)
    voc(tmp_path / "a.xml", [("cat", (10, 20, 30, 50))], size=size)
    assert rows(tmp_path)["train"] == {"a.png": [("cat", [10, 20, 30, 50])]}
    told = "\n".join(read(str(tmp_path), True, "image", "objects").notes)
    assert "1 image is turned by EXIF: its annotations are taken to be of the upright" in told


def test_sizes_that_differ(tmp_path):
    images(tmp_path, "half.png", "other.png")
    voc(tmp_path / "half.xml", [("cat", (20, 40, 60, 80))], size=(200, 160))
    voc(tmp_path / "other.xml", [("cat", (20, 40, 60, 80))], size=(80, 100))
    assert rows(tmp_path)["train"] == {
        "half.png": [("cat", [10, 20, 30, 40])],
        "other.png": [("cat", [20, 40, 60, 80])]}  # fmt: skip
    told = "\n".join(read(str(tmp_path), True, "image", "objects").notes)
    assert "boxes scaled (half.png)" in told
    assert "left as they are (other.png)" in told


def test_an_unreadable_image_keeps_its_row(tmp_path):
    text(tmp_path / "a.png", "no image")
    images(tmp_path, "b.png")
    for stem in "ab":
        voc(tmp_path / f"{stem}.xml", [("cat", (1, 1, 5, 5))])
    assert list(rows(tmp_path)["train"]) == ["a.png", "b.png"]


def test_outlines_of_coco(tmp_path):
    images(tmp_path, "a.png")
    square = [[10, 10, 20, 10, 20, 20, 10, 20]]
    mask = np.zeros((80, 100), bool)
    mask[30:50, 60:70] = True
    packed = shapes.from_mask(mask)
    runs = [60 * 80 + 30, *[20, 60] * 9, 20, 30 + 30 * 80]
    odd = [
        {"segmentation": s, "bbox": [10 + n, 10, 10, 10]}
        for n, s in enumerate(
            [
                square,
                packed,
                {"size": [80, 100], "counts": runs},
                None,
                {"size": [80, 100], "counts": "~~~"},
                {"size": [8, 10], "counts": [80]},
            ]
        )
    ]
    path = coco(tmp_path / "a.json", {"a.png": odd})
    found = read(str(path), True, "image", "objects", shapes=True).splits["train"][0]["objects"]
    drawn = [None if one["shape"] is None else shapes.decoded(one["shape"]) for one in found]
    assert drawn[0].sum() == 100
    assert drawn[0][10:20, 10:20].all()
    assert (drawn[1] == mask).all()
    assert (drawn[2] == mask).all()
    assert drawn[3:] == [None, None, None]
    assert shapes.box_of(packed) == (60, 30, 70, 50)


def test_runs_are_read_as_the_library_writes_them():
    rng = np.random.default_rng(0)
    for density in (0.02, 0.5, 0.98):
        mask = rng.random((37, 53)) < density
        assert (shapes.decoded(shapes.rle_of(shapes.from_mask(mask))) == mask).all()
