"""How masks lie over their images: of another size, or as a camera stored a turned image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from toolkit.errors import DataError, Fault
from toolkit.utils.text import counted, listing
from toolkit_plugins.vision.masks import decoding
from toolkit_plugins.vision.masks.decoding import Size

ASPECT = 0.05  # by which the shapes of a mask and its image may differ, as a share
SHOWN = 5
MOST_LOST = 0.5  # share of masks of another shape, above which the pairs are wrong
OTHER_SHAPE = "a mask of another shape than its image"
UNREADABLE = "a mask that cannot be read"


@dataclass(frozen=True)
class Fit:
    """How a mask is laid over its image: turned as EXIF says (2 to 8), then resized.

    either: the mask fits the image both ways. size: of the upright image, (width, height).
    own: the EXIF orientation of the image.
    """

    size: Size
    turn: int = 1
    either: int = 1
    own: int = 1
    resize: bool = False


def fit_of(mask: Size, image: Any) -> Fit | None:
    """Return how a mask is laid over its image; None if it has another shape."""
    header = decoding.header_of(image)
    if header is None:
        return Fit(mask)
    stored, turn = header
    size = stored[::-1] if turn >= 5 else stored
    if mask == size:
        return Fit(size, either=turn if turn != 1 and mask == stored else 1, own=turn)
    if turn != 1 and mask == stored:
        return Fit(size, turn, own=turn)
    upright, lying = _off(mask, size), _off(mask, stored)
    if min(upright, lying) > ASPECT:
        return None
    return Fit(size, turn if lying < upright and turn >= 5 else 1, own=turn, resize=True)


def _off(mask: Size, image: Size) -> float:
    """Return by which share the proportions differ, where a pixel of rounding does not count."""
    wanted = image[1] * mask[0] / image[0]
    return max(abs(mask[1] - wanted) - 1, 0) / max(wanted, 1)


def ways(
    seen: Sequence[Fit | str | None], names: Sequence[str], split: str
) -> tuple[list[Fit | str | None], list[str], dict[str, int]]:
    """Return the ways once all masks are known, notes, and reason -> rows that are dropped.

    Where masks lie as the camera stored their images, those that fit both ways do so, too.

    Args:
        seen: for each row the way, the reason why it is dropped, or None without a mask.

    Raises:
        DataError: most rows are dropped.
    """
    there = [fit for fit in seen if isinstance(fit, Fit)]
    turned = sum(fit.turn != 1 for fit in there)
    standing = any(fit.own >= 5 and fit.turn == 1 and fit.either == 1 for fit in there)
    unsure = sum(fit.either != 1 for fit in there)
    follow = bool(turned) and not standing
    notes = []
    if resized := sum(fit.resize for fit in there):
        notes.append(f"{resized:,} of {len(there):,} masks have another size than their image, and "
                     "are resized (nearest neighbour)")  # fmt: skip
    if turned:
        what = "masks lie as the camera stored their images: turned as EXIF says"
        notes.append(counted(turned, what))
    if unsure:
        how = "turned with it" if follow else "taken as upright"
        what = f"images are turned by EXIF, and their masks fit both ways: {how}"
        notes.append(counted(unsure, what))
    found = list(seen)
    if follow:
        found = [replace(fit, turn=fit.either, either=1) if isinstance(fit, Fit) and fit.either != 1
                 else fit for fit in seen]  # fmt: skip
    dropped, more = _dropped(seen, names, split)
    return found, [f"masks, {split}: {note}" for note in [*notes, *more]], dropped


def _dropped(
    seen: Sequence[Fit | str | None], names: Sequence[str], split: str
) -> tuple[dict[str, int], list[str]]:
    dropped: dict[str, int] = {}
    notes = []
    for why in dict.fromkeys(fit for fit in seen if isinstance(fit, str)):
        rows = [row for row, fit in enumerate(seen) if fit == why]
        shown = listing((names[row] for row in rows), SHOWN)
        if len(rows) > MOST_LOST * len(seen):
            what = f"{len(rows):,} of {len(seen):,} rows have {why}: {shown}"
            raise DataError(Fault(split, what))
        dropped[why] = len(rows)
        notes.append(f"rows with {why} are left out: {shown}")
    return dropped, notes
