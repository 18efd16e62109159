"""The check of all image files before training: unreadable ones, tiny ones, and duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolkit.errors import Fault
from toolkit.utils.text import counted
from toolkit_plugins.vision.images import Levels, in_threads, look_at, name_of, usual_levels

if TYPE_CHECKING:
    import datasets

WINDOW = 512  # images that are decoded together
NAMED = 20  # unreadable files that are named
TINY = 8  # pixels a side
Deep = tuple[float, float, bool]  # least, largest, whether they are floating-point numbers


@dataclass
class ImageCheck:
    """likeness: a text per row, equal for duplicates. thumbnails: grey values of each row.

    broken: unreadable rows, and their faults. tiny: how many images have fewer than TINY pixels a
    side. deep: how many have more than 8 bits. levels: the least and largest of their values, and
    whether some are floating-point.
    """

    likeness: list[str] = field(default_factory=list)
    thumbnails: list[bytes] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    tiny: int = 0
    deep: int = 0
    levels: Deep | None = None


def check(rows: datasets.Dataset, column: str, split: str) -> ImageCheck:
    """Decode every image of a split once."""
    found = ImageCheck()
    only = rows.select_columns([column])
    for start in range(0, len(rows), WINDOW):
        values = only[start : start + WINDOW][column]
        for place, look in enumerate(in_threads(look_at, values), start):
            found.likeness.append(look.likeness or f"row {place} of {split}")
            found.thumbnails.append(look.thumbnail)
            if look.fault is not None:
                name = name_of(values[place - start], f"{split} row {place + 1}")
                found.broken.append(place)
                found.faults.append(Fault(name, look.fault))
            elif 0 < min(look.width, look.height) < TINY:
                found.tiny += 1
            if look.deep is not None:
                found.deep += 1
                found.levels = widest(found.levels, look.deep)
    return found


@dataclass
class DeepImages:
    """The images of all splits that have more than 8 bits: how many, and the range of values."""

    count: int = 0
    range: Deep | None = None

    def add(self, found: ImageCheck) -> None:
        """Add those of a split."""
        self.count += found.deep
        self.range = widest(self.range, found.levels)

    def levels(self, given: Levels | None) -> Levels | None:
        """Return the values that are black and white, as given or by the range; None without."""
        return given or (usual_levels(*self.range) if self.range else None)

    def notes(self, given: Levels | None) -> list[str]:
        """Return a note on how they are scaled."""
        found = self.levels(given)
        if not self.range or not found:
            return []
        least, largest, _ = self.range
        what = f"images have more than 8 bits a pixel, from {least:g} to {largest:g}"
        values = counted(self.count, what)
        return [f"{values}: {found[0]:g} is black and {found[1]:g} white (options.levels)"]


def widest(one: Deep | None, other: Deep | None) -> Deep | None:
    """Return the range of the values of both."""
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), max(one[1], other[1]), one[2] or other[2]


def capped(faults: Sequence[Fault], split: str) -> list[Fault]:
    """Return the first faults, how many more there are, and how to skip such images."""
    more = len(faults) - NAMED
    rest = [Fault(split, f"{more:,} more images cannot be read")] if more > 0 else []
    hint = Fault("options.on_corrupt", "skip leaves such images out, and counts them")
    return [*faults[:NAMED], *rest, hint] if faults else []
