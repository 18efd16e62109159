"""Lines of YOLO: class, centre, width and height, or a polygon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from toolkit.utils.text import listing
from toolkit_plugins.vision.annotations.forms import Box, Item, Tally, Thing, around, numbers, pairs

PIXELS = 1.5  # from which on a value is no rounded fraction, but a pixel


class Names:
    """The names of classes by number; without them the numbers are the names."""

    def __init__(self, names: Mapping[int, str] | None) -> None:
        self.names = names

    def __getitem__(self, number: int) -> str | None:
        return str(number) if self.names is None else self.names.get(number)


def thing_of(
    words: Sequence[str], names: Names, item: Item, tally: Tally, keypoints: bool
) -> tuple[Thing | None, str]:
    """Return the object of a line, or what is wrong with it."""
    values = numbers(words)
    if values is None or not values[0].is_integer():
        return None, (f"{' '.join(words)[:60]!r}: a number of a class and 4 numbers are expected "
                      "(centre x, centre y, width, height)")  # fmt: skip
    label = names[int(values[0])]
    if label is None:
        known = names.names or {}
        shown = listing([f"{number}: {name}" for number, name in known.items()], 20)
        return None, f"class {int(values[0])} is none of the names. Known: {shown}"
    rest = values[1:]
    if keypoints and len(rest) > 4:
        rest = rest[:4]
    if len(rest) == 5 or (len(rest) > 6 and len(rest) % 2):
        tally.add("lines have a confidence behind the box: it is not used", item.name)
        rest = rest[:-1]
    if len(rest) != 4 and (len(rest) < 6 or len(rest) % 2):
        return None, f"has {len(words)} numbers: 5 are expected, or a class and a polygon"
    if any(abs(value) > PIXELS for value in rest):
        return None, (f"{max(rest, key=abs):g} is no fraction of the image: YOLO's numbers are "
                      "between 0 and 1, and these look like pixels")  # fmt: skip
    if len(rest) > 4:
        tally.add("lines with a polygon: their boxes are used", item.name)
        return Thing(label, around(pairs(rest)), shape=[rest]), ""
    return Thing(label, _edges(rest)), ""


def _edges(rest: Sequence[float]) -> Box:
    x, y, width, height = rest
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2
