"""Image, mask and boxes move together; the seed decides; what is not asked for does not happen."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from toolkit_plugins.vision.canvas import Canvas
from toolkit_plugins.vision.dense_augment import DenseAugment, moved

SIDE = 96
GEOMETRY = [
    {"flip": "horizontal"}, {"flip": "vertical"}, {"flip": "both"}, {"crop": 0.4},
    {"zoom_out": 3.0}, {"rotate": 40}, {"shift": 0.3}, {"scale": 0.4}, {"mosaic": 1.0},
    {"flip": "both", "crop": 0.5, "zoom_out": 2.0, "rotate": 15, "shift": 0.1, "scale": 0.2,
     "mosaic": 0.5},
]  # fmt: skip
VALUES = [{"colour": 0.3}, {"blur": 1.0}, {"noise": 0.1}]


def canvas(channels=3, keep_ratio=True):
    half = (1 / 127.5,) * channels
    mode = "L" if channels == 1 else "RGB"
    return Canvas(SIDE, SIDE, keep_ratio, mode, 2, half, (-1.0,) * channels)


def batch(seed, channels=3, rows=4):
    """Return white rectangles on dark images: pixels, boxes, masks with 1 where white, contents."""
    rng = torch.Generator().manual_seed(seed)
    content = torch.tensor([[SIDE, SIDE], [SIDE, 64], [50, SIDE], [SIDE, 80]])[:rows]
    images, boxes = torch.zeros(rows, channels, SIDE, SIDE), []
    masks = torch.full((rows, SIDE, SIDE), 255, dtype=torch.uint8)
    for row, (height, width) in enumerate(content.tolist()):
        images[row, :, :height, :width], masks[row, :height, :width] = 0.2, 0
        left = int(torch.randint(0, width - 20, (), generator=rng))
        top = int(torch.randint(0, height - 20, (), generator=rng))
        right, bottom = left + 20, top + 16
        images[row, :, top:bottom, left:right], masks[row, top:bottom, left:right] = 1.0, 1
        boxes.append(torch.tensor([[left, top, right, bottom]], dtype=torch.float))
    return images, boxes, masks, content


def around(flags):
    """Return the box around the true pixels of an image, or None."""
    y, x = flags.nonzero(as_tuple=True)
    if not len(x):
        return None
    return torch.stack([x.min(), y.min(), x.max() + 1, y.max() + 1]).float()


@pytest.mark.parametrize("settings", GEOMETRY, ids=str)
def test_pixels_masks_and_boxes_agree(settings):
    change = moved(DenseAugment(min_visible=0.01, **settings), canvas())
    seen, changed = 0, False
    for seed in range(8):
        torch.manual_seed(seed)
        given = batch(seed)
        found = change(*given)
        for row in range(4):
            height, width = found.content[row].tolist()
            white, mask = found.images[row, 0] > 0.75, found.masks[row]
            assert (white ^ (mask == 1)).float().mean() < 0.02  # but for blended edges
            assert (mask[height:] == 255).all()
            assert (mask[:, width:] == 255).all()
            assert set(mask.unique().tolist()) <= {0, 1, 255}
            if len(found.boxes[row]):  # of a mosaic: around all of them
                seen += 1
                left_top = found.boxes[row][:, :2].amin(0)
                box = torch.cat([left_top, found.boxes[row][:, 2:].amax(0)])
                assert (around(mask == 1) - box).abs().max() < 2
                assert (box[2:] <= torch.tensor([width, height])).all()
            changed |= not torch.equal(mask, given[2][row])
            assert len(found.kept[row]) == len(found.boxes[row])
    assert seen > 15
    assert changed


@pytest.mark.parametrize("settings", [{"zoom_out": 4.0}, {"rotate": 45}, {"shift": 0.5}], ids=str)
def test_where_there_is_no_image_it_looks_like_padding(settings):
    torch.manual_seed(0)
    found = moved(DenseAugment(**settings), canvas())(*batch(0))
    empty = found.masks == 255
    inputs, present = canvas().scaled(found.images * 255, found.content)
    assert empty.float().mean() > 0.15
    assert inputs.permute(0, 2, 3, 1)[empty].abs().max() < 1e-5
    assert torch.equal(present == 0, ~canvas().pixel_mask(found.content).bool())


def test_padding_does_not_bleed_into_the_image():
    images, _, _, content = batch(0)
    for row, (height, width) in enumerate(content.tolist()):
        images[row] = 0.0
        images[row, :, :height, :width] = 1.0
    for seed in range(4):
        torch.manual_seed(seed)
        change = moved(DenseAugment(flip="both", crop=0.3, rotate=20, zoom_out=3.0), canvas())
        masks = (images[:, 0] < 0.5).to(torch.uint8) * 255
        found = change(images, None, masks, content)
        assert found.boxes is found.kept is None
        assert found.images.permute(0, 2, 3, 1)[found.masks == 0].min() > 0.99


def test_boxes_of_which_little_is_left_are_dropped_and_others_clipped():
    images, _, _, content = batch(0)
    boxes = [torch.tensor([[0.0, 0.0, 10, 10], [40, 20, 60, 40]])] * 4
    change = moved(DenseAugment(shift=0.3, min_visible=0.5), canvas())
    counts = set()
    for seed in range(10):
        torch.manual_seed(seed)
        found = change(images, boxes, None, content)
        assert found.masks is None
        for row, (left, kept) in enumerate(zip(found.boxes, found.kept, strict=True)):
            counts.add(len(left))
            area = (left[:, 2:] - left[:, :2]).prod(1)
            whole = torch.tensor([100.0, 400.0] * 4)[kept]
            assert (area >= 0.5 * whole - 1e-3).all()
            assert (left >= 0).all()
            assert (kept // 2 == row).all()
    assert {1, 2} <= counts


def test_what_a_shift_and_a_mosaic_leave_of_a_box_counts_together():
    """Colors of an object name its columns and rows, so that pixels say what is seen of it."""
    images, _, _, content = batch(1)
    images[:], content[:] = 0, SIDE
    across = torch.linspace(0.2, 1, 72)
    images[:, 0, 12:84, 12:84], images[:, 1, 12:84, 12:84] = across, across[:, None]
    boxes = [torch.tensor([[12.0, 12, 84, 84]])] * 4
    change = moved(DenseAugment(shift=0.5, mosaic=1.0, min_visible=0.5), canvas())
    shares = []
    for seed in range(30):
        torch.manual_seed(seed)
        found = change(images, boxes, None, content)
        for image, now in zip(found.images, found.boxes, strict=True):
            for left, top, right, bottom in now.round().int().tolist():
                part = image[:2, top:bottom, left:right]
                sides = [one[one > 0.2] for one in part]  # not the blended edges
                columns, rows = ((one.max() - one.min()) / 0.8 for one in sides)
                shares.append(float(columns * rows))
    assert len(shares) > 50
    assert min(shares) > 0.42  # of 0.5: edges are blended, hence not counted


def test_labels_follow_boxes_into_a_mosaic():
    """Each image has a gray of its own, which its box's label names."""
    images, boxes, _, content = batch(1)
    greys = torch.tensor([0.9, 0.7, 0.5, 0.3])
    for row, (left, top, right, bottom) in enumerate(torch.cat(boxes).int().tolist()):
        images[row] = 0
        images[row, :, top:bottom, left:right] = greys[row]
    torch.manual_seed(3)
    found = moved(DenseAugment(mosaic=1.0), canvas())(images, boxes, None, content)
    assert (found.content == SIDE).all()
    assert len(set(torch.cat(found.kept).tolist())) == 4
    for row, (now, kept) in enumerate(zip(found.boxes, found.kept, strict=True)):
        middles = ((now[:, :2] + now[:, 2:]) / 2).long()
        grey = found.images[row, 0, middles[:, 1], middles[:, 0]]
        assert torch.allclose(grey, greys[kept], atol=0.02)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("settings", GEOMETRY[:-2] + VALUES, ids=str)
