"""Images that are nearly equal: saved again, in another size or format.

A difference hash of 56 bits finds candidates, and the small grey image, value by value, decides:
digits of 8 x 8 pixels, X-rays and blank pages have equal hashes and are different images.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SIDE = 16  # pixels of a grey thumbnail
NOISE = 4  # grey values between neighbours that are no difference
BITS = 4  # that two hashes may differ in
APART = 24  # grey values that a pixel of two thumbnails may differ by
BLOCK = 64  # rows that are compared at a time with all others
SAMPLE = slice(None, None, 37)  # of a thumbnail's pixels, compared first

Bools = np.ndarray[Any, np.dtype[np.bool_]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]


class ImageSketches:
    """Thumbnails of rows, and their hashes.

    Args:
        thumbnails: grey values, shape (rows, 256).
    """

    def __init__(self, thumbnails: Bytes) -> None:
        self.thumbnails = thumbnails
        cells = thumbnails.reshape(-1, SIDE // 2, 2, SIDE // 2, 2).mean((2, 4), np.float32)
        bits = np.zeros((len(thumbnails), SIDE // 2, SIDE // 2), bool)
        bits[:, :, 1:] = cells[:, :, 1:] > cells[:, :, :-1] + NOISE
        packed = np.packbits(bits.reshape(len(thumbnails), -1), axis=1)
        self.hashes = packed.view(np.uint64).reshape(-1)

    def among(self, others: ImageSketches) -> Bools:
        """Return one bool per row: whether it is nearly equal to one of the other rows."""
        one, places = np.unique(self.thumbnails, axis=0, return_inverse=True)
        mine, theirs = ImageSketches(one), ImageSketches(np.unique(others.thumbnails, axis=0))
        found = np.zeros(len(one), bool)
        for start in range(0, len(one), BLOCK):
            rows = slice(start, start + BLOCK)
            differ = np.bitwise_count(mine.hashes[rows, None] ^ theirs.hashes)
            here, there = np.nonzero(differ <= BITS)
            for pixels in (SAMPLE, slice(None)):
                close = _close(one[rows][here, pixels], theirs.thumbnails[there, pixels])
                here, there = here[close], there[close]
            found[start + here] = True
        return np.asarray(found[places])


def _close(one: Bytes, other: Bytes) -> Bools:
    # uint8 wraps; the larger minus the smaller does not.
    return np.asarray((np.maximum(one, other) - np.minimum(one, other) <= APART).all(1))
