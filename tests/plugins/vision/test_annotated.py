"""Drawn boxes and masks lie on what they mark; a sheet has a caption each and a legend."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from toolkit_plugins.vision import contact_sheet
from toolkit_plugins.vision.annotated import annotated, beside, class_colours, close_up

NAMES = ["sky", "cat", "dog"]
COLOURS = class_colours(NAMES)
GREY = np.full((100, 200, 3), 128, np.uint8)


def cat(*box):
    return {"box": [float(v) for v in box], "label": "cat", "score": 0.9}


def of_colour(image, colour):
    return (np.asarray(image) == colour).all(-1)


def around(flags):
    y, x = flags.nonzero()
    return [x.min(), y.min(), x.max() + 1, y.max() + 1]


@pytest.mark.parametrize("side", [100, 200, 400])
@pytest.mark.parametrize("kind", ["predicted", "actual"])
def test_a_box_is_drawn_around_its_pixels(side, kind):
    drawn = annotated(GREY, COLOURS, side=side, **{kind: [cat(40, 20, 120, 80)]})
    assert drawn.size == (side, side // 2)
    found = around(of_colour(drawn, COLOURS["cat"]))
    assert np.abs(np.array(found) - np.array([40, 20, 120, 80]) * side / 200).max() <= 1


def test_predicted_boxes_are_thicker_than_actual_ones():
    thick = annotated(GREY, COLOURS, predicted=[cat(40, 20, 120, 80)])
    thin = annotated(GREY, COLOURS, actual=[cat(40, 20, 120, 80)])
    assert of_colour(thick, COLOURS["cat"]).sum() > 2 * of_colour(thin, COLOURS["cat"]).sum()


def test_boxes_beyond_the_image_or_of_unknown_classes_are_drawn_within_it():
    boxes = [cat(-50, -50, 500, 500), cat(300, 300, 310, 310), {**cat(5, 5, 5, 5), "label": "cow"}]
    assert annotated(GREY, COLOURS, predicted=boxes, actual=boxes).size == (200, 100)


def test_a_mask_is_painted_in_the_colors_of_its_classes():
    mask = np.zeros((100, 200), np.uint8)
    mask[:, 50:100], mask[:, 100:150], mask[:, 150:] = 1, 2, 255
    drawn = np.asarray(annotated(GREY, COLOURS, mask=mask, hidden=["sky"]), int)
    assert (drawn[:, :50] == 128).all()
    for left, name in ((50, "cat"), (100, "dog")):
        expected = 128 + (np.array(COLOURS[name]) - 128) * 0.55
        assert np.abs(drawn[:, left : left + 50] - expected).max() <= 2
    assert (drawn[:, 150:] < 128).all()
    assert (np.asarray(annotated(GREY, COLOURS, mask=mask))[:, :50] != 128).any()


def test_grey_images_and_pillow_ones_are_drawn_alike():
    expected = annotated(GREY, COLOURS, predicted=[cat(10, 10, 50, 50)])
    for image in (GREY[:, :, :1], Image.fromarray(GREY), Image.fromarray(GREY[:, :, 0])):
        assert annotated(image, COLOURS, predicted=[cat(10, 10, 50, 50)]) == expected


def test_a_close_up_shows_the_box_and_as_much_around_it():
    image = GREY.copy()
    image[40:60, 80:120] = 255
    drawn = close_up(image, (80, 40, 120, 60), COLOURS, predicted=[cat(80, 40, 120, 60)], side=240)
    assert drawn.size == (240, 120)  # 120 x 60 pixels of the image
    found = around(of_colour(drawn, COLOURS["cat"]))
    assert np.abs(np.array(found) - [80, 40, 160, 80]).max() <= 1


@pytest.mark.parametrize("box", [(-40, -40, -20, -20), (190, 90, 260, 130), (300, 300, 301, 301)])
def test_a_close_up_of_a_box_at_the_edge_stays_within_the_image(box):
    assert max(close_up(GREY, box, COLOURS, predicted=[cat(*box)]).size) == 200


def test_colors_differ_until_there_are_many_classes():
    assert len(set(class_colours([f"c{n}" for n in range(18)]).values())) == 18
    assert len(class_colours([f"c{n}" for n in range(300)])) == 300


def test_a_sheet_holds_every_cell_and_a_legend():
    cells = [annotated(GREY, COLOURS, side=side) for side in (200, 200, 200, 200, 100)]
    cells.append(beside(cells[:2]))
    assert cells[-1].size == (404, 100)
    sheet = contact_sheet.annotated_sheet(cells, ["a\nb" * 99] * 6, COLOURS, "thick: predicted")
    assert of_colour(sheet, (128, 128, 128)).sum() >= 200 * 100 * 6
    for name in NAMES:
        assert of_colour(sheet, COLOURS[name]).sum() >= 60
    plain = contact_sheet.annotated_sheet(cells, [""] * 6, {})
    assert plain.height < sheet.height
    assert plain.width == sheet.width


def test_of_many_classes_the_legend_names_some():
    many = class_colours([f"class {n}" for n in range(300)])
    few = dict(list(many.items())[: contact_sheet.LEGEND])
    cells = [annotated(GREY, many)] * 4
    assert (
        contact_sheet.annotated_sheet(cells, [""] * 4, many).height
        <= contact_sheet.annotated_sheet(cells, [""] * 4, few).height + contact_sheet.LINE + 3
    )
    assert contact_sheet.annotated_sheet([], [], {}).width > 0
