"""A budget of pixels: for all images that this process decodes or resizes at the same time.

A file of some hundred bytes may hold a hundred million pixels, and one that is a pixel high becomes
large when its shorter side is enlarged.
"""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MOST_PIXELS = 89_478_485  # of one image: Pillow's own limit, a quarter of a gigabyte in colours
AT_ONCE = MOST_PIXELS  # of all images in work: at most some ten bytes each
SMALL = 1 << 24  # pixels between the two passes of a resize that need no care


class PixelBudget:
    """Pixels that threads may work on at the same time; who needs more waits for others.

    Args:
        most: of all together; one alone may have more.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._used, self._changed = 0, threading.Condition()

    @contextmanager
    def spend(self, pixels: int) -> Iterator[None]:
        """Hold pixels of the budget; not to be nested in one thread."""
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + pixels <= self.most)
            self._used += pixels
        try:
            yield
        finally:
            with self._changed:
                self._used -= pixels
                self._changed.notify_all()

    def renew(self) -> None:
        """Forget what threads hold that a forked process does not have."""
        self._used, self._changed = 0, threading.Condition()


BUDGET = PixelBudget(AT_ONCE)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=BUDGET.renew)


def pixels_of(content: bytes) -> int:
    """Return the pixels of an image file by its header; 0 for what Pillow cannot open."""
    try:
        from PIL import Image
    except ImportError:  # then nothing decodes it either
        return 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                return int(image.width * image.height)
    except Image.DecompressionBombError:
        return 2 * MOST_PIXELS
    except Exception:  # decoders raise whatever their formats raise
        return 0


@contextmanager
def room_for(image: Image, about: tuple[int, int] | None = None) -> Iterator[None]:
    """Hold what an opened image takes of the budget while it is decoded and resized.

    Args:
        about: as `decoded_pixels` takes it.

    Raises:
        ValueError: it has more than MOST_PIXELS.
    """
    if image.width * image.height > MOST_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels are too many")
    with BUDGET.spend(decoded_pixels(image, about)):
        yield


def decoded_pixels(image: Image, about: tuple[int, int] | None) -> int:
    """Return the pixels that an opened image takes once it is decoded.

    Args:
        about: (width, height) that is wanted: a larger jpeg is set to be decoded to the nearest
            eighth of its size that is at least double that, which is several times faster.
    """
    whole = int(image.width * image.height)
    if about is None or image.format != "JPEG":
        return whole
    image.draft(None, (2 * about[0], 2 * about[1]))  # None: the mode stays
    # The coefficients of a progressive one are all held, at whatever size it is decoded.
    return whole if image.info.get("progressive") else int(image.width * image.height)


def resized(image: Any, size: Sequence[int], resample: Any, box: Any = None) -> Any:
    """Resize an image, or a box of it (left, top, right, bottom), without a large one between.

    Pillow resizes widths first, so that of a high, narrow image an intermediate one of the new
    width and the old height is made; such are averaged down first.
    """
    gap = 2.0 if size[0] * image.height > SMALL else None
    return image.resize(size, resample, box, reducing_gap=gap)
