"""Values of masks as classes, where nothing says what they mean: ids, greys, colours.

255 is ignored, or the foreground; grey values between two clusters are edges that were blurred;
values without flat places are photos; 1 to n in each image are numbers of objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing
from toolkit_plugins.vision.masks.canonical import IGNORED, MOST_CLASSES
from toolkit_plugins.vision.masks.known import KnownMasks, Range, shown
from toolkit_plugins.vision.masks.legends import Legend
from toolkit_plugins.vision.masks.survey import Survey

BINARY = ("background", "foreground")
NAME_IT = "options.classes"
BETWEEN = 0.25  # share of pixels between two greys, above which a mask is none of two classes
ELSEWHERE = 0.02  # share of pixels in flat places between two greys, likewise
NEAR = 24  # grey values around a cluster's own
MOST_SCALED = 16  # classes that may be spread evenly over 0 to 255
PNG = ("Save masks as png (or another lossless format), and resize them with nearest-neighbour "
       "interpolation.")  # fmt: skip


@dataclass
class Decision:
    """How masks are read, and what is told of it."""

    known: KnownMasks
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Question:
    """The masks of a split, and what the options and a file beside them say.

    ignore: numbers, colours or names of classes that are ignored; None leaves it to the data.
    """

    masks: Survey
    legend: Legend | None
    ignore: Sequence[Any] | None
    where: str

    @property
    def given(self) -> bool:
        """Whether options say what is ignored."""
        return self.ignore is not None


def of_colours(
    asked: Question, legend: Legend | None, values: list[int], ignored: list[int]
) -> Decision:
    """Read colours without a legend: each is a class, in the order of their numbers."""
    masks = asked.masks
    edges = [value for value in values if not masks.solid(value)]
    if len(values) > MOST_CLASSES or (
        len(edges) >= 8 and len(edges) > 2 * (len(values) - len(edges))
    ):
        raise DataError(Fault(asked.where, _too_many(asked, values, edges, "colours")))
    names = [shown(value, True) for value in values]
    notes = [f"{len(values)} colours of masks are classes"]
    if legend is not None:
        what = (f"names classes without colours, but the masks have colours ({listing(names, 8)}): "
                f"--set 'options.classes={{name: \"{names[0]}\", ...}}'")  # fmt: skip
        if legend.is_given:
            raise DataError(Fault(legend.where, what))
        notes.append(f"{legend.where} is not used: it {what}")
    if len(values) == 2 and values[0] == 0:
        names = list(BINARY)
        notes = [f"two colours: #000000 is background, {shown(values[1], True)} foreground"]
    elif legend is None:
        notes[0] += f" called by them, as no legend is there ({NAME_IT}: {{name: '#rrggbb'}})"
    single = tuple(((value, value),) for value in values)
    return Decision(KnownMasks(tuple(names), single, tuple(ignored), True), notes)


def of_greys(
    asked: Question, legend: Legend | None, values: list[int], ignored: list[int]
) -> Decision:
    """Read ids, two greys, or blurred greys."""
    masks = asked.masks
    edges = [value for value in values if not masks.solid(value)]
    if masks.fractions:
        return _fractions(asked, legend, ignored)
    blurred = masks.lossy > 0 and len(values) > 2
    high = [value for value in values if 255 - NEAR < value < 255]
    blurred |= bool(high) and IGNORED in values and len(values) <= values[-1]  # 0, 254, 255
    if not blurred and len(edges) > 1:
        solid = [value for value in values if value not in edges]
        ends = bool(solid) and all(v <= NEAR or v >= 255 - NEAR for v in solid)
        between = all(v > NEAR for v in edges) and max(values) > 255 - NEAR
        many = len(edges) >= 8 and len(edges) > 2 * len(solid)
        blurred = (
            blurred
            or many
            or (ends and between and max(solid) > NEAR and len(edges) > len(solid) - 1)
        )
    if blurred:
        return _two_clusters(asked, legend, values, edges, ignored)
    if (what := _of_objects(asked, values, legend)) or len(values) > MOST_CLASSES:
        raise DataError(Fault(asked.where, what or _too_many(asked, values, edges, "values")))
    values, ignored, notes = _of_255(asked, values, ignored)
    return _named_ids(asked, legend, values, ignored, notes)


def _many(edges: Sequence[int], values: Sequence[int]) -> bool:
    """Return whether most values have no flat place: they lie on edges that were blurred."""
    return len(edges) >= 8 and len(edges) > 2 * (len(values) - len(edges))


def _too_many(asked: Question, values: list[int], edges: list[int], what: str) -> str:
    """Return the message for masks with more values than classes can have."""
    same = " Are they the images themselves, or the wrong folder?"
    kind = "jpeg files, whose values are blurred" if asked.masks.lossy else "png"
    if len(edges) > 0.5 * len(values):
        says = f"look like photos, or were blurred by jpeg or resizing ({kind})"
        return f"masks have {len(values):,} {what} and {says}.{same} {PNG}"
    return (f"masks have {len(values):,} {what}, more than {MOST_CLASSES} classes. If they number "
            f"objects, join them: {_joined(values)}")  # fmt: skip


def _joined(values: Sequence[int]) -> str:
    return f"--set 'options.classes={{background: 0, object: 1-{max(values)}}}'"


def _fractions(asked: Question, legend: Legend | None, ignored: list[int]) -> Decision:
    """Read fractions from 0 to 1 as probabilities of the foreground."""
    masks, half = asked.masks, 127.5
    unsure = sum(masks.share(value) for value in masks.values if 64 <= value < 192)
    if unsure > 2 * BETWEEN:
        what = (f"masks hold fractions, {unsure:.0%} of which lie between 0.25 and 0.75. Are they "
                "the images themselves? Those of a mask are near 0 and 1.")  # fmt: skip
        raise DataError(Fault(asked.where, what))
    names = _two_names(legend)
    told = (f"masks hold fractions: above 0.5 is {names[1]} ({unsure:.1%} of the pixels lie between "
            "0.25 and 0.75)")  # fmt: skip
    known = KnownMasks(
        names, (((0, 127),), ((128, 255),)), tuple(ignored), threshold=half, fractions=True
    )
    return Decision(known, [told])


def _two_clusters(
    asked: Question, legend: Legend | None, values: list[int], edges: list[int], ignored: list[int]
) -> Decision:
    """Read blurred masks: of two greys, which are told apart at the middle."""
    masks = asked.masks
    weight = {value: masks.flat[value] + masks.pixels[value] / 1e6 for value in values}
    first = max(values, key=lambda value: weight[value])
    far = [value for value in values if abs(value - first) > 2 * NEAR]
    second = max(far, key=lambda value: weight[value]) if far else None
    if second is None or max(values) > 255:
        raise DataError(Fault(asked.where, _too_many(asked, values, edges, "values")))
    low, high = sorted((first, second))
    off = [value for value in values if min(abs(value - low), abs(value - high)) > NEAR]
    between = sum(masks.share(value) for value in off)
    flat = sum(masks.flat[value] for value in off) / max(masks.total, 1)
    if between > BETWEEN or flat > ELSEWHERE:
        raise DataError(Fault(asked.where, _no_clusters(asked, values, edges)))
    names = _two_names(legend)
    middle = (low + high) / 2
    soft = 1 - masks.share(low) - masks.share(high)
    told = (f"masks have grey values between {low} ({names[0]}) and {high} ({names[1]}), as jpeg "
            f"or smoothing makes them: above {middle:g} is {names[1]}. {soft:.1%} of the pixels "
            f"are neither, {between:.1%} far from both")  # fmt: skip
    ranges: tuple[tuple[Range, ...], ...] = (((0, int(middle)),), ((int(middle) + 1, 255),))
    known = KnownMasks(names, ranges, tuple(ignored), threshold=middle)
    return Decision(known, [told])


def _no_clusters(asked: Question, values: list[int], edges: list[int]) -> str:
    """Return the message for grey values that are no two clusters."""
    if len(values) > 64:
        return _too_many(asked, values, values if asked.masks.lossy else edges, "values")
    where = listing(asked.masks.files[edges[0] if edges else values[0]], 3)
    return (
        f"masks have grey values between their classes ({len(values)} values, as in {where}): "
        f"they were saved as jpeg or resized with smoothing, and classes cannot be told. {PNG}"
    )


def _two_names(legend: Legend | None) -> tuple[str, str]:
    if legend is None:
        return BINARY
    if len(legend.names) != 2:
        what = f"names {len(legend.names)} classes, and the masks have two"
        raise DataError(Fault(legend.where, what))
    return legend.names[0], legend.names[1]


def _of_objects(asked: Question, values: list[int], legend: Legend | None) -> str:
    """Return a message where values number the objects of each image, 1 to how many there are."""
    if legend is not None or len(asked.masks.sets) < 8:
        return ""
    counts = {len(own) for own in asked.masks.sets}
    runs = all(own == tuple(range(len(own))) for own in asked.masks.sets)
    if not runs or len(counts) < 5:
        return ""
    return (
        f"masks number the objects of each image (0 to {max(values)}): they are no classes. "
        f"Join them, {_joined(values)}, or name the classes in {NAME_IT} if they are some"
    )


def _of_255(
    asked: Question, values: list[int], ignored: list[int]
) -> tuple[list[int], list[int], list[str]]:
    """Decide whether 255 is a class, or ignored."""
    masks, others = asked.masks, [value for value in values if value != IGNORED]
    if IGNORED not in values:
        return values, ignored, []
    steps = len(values) - 1
    even = 0 < steps <= MOST_SCALED and all(
        abs(value - place * IGNORED / steps) <= 1 for place, value in enumerate(values)
    )
    if asked.ignore is not None and not asked.ignore:
        return values, ignored, []
    if even or (len(others) == 1 and others[0] > 0) or not others:
        if steps < 2:
            return values, ignored, [f"masks have {values[0]} and 255: 255 is the foreground "
                                     f"({masks.share(IGNORED):.1%} of the pixels)"]  # fmt: skip
        return (
            values,
            ignored,
            [f"masks have {some(values, False)}, spread evenly to 255: 255 is a class"],
        )
    note = told_ignored(masks, f"the classes are {some(others, False)}")
    return others, [*ignored, IGNORED], [note]


def told_ignored(masks: Survey, why: str) -> str:
    return (f"255 in masks is ignored ({masks.share(IGNORED):.1%} of the pixels), as {why}: "
            "options.ignore=[] makes it a class")  # fmt: skip


def _named_ids(
    asked: Question, legend: Legend | None, values: list[int], ignored: list[int], notes: list[str]
) -> Decision:
    """Name ids: by a list in their order, or by themselves."""
    binary, kept = len(values) == 2 and values[0] == 0, values
    names = BINARY if binary else tuple(str(value) for value in values)
    if legend is not None:
        count = len(legend.names)
        if not values or max(values) < count:
            names, kept = tuple(legend.names), list(range(count))
            if lacking := [n for place, n in enumerate(names) if place not in values]:
                notes.append(f"classes without a pixel in {asked.where}: {listing(lacking)}")
        elif count == len(values):
            names, kept = tuple(legend.names), values
            notes.append(f"values of masks in their order: {some(values, False)} are "
                         f"{listing(names, 8)}")  # fmt: skip
        else:
            what = f"names {count} classes, but masks have {len(values)}: {some(values, False)}"
            if legend.is_given:
                raise DataError(Fault(legend.where, what + ". 'name: number' says which is which."))
            notes.append(f"{legend.where} is not used: it {what}")
        if names == tuple(legend.names):
            notes.append(f"{len(names)} classes, called by {legend.where}")
    elif binary and not notes:
        notes.append(f"two values of masks: 0 is background, {values[1]} foreground")
    elif not binary and values != list(range(len(values))):
        notes.append(f"values of masks have gaps: the classes are {some(values, False)}")
    single = tuple(((value, value),) for value in kept)
    return Decision(KnownMasks(names, single, tuple(ignored)), notes)


def some(values: Sequence[int], by_colour: bool) -> str:
    return listing([shown(value, by_colour) for value in values], 8)
