"""The check of all image files before training: unreadable ones, tiny ones, and duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolkit.errors import Fault
from toolkit_plugins.vision.images import in_threads, look_at, name_of

if TYPE_CHECKING:
    import datasets

WINDOW = 512  # images that are decoded together
NAMED = 20  # unreadable files that are named
TINY = 8  # pixels a side


@dataclass
class ImageCheck:
    """likeness: a text per row, equal for duplicates. broken: unreadable rows, and their faults.

    tiny: how many images have fewer than TINY pixels a side.
    """

    likeness: list[str] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    tiny: int = 0


def check(rows: datasets.Dataset, column: str, split: str) -> ImageCheck:
    """Decode every image of a split once."""
    found = ImageCheck()
    only = rows.select_columns([column])
    for start in range(0, len(rows), WINDOW):
        values = only[start : start + WINDOW][column]
        for place, look in enumerate(in_threads(look_at, values), start):
            found.likeness.append(look.likeness or f"row {place} of {split}")
            if look.fault is not None:
                name = name_of(values[place - start], f"{split} row {place + 1}")
                found.broken.append(place)
                found.faults.append(Fault(name, look.fault))
            elif 0 < min(look.width, look.height) < TINY:
                found.tiny += 1
    return found


def capped(faults: Sequence[Fault], split: str) -> list[Fault]:
    """Return the first faults, how many more there are, and how to skip such images."""
    more = len(faults) - NAMED
    rest = [Fault(split, f"{more:,} more images cannot be read")] if more > 0 else []
    hint = Fault("options.on_corrupt", "skip leaves such images out, and counts them")
    return [*faults[:NAMED], *rest, hint] if faults else []
