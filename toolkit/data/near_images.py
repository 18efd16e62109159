"""Images that are nearly equal: saved again, in another size or format.

A difference hash of 56 bits finds candidates, and the small grey image, value by value, decides:
digits of 8 x 8 pixels, X-rays and blank pages have equal hashes and are different images.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xxhash

SIDE = 16  # pixels of a grey thumbnail
NOISE = 4  # grey values between neighbours that are no difference
BITS = 4  # that two hashes may differ in
APART = 24  # grey values that a pixel of two thumbnails may differ by, at most
LEAST, SHARE = 2, 4  # of them, and this part of an image's contrast: of faint images, fewer
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
        contrast = np.ptp(thumbnails, axis=1) if len(thumbnails) else np.zeros(0, np.uint8)
        self.allowed = np.minimum(APART, LEAST + contrast // SHARE)

    def among(self, others: ImageSketches) -> Bools:
        """Return one bool per row: whether it is nearly equal to one of the other rows."""
        (mine, places), (theirs, _) = self._distinct(), others._distinct()
        found = np.zeros(len(mine.hashes), bool)
        for start in range(0, len(found), BLOCK):
            rows = slice(start, start + BLOCK)
            differ = np.bitwise_count(mine.hashes[rows, None] ^ theirs.hashes)
            here, there = np.nonzero(differ <= BITS)
            for pixels in (SAMPLE, slice(None)):
                one, other = mine.thumbnails[start + here, pixels], theirs.thumbnails[there, pixels]
                # uint8 wraps; the larger minus the smaller does not.
                apart = (np.maximum(one, other) - np.minimum(one, other)).max(1, initial=0)
                close = apart <= mine.allowed[start + here]
                here, there = here[close], there[close]
            found[start + here] = True
        return np.asarray(found[places])

    def _distinct(self) -> tuple[ImageSketches, Any]:
        """Return each thumbnail once, and where those of the rows are among them."""
        keys = np.fromiter(map(xxhash.xxh3_64_intdigest, self.thumbnails), np.uint64)
        _, first, places = np.unique(keys, return_index=True, return_inverse=True)
        return ImageSketches(self.thumbnails[first]), places
