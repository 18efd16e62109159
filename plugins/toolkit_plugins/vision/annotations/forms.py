"""What the readers of annotation files hand on: images, their objects, and what was odd."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.errors import Fault
from toolkit.utils.text import counted, listing
from toolkit_plugins.vision.annotations.headers import Header, Point
from toolkit_plugins.vision.images import SUFFIXES

Box = tuple[float, float, float, float]
SHOWN = 5  # names in a note or an error
MOST_FAULTS = 20
MOST_LOST = 0.5  # share of images or objects that cannot be used, above which all is wrong


@dataclass
class Thing:
    """An object of an image.

    box: left, top, right and bottom edge, in pixels or fractions of the image (see `Item.unit`).
    area: of its segment, in square pixels; None is that of the box. shape: polygons (lists of x, y,
    x, y, ... in the unit of the box), an RLE of COCO, or None.
    """

    label: str
    box: Box
    crowd: bool = False
    area: float | None = None
    shape: Any = None


@dataclass
class Item:
    """An image and its objects.

    image: a path, or any cell of a column of files. name: as messages call it. size: width and
    height that its annotation states. fractions: whether boxes are fractions of width and height.
    header: of the image, once it is `measured`; None where it cannot be read.
    """

    image: Any
    name: str
    things: list[Thing] = field(default_factory=list)
    size: tuple[int, int] | None = None
    fractions: bool = False
    header: Header | None = None
    measured: bool = False


class Tally:
    """Counts of odd things, each with the names of some images that have them."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = defaultdict(int)
        self._names: dict[str, dict[str, None]] = defaultdict(dict)

    def add(self, what: str, name: str = "", count: int = 1) -> None:
        """Count something; `what` goes on after the number ("boxes of no width removed")."""
        if not count:
            return
        self._counts[what] += count
        if name and len(self._names[what]) <= SHOWN:
            self._names[what][name] = None

    def update(self, other: Tally) -> None:
        """Add the counts of another tally."""
        for what, count in other._counts.items():
            self._counts[what] += count
            self._names[what] |= other._names[what]

    def __getitem__(self, what: str) -> int:
        return self._counts.get(what, 0)

    def notes(self) -> list[str]:
        """Return a line for each: its number, what it is, and up to five names."""
        found = []
        for what, count in self._counts.items():
            names = list(self._names[what])
            more = ", ..." if len(names) > SHOWN else ""
            shown = f" ({', '.join(names[:SHOWN])}{more})" if names else ""
            found.append(f"{counted(count, what)}{shown}")
        return found


class Faults:
    """Faults of a file by kind: a message for each, with the first places that have it."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, file: object, place: str, what: str) -> None:
        """Add a place of a file (may be "") where something is wrong."""
        self._places[str(file), what].append(place)

    def update(self, other: Faults) -> None:
        """Add the faults of others."""
        for key, places in other._places.items():
            self._places[key] += places

    def __bool__(self) -> bool:
        return bool(self._places)

    def list(self) -> list[Fault]:
        """Return them for an error, at most `MOST_FAULTS`."""
        found = []
        for (file, what), places in self._places.items():
            named = [place for place in places if place]
            shown = ", ".join(named[:SHOWN])
            more = f" and {len(named) - SHOWN:,} more" if len(named) > SHOWN else ""
            found.append(Fault(", ".join(filter(None, [file, shown + more])), what))
        if len(found) > MOST_FAULTS:
            left = len(found) - MOST_FAULTS
            found[MOST_FAULTS:] = [Fault("", f"and {left:,} more kinds of faults")]
        return found


@dataclass
class Found:
    """What files of one format hold.

    form: its name. splits: split -> images; "" where no split is named. notes: on the whole.
    tallies: by split. unsettled: images whose boxes are still in an unknown convention.
    """

    form: str
    splits: dict[str, list[Item]] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    unsettled: list[Item] = field(default_factory=list)

    def add(self, split: str, items: Iterable[Item]) -> None:
        """Add images to a split."""
        self.splits.setdefault(split, []).extend(items)

    def merge(self, other: Found) -> None:
        """Add what other files hold."""
        for split, items in other.splits.items():
            self.add(split, items)
        for split, tally in other.tallies.items():
            self.tallies[split].update(tally)
        self.files += other.files
        self.unsettled += other.unsettled
        self.notes += [note for note in other.notes if note not in self.notes]
        self.faults.update(other.faults)

    def as_one(self, split: str) -> Found:
        """Return the same with all images in one split."""
        items = [item for there in self.splits.values() for item in there]
        found = Found(self.form, {split: items}, self.files, self.notes, self.faults)
        found.unsettled = self.unsettled
        for tally in self.tallies.values():
            found.tallies[split].update(tally)
        return found


@dataclass(frozen=True)
class Wanted:
    """What is asked of the readers.

    labelled: whether objects are needed. shapes: whether their outlines are. images: a folder to
    look for images, too. convention: of boxes, where it is not the usual one of a format, or the
    format leaves it open.
    """

    labelled: bool = True
    shapes: bool = False
    images: Path | None = None
    convention: str | None = None


def number(value: Any) -> float | None:
    """Return a number, also one in a text (NaN too); None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def numbers(values: Any, count: int | None = None) -> list[float] | None:
    """Return a list of numbers (of that length); None where it is none."""
    if isinstance(values, str | Mapping) or not hasattr(values, "__iter__"):
        return None
    found = [number(value) for value in values]
    if any(value is None for value in found) or (count is not None and len(found) != count):
        return None
    return [value for value in found if value is not None]


def size_of(width: Any, height: Any) -> tuple[int, int] | None:
    """Return a size that an annotation states; None where it is none (many tools write 0)."""
    found = number(width), number(height)
    if any(side is None or not 1 <= side < 1e7 for side in found):
        return None
    return int(found[0] or 0), int(found[1] or 0)


def around(points: Iterable[Point]) -> Box:
    """Return the box around points."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def pairs(flat: Sequence[float]) -> list[Point]:
    """Return x, y, x, y, ... as points."""
    return list(zip(flat[::2], flat[1::2], strict=True))


def beside(used: Iterable[Path], stems: Container[str]) -> list[Path]:
    """Return other images in the folders of those that are annotated: they have no objects.

    Args:
        stems: of annotation files: a.png beside a.jpg and a.xml is no other image.
    """
    known = set(used)
    return [
        path
        for folder in sorted({image.parent for image in known})
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES
        and path not in known
        and path.stem not in stems
        and not path.name.startswith(".")
    ]


def names_alike(labels: Iterable[str]) -> list[str]:
    """Return a note for classes whose names differ only in case or blanks."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in sorted(set(labels)):
        groups["".join(label.lower().split())].append(label)
    return [
        f"{' and '.join(map(repr, group))} are {len(group)} classes: their names differ only in "
        "case or blanks"
        for group in groups.values()
        if len(group) > 1
    ]


def listed(labels: Iterable[str]) -> str:
    """Return names of classes for a note."""
    return listing(sorted(set(labels)), 20)
