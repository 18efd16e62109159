"""What plugins show of a row: stored small, drawn, and escaped."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from toolkit.plugin_types import (
    Box,
    MarkedImage,
    MarkedText,
    PredictionFile,
    Series,
    SideBySide,
    Sound,
    Span,
)
from toolkit.reporting import shown

HOSTILE = "<script>alert(1)</script>"


def page(*parts):
    return str(shown.html(shown.stored(parts), "key"))


def pixels(part):
    (stored,) = shown.stored([part])
    assert stored.data.startswith("data:image/jpeg;base64,")
    file = io.BytesIO(base64.b64decode(stored.data.partition(",")[2]))
    return np.asarray(Image.open(file).convert("RGB")).astype(int)


def orange(image):
    return (image[..., 0] > 150) & (image[..., 2] < 90)


def blue(image):
    return (image[..., 2] > 130) & (image[..., 0] < 90)


def test_spans_are_marked_with_their_labels_at_their_end():
    text = MarkedText("Anna met Bob Ross.", [
        Span(0, 4, "person"), Span(0, 4, "person", actual=True),
        Span(9, 12, "person"), Span(9, 17, "painter", actual=True),
    ])  # fmt: skip
    found = page(text)
    assert '<mark class="predicted actual">Anna<small> person</small></mark>' in found
    assert '<mark class="predicted actual">Bob<small> predicted person</small></mark>' in found
    assert '<mark class="actual"> Ross<small> actual painter</small></mark>.' in found


def test_texts_of_others_mark_up_nothing():
    found = page(HOSTILE, MarkedText(HOSTILE, [Span(0, 8, HOSTILE)]))
    assert "<script" not in found


def test_texts_stand_beside_each_other_each_in_its_direction_and_escaped():
    found = page(SideBySide({"source": HOSTILE, HOSTILE: MarkedText("a b", [Span(2, 3)])}))
    assert found.startswith('<div class="beside"><div><p class="tag">source</p>')
    assert found.count('dir="auto"') == 2
    assert '<mark class="predicted">b</mark>' in found
    assert "<script" not in found


def test_a_long_text_is_cut_and_says_so():
    assert "…" in page(MarkedText("a" * 3000, [Span(2990, 2999)]))


def test_a_span_outside_of_the_text_marks_what_there_is():
    assert "<mark" not in page(MarkedText("ab", [Span(5, 9, "x")]))
    assert ">b<" in page(MarkedText("ab", [Span(1, 9, "x")]))


def test_boxes_are_drawn_where_they_are_in_pixels_of_the_image():
    image = Image.new("RGB", (640, 320), "white")
    boxes = [Box(64, 64, 192, 192, "cat"), Box(320, 64, 576, 256, actual=True)]
    found = pixels(MarkedImage(image, boxes))
    assert found.shape == (160, 320, 3)  # half the size
    assert orange(found)[32:97, 31:34].mean() > 0.3
    assert not orange(found)[:, 110:].any()
    assert blue(found)[32:129, 158:163].any()


def test_masks_stand_side_by_side():
    file, mask = io.BytesIO(), np.zeros((20, 20), np.uint8)
    mask[:10] = 1
    Image.fromarray(mask).save(file, "PNG")
    actual = np.zeros((20, 20), np.uint8)
    white = Image.new("RGB", (20, 20), "white")
    found = pixels(
        MarkedImage(white, mask=PredictionFile(".png", file.getvalue()), actual_mask=actual)
    )
    assert found.shape == (320, 644, 3)  # tiny images are enlarged
    assert found[32:128, 32:288, 2].mean() < 200 < found[192:288, 32:288, 2].mean()
    assert found[32:128, 360:630].min() > 200


def test_the_classes_of_masks_are_named_in_their_colours_beneath():
    mask = np.zeros((320, 60), np.uint8)
    mask[:160], mask[160:, :9] = 1, 2
    white = Image.new("RGB", (60, 320), "white")
    names = {1: "road", 2: "sky", 3: "nowhere"}
    bare = pixels(MarkedImage(white, mask=mask))
    named = pixels(MarkedImage(white, mask=mask, names=names))
    assert bare.shape == (320, 60, 3)
    assert named.shape[0] > 320 + 2 * 14  # so narrow that each name has a line
    assert orange(named)[322:336, 2:12].mean() > 0.5
    assert blue(named)[336:350, 2:12].mean() > 0.5
    assert named.shape[0] < 320 + 3 * 14  # and none for a class that is not there
    both = pixels(MarkedImage(white, mask=mask, actual_mask=mask, names=names))
    assert both.shape[1] == 124
    assert (both[320:334, :62] < 100).any()  # "predicted"
    assert (both[320:334, 62:] < 100).any()  # "actual"
    assert pixels(MarkedImage(white, mask=mask * 0, names=names)).shape == (320, 60, 3)


def test_more_classes_have_colours_of_their_own():
    mask = np.kron(np.arange(1, 13, dtype=np.uint8).reshape(3, 4), np.ones((20, 20), np.uint8))
    found = pixels(MarkedImage(Image.new("RGB", (80, 60), "white"), mask=mask))
    middles = found[40::80, 40::80].reshape(-1, 3).astype(int)
    apart = np.abs(middles[:, None] - middles[None]).sum(-1) + 999 * np.eye(12)
    assert apart.min() > 20


def test_an_image_on_its_side_is_shown_upright():
    image, file = Image.new("RGB", (40, 20), "white"), io.BytesIO()
    exif = image.getexif()
    exif[0x0112] = 6  # turned by 90 degrees
    image.save(file, "JPEG", exif=exif)
    cell = {"bytes": file.getvalue(), "path": None}
    assert pixels(MarkedImage(cell)).shape == (320, 160, 3)


def test_a_sound_can_be_played_unless_it_is_large():
    found = page(Sound(PredictionFile(".wav", b"RIFF")))
    assert '<audio controls preload="none" src="data:audio/x-wav;base64,' in found
    assert "(.wav of 500,000 bytes)" in page(Sound(PredictionFile(".wav", bytes(500_000))))
    assert "(.exe of 4 bytes)" in page(Sound(PredictionFile(".exe", b"MZ  ")))


def test_a_series_is_drawn_with_its_gaps():
    lines = {"past": (0, [1.0, 2.0]), "predicted": (2, [float("nan"), 3.0])}
    found = page(Series(lines))
    assert found.startswith("<svg")
    assert "predicted" in found
    apart = str(shown.html(shown.stored([Series(lines)]), "key", page=False))
    assert apart.startswith('<img src="data:image/svg+xml;base64,')


def test_what_cannot_be_shown_is_named():
    with pytest.raises(TypeError, match="show returned int: it takes str, MarkedText"):
        shown.stored([7])


@pytest.mark.parametrize("data", ["javascript:alert(1)", 'data:image/png;base64,"onload', "x"])
def test_stored_data_is_an_image_or_a_sound(data):
    with pytest.raises(ValidationError):
        shown.Part(kind="image", data=data)
