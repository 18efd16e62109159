"""Tiles of large images, and their scores joined again."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from toolkit.tasks.masks.decoding import MaskStrips
from toolkit.tasks.masks.tiles import Blend, ramp, windows


@pytest.mark.parametrize(("side", "tile", "overlap"), [(100, 32, 8), (33, 32, 31), (64, 32, 0)])
def test_tiles_cover_an_image_and_share_the_overlap_at_least(side, tile, overlap):
    found = windows(side, tile, (tile, tile), overlap)
    tops = sorted({top for top, _ in found})
    assert tops[0] == 0
    assert tops[-1] == side - tile
    assert {left for _, left in found} == {0}
    gaps = [b - a for a, b in pairwise(tops)]
    assert max(gaps) <= tile - overlap
    assert found == sorted(found)


def test_an_image_smaller_than_a_tile_has_one():
    assert windows(20, 50, (32, 32), 4) == [(0, 0), (0, 18)]
    with pytest.raises(ValueError, match="an overlap of 32 pixels"):
        windows(50, 50, (32, 40), 32)


def joined(scores, tile, overlap):
    """Cut scores into tiles and join them again, with the strips as they come."""
    classes, height, width = scores.shape
    blend, strips = Blend((height, width), classes, tile, overlap), []
    for top, left in windows(height, width, tile, overlap):
        part = torch.full((classes, *tile), 9.0)
        cut = scores[:, top : top + tile[0], left : left + tile[1]]
        part[:, : cut.shape[1], : cut.shape[2]] = cut
        strips += blend.add(part, top, left)
    return [*strips, blend.rest()]


@pytest.mark.parametrize("tile", [(16, 16), (16, 24), (64, 64), (41, 53)])
def test_tiles_of_a_plane_are_that_plane_again(tile):
    y, x = torch.meshgrid(torch.arange(41.0), torch.arange(53.0), indexing="ij")
    scores = torch.stack([x + 2 * y, 3 - x, y * 0.5])
    strips = joined(scores, tile, 5)
    assert [top for top, _ in strips] == [
        sum(s.shape[1] for _, s in strips[:n]) for n in range(len(strips))
    ]
    assert torch.allclose(torch.cat([s for _, s in strips], 1), scores, atol=1e-4, rtol=1e-6)


def test_a_seam_between_tiles_that_disagree_is_a_smooth_step():
    blend = Blend((8, 24), 1, (8, 16), 8)
    assert not [*blend.add(torch.zeros(1, 8, 16), 0, 0), *blend.add(torch.ones(1, 8, 16), 0, 8)]
    line = blend.rest()[1][0, 4]
    assert line[:8].tolist() == [0.0] * 8
    assert line[16:].tolist() == [1.0] * 8
    assert (line.diff() >= 0).all()
    assert line.diff().max() < 0.25
    assert min(ramp(16, 8)) > 0


def test_tiles_come_from_the_top():
    blend = Blend((40, 16), 1, (16, 16), 4)
    assert [top for top, _ in blend.add(torch.zeros(1, 16, 16), 12, 0)] == [0]
    with pytest.raises(ValueError, match="row by row"):
        list(blend.add(torch.zeros(1, 16, 16), 0, 0))


def test_strips_make_a_mask():
    scores = torch.randn(3, 40, 30, generator=torch.Generator().manual_seed(0))
    whole, parts = MaskStrips((40, 30), 3), MaskStrips((40, 30), 3)
    whole.add(0, scores)
    for top, strip in joined(scores, (16, 30), 4):
        parts.add(top, strip)
    assert (parts.mask == scores.argmax(0).numpy()).all()
    assert parts.confidence == pytest.approx(whole.confidence, abs=1e-6)
    assert whole.confidence == pytest.approx(float(scores.softmax(0).amax(0).mean()))
