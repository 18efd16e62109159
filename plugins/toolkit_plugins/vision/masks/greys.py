"""Values of masks as classes, where nothing says what they mean: ids, greys, colours.

255 is ignored, or the foreground; grey values between two clusters are edges that were blurred;
values without flat places are photos; 1 to n in each image are numbers of objects.
"""

from __future__ import annotations

from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing
from toolkit_plugins.vision.masks.blurred import NEAR, fractions, of_strays, two_clusters
from toolkit_plugins.vision.masks.canonical import IGNORED, MOST_CLASSES
from toolkit_plugins.vision.masks.known import KnownMasks, shown
from toolkit_plugins.vision.masks.legends import Legend
from toolkit_plugins.vision.masks.questions import (
    BINARY,
    NAME_IT,
    Decision,
    Question,
    joined,
    some,
    told_ignored,
    too_many,
)  # fmt: skip
from toolkit_plugins.vision.masks.survey import Survey

STRAY = 0.001  # share of all pixels, and of those of 255, below which values are no class
STRAY_OF_255 = 0.05
MOST_SCALED = 16  # classes that may be spread evenly over 0 to 255


def of_colours(
    asked: Question, legend: Legend | None, values: list[int], ignored: list[int]
) -> Decision:
    """Read colours without a legend: each is a class, in the order of their numbers."""
    masks = asked.masks
    edges = [value for value in values if not masks.solid(value)]
    if len(values) > MOST_CLASSES or (
        len(edges) >= 8 and len(edges) > 2 * (len(values) - len(edges))
    ):
        raise DataError(Fault(asked.where, too_many(asked, values, edges, "colours")))
    names = [shown(value, True) for value in values]
    notes = [f"{len(values)} colours of masks are classes"]
    binary = len(values) == 2 and values[0] == 0
    if legend is not None and not (binary and len(legend.names) == 2):
        what = (f"names classes without colours, but the masks have colours ({listing(names, 8)}): "
                f"--set 'options.classes={{name: \"{names[0]}\", ...}}'")  # fmt: skip
        if legend.is_given:
            raise DataError(Fault(legend.where, what))
        notes.append(f"{legend.where} is not used: it {what}")
    if binary:
        names = list(BINARY)
        if legend is not None and len(legend.names) == 2:
            names = list(legend.names)
        notes = [f"two colours: #000000 is {names[0]}, {shown(values[1], True)} {names[1]}"]
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
        return fractions(asked, legend, ignored)
    if legend is None and (strays := _strays(masks, values)):
        return of_strays(masks, strays, ignored)
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
        return two_clusters(asked, legend, values, edges, ignored)
    if (what := _of_objects(asked, values, legend)) or len(values) > MOST_CLASSES:
        raise DataError(Fault(asked.where, what or too_many(asked, values, edges, "values")))
    values, ignored, notes = _of_255(asked, values, ignored)
    return _named_ids(asked, legend, values, ignored, notes)


def _strays(masks: Survey, values: list[int]) -> list[int]:
    """Return values of a few single pixels in masks of 0 and 255: a slip of a brush, no class."""
    strays = [value for value in values if value not in (0, IGNORED)]
    if not {0, IGNORED} <= set(values) or max(values) > IGNORED or masks.lossy:
        return []
    pixels = sum(masks.pixels[value] for value in strays)
    few = pixels < STRAY * masks.total and pixels < STRAY_OF_255 * masks.pixels[IGNORED]
    return strays if few and not any(masks.solid(value) for value in strays) else []


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
        f"Join them, {joined(values)}, or name the classes in {NAME_IT} if they are some"
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
            notes.append(f"{len(names)} classes, named in {legend.where}")
    elif binary and not notes:
        notes.append(f"two values of masks: 0 is background, {values[1]} foreground")
    elif not binary and values != list(range(len(values))):
        notes.append(f"values of masks have gaps: the classes are {some(values, False)}")
    single = tuple(((value, value),) for value in kept)
    return Decision(KnownMasks(names, single, tuple(ignored)), notes)