def test_torchs_generator_alone_decides(settings, channels):
    """A checkpoint keeps its state: what is drawn after it is what would have been drawn."""
    given = batch(0, channels)
    change = moved(DenseAugment(**settings), canvas(channels))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = change(*given)
    following = change(*given)
    torch.set_rng_state(state)
    again = moved(DenseAugment(**settings), canvas(channels))(*given)
    assert first.images.shape == given[0].shape
    assert torch.equal(first.images, again.images)
    assert all(map(torch.equal, first.boxes, again.boxes))
    assert not torch.equal(first.images, following.images)


@pytest.mark.parametrize("settings", VALUES, ids=str)
def test_colors_move_nothing(settings):
    given = batch(0)
    torch.manual_seed(1)
    found = moved(DenseAugment(**settings), canvas())(*given)
    assert all(map(torch.equal, found.boxes, given[1]))
    assert torch.equal(found.masks, given[2])
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    assert not torch.equal(found.images, given[0])


@pytest.mark.parametrize("wanted", [None, DenseAugment()])
def test_nothing_is_changed_unasked(wanted):
    images, boxes, masks, content = batch(0)
    found = moved(wanted, canvas())(images, boxes, masks, content)
    assert torch.equal(found.images, images)
    assert torch.equal(found.masks, masks)
    assert all(map(torch.equal, found.boxes, boxes))
    assert torch.cat(found.kept).tolist() == [0, 1, 2, 3]


def test_images_without_objects_stay():
    images, boxes, _, content = batch(0)
    boxes = [torch.zeros(0, 4), boxes[1], torch.zeros(0, 4), torch.zeros(0, 4)]
    wanted = DenseAugment(flip="both", rotate=10, mosaic=0.5)
    found = moved(wanted, canvas())(images, boxes, None, content)
    assert len(found.boxes) == 4
    assert all(item.shape[1:] == (4,) for item in found.boxes)


@pytest.mark.parametrize("odd", [{"zoom_out": 1.0}, {"crop": 0}, {"scale": 1.0}, {"mixup": 0.2}])
def test_settings_that_mean_nothing_are_refused(odd):
    with pytest.raises(ValidationError):
        DenseAugment(**odd)
