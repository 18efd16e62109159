"""One picture in whatever form becomes the pixels that a person sees."""

from __future__ import annotations

import io
import sys
import warnings

import numpy as np
import pytest
from image_rows import as_bytes, bar
from PIL import Image
from toolkit_plugins.vision.images import (
    UnreadableError,
    look_at,
    require_pillow,
    use,
    use_all,
)

from toolkit.errors import DataError, UserError

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (20, 30, 3), np.uint8)


def pixels(value, mode="RGB", about=None):
    return use(value, mode, about, np.asarray).astype(int)


@pytest.mark.parametrize("form", ["png", "bmp", "tiff", "webp", "gif", "jpeg"])
def test_files_of_all_forms(form):
    smooth = Image.fromarray(COLOURS).resize((6, 4)).resize((30, 20))
    settings = {"lossless": True} if form == "webp" else {}
    found = pixels(as_bytes(smooth, form, **settings))
    assert found.shape == (20, 30, 3)
    off = np.abs(found - np.asarray(smooth)).mean()
    assert off < {"gif": 12, "jpeg": 12}.get(form, 1e-9)


def test_the_first_picture_of_a_gif_that_moves():
    first, second = (Image.new("RGB", (9, 9), c) for c in ("red", "blue"))
    file = io.BytesIO()
    first.save(file, "gif", save_all=True, append_images=[second], duration=50)
    assert (pixels(file.getvalue()) == [255, 0, 0]).all()


def test_sixteen_bits_are_scaled_and_not_cut():
    deep = np.array([[0, 32768], [65535, 257]], np.uint16)
    for mode, shape in (("L", (2, 2)), ("RGB", (2, 2, 3))):
        found = pixels(as_bytes(Image.fromarray(deep)), mode)
        assert found.shape == shape
        assert found.reshape(4, -1)[:, 0].tolist() == [0, 128, 255, 1]


def test_floats_and_wide_integers():
    floats = Image.fromarray(np.array([[0.0, 0.5], [1.0, 0.25]], np.float32))
    assert pixels(as_bytes(floats, "tiff"), "L").ravel().tolist() == [0, 128, 255, 64]
    wide = Image.fromarray(np.array([[0, 200]], np.int32))
    assert pixels(as_bytes(wide, "tiff"), "L").ravel().tolist() == [0, 200]


def test_what_is_transparent_lies_on_white():
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert (pixels(as_bytes(clear)) == 255).all()
    assert np.allclose(pixels(as_bytes(half)), 127, atol=1)
    grey = Image.new("LA", (4, 4), (0, 0))
    assert (pixels(as_bytes(grey), "L") == 255).all()
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    assert (pixels(as_bytes(palette)) == [255, 0, 0]).all()
    assert (pixels(as_bytes(palette, transparency=1)) == 255).all()


def test_grey_two_tone_and_print_colours():
    grey = Image.new("L", (4, 4), 77)
    assert (pixels(as_bytes(grey)) == 77).all()
    assert (pixels(as_bytes(Image.new("1", (4, 4), 1))) == 255).all()
    ink = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    found = pixels(as_bytes(ink, "jpeg"))
    assert found.shape == (16, 16, 3)
    assert (found[..., 0] > 200).all()
    assert (found[..., 1:] < 60).all()


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_a_camera_that_was_turned(turn):
    seen = Image.fromarray(COLOURS)
    stored = {1: seen, 3: seen.rotate(180), 6: seen.transpose(Image.Transpose.ROTATE_90),
              8: seen.transpose(Image.Transpose.ROTATE_270)}[turn]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = turn
    assert (pixels(as_bytes(stored, exif=exif)) == COLOURS).all()


def test_paths_bytes_mappings_and_pictures_are_the_same(tmp_path):
    image = bar("lying", RNG)
    path = tmp_path / "a.png"
    image.save(path)
    data = path.read_bytes()
    mappings = [{"bytes": data, "path": "elsewhere.png"}, {"bytes": None, "path": str(path)}]
    forms = [str(path), path, data, image, {"bytes": data, "path": None}, *mappings]
    first, *others = (pixels(form) for form in forms)
    assert all((other == first).all() for other in others)


def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same():
    large = Image.fromarray(RNG.integers(0, 256, (8, 8, 3), np.uint8)).resize((1600, 1200))
    data = as_bytes(large, "jpeg", quality=95)
    small = use(data, "RGB", (100, 100), lambda image: image)
    assert small.size == (400, 300)
    whole = use(data, "RGB", None, lambda image: image)
    assert whole.size == (1600, 1200)
    difference = np.asarray(small.resize((100, 75)), int) - np.asarray(whole.resize((100, 75)), int)
    assert np.abs(difference).mean() < 2


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the file is empty"),
        (b"no picture at all", "not a readable image"),
        (as_bytes(Image.fromarray(COLOURS), "jpeg")[:-200], "truncated"),
        (as_bytes(Image.fromarray(COLOURS))[:-200], "truncated"),
        (5, "not int"),
    ],
)
def test_what_is_no_whole_picture_says_why(data, why):
    with pytest.raises(UnreadableError, match=why):
        use(data, "RGB", None, np.asarray)
    assert why in str(look_at(data).fault)


def test_files_that_are_empty_or_not_there(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    assert look_at(str(tmp_path / "a.png")).fault == "the file is empty"
    assert look_at(str(tmp_path / "b.png")).fault == "there is no such file"


@pytest.mark.parametrize("side", [9500, 20000])
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(side):
    bomb = as_bytes(Image.new("1", (side, side)))  # some kilobytes
    assert "pixels" in str(look_at(bomb).fault)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "pixels" in str(look_at(bomb).fault)


def test_likeness_is_of_what_is_seen():
    image = bar("lying", RNG)
    same = [look_at(as_bytes(image, form)).likeness for form in ("png", "bmp", "tiff")]
    assert len(set(same)) == 1
    assert look_at(as_bytes(bar("lying", RNG))).likeness not in same


def test_unreadable_ones_of_a_batch_are_all_named():
    good = as_bytes(bar("lying", RNG))
    given = [good, {"bytes": b"", "path": "x.png"}, good, b"no"]
    with pytest.raises(DataError) as caught:
        use_all(given, "RGB", None, np.asarray)
    assert str(caught.value).count("\n") >= 1
    assert "x.png: the file is empty" in str(caught.value)
    assert "image 4: not a readable image" in str(caught.value)


def test_without_pillow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UserError, match=r"toolkit\[vision\]"):
        require_pillow()
