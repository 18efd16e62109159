"""Small files that become large pictures: decoded, resized, many at once, in every processor."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import transformers
from attacks.limited import within
from image_rows import as_bytes
from PIL import Image
from toolkit_plugins.vision.image_processing import View
from toolkit_plugins.vision.images import look_at, use

from toolkit.utils.pictures import PixelBudget, pixels_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
PROCESSORS = {
    "both sides": lambda: transformers.ViTImageProcessorPil(),
    "the shorter side, then cut": lambda: transformers.CLIPImageProcessorPil(),
    "as the processor does it": lambda: transformers.ConvNextImageProcessorPil(
        size={"shortest_edge": 224}
    ),
}


@pytest.fixture(scope="module", params=PROCESSORS)
def view(request):
    return View.of(PROCESSORS[request.param](), 3)


@pytest.mark.parametrize("size", [(14_000, 1), (1, 14_000), (1, 5_000_000), (5_000_000, 1)])
def test_a_long_narrow_picture_does_not_become_a_large_one(view, size):
    content = as_bytes(Image.new("L", size, 128))

    def seen():
        found = view.canvases([content])
        assert abs(found.astype(int) - 128).max() <= 1

    within(700, seen)


def test_duplicates_are_sought_in_a_high_picture_without_a_large_one_between():
    content = as_bytes(Image.new("L", (1, 30_000_000)))
    within(400, lambda: look_at(content).fault is None or pytest.fail("it is whole"))


def test_many_large_pictures_are_decoded_within_the_budget_of_one(view):
    content = as_bytes(Image.new("1", (8000, 6000)))  # some kilobytes
    within(900, lambda: view.canvases([content] * 6))


def test_one_with_transparency_takes_little_more_than_its_pixels():
    values = Image.new("LA", (8000, 8000), (10, 0))
    content = as_bytes(values)
    within(800, lambda: use(content, "RGB", None, lambda image: image.getpixel((1, 1))))


@pytest.mark.parametrize("size", [(3000, 9), (9, 3000), (700, 500)])
def test_what_is_cut_out_alone_is_what_would_be_cut_out(size):
    from toolkit_plugins.vision import image_processing

    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, size[::-1], np.uint8))
    given = (image, 224, 224, Image.Resampling.BICUBIC)
    before = np.asarray(image_processing._middle_at(*given), int)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_processing, "SMALL", 0)
        found = np.asarray(image_processing._middle_at(*given), int)
    assert np.abs(found - before).mean() < 1  # where the box begins is rounded


def test_who_needs_more_pixels_than_are_left_waits():
    budget, together, most = PixelBudget(100), [], []
    lock = threading.Lock()

    def work(pixels):
        with budget.spend(pixels):
            with lock:
                together.append(pixels)
                most.append(sum(together))
            time.sleep(0.002)
            with lock:
                together.remove(pixels)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [60, 50, 40, 30, 90, 10] * 5))
    assert 90 < max(most) <= 100
    work(1000)  # alone, one may take more


def test_pixels_are_counted_by_the_header():
    assert pixels_of(as_bytes(Image.new("1", (30, 20)))) == 600
    assert pixels_of(as_bytes(Image.new("1", (9500, 9500)))) == 9500**2
    assert pixels_of(as_bytes(Image.new("1", (20_000, 20_000)))) > 10**8
    assert pixels_of(b"no picture") == pixels_of(b"") == 0
