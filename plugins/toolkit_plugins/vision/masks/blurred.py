"""Masks of two classes without sharp edges: saved as jpeg, smoothed, or probabilities."""

from __future__ import annotations

from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing
from toolkit_plugins.vision.masks.known import KnownMasks, Range
from toolkit_plugins.vision.masks.legends import Legend
from toolkit_plugins.vision.masks.questions import (
    BINARY,
    NAME_IT,
    PNG,
    Decision,
    Question,
    some,
    too_many,
)  # fmt: skip
from toolkit_plugins.vision.masks.survey import Survey

BETWEEN = 0.25  # share of pixels between two greys, above which a mask is none of two classes
ELSEWHERE = 0.02  # share of pixels in flat places between two greys, likewise
NEAR = 24  # grey values around a cluster's own


def fractions(asked: Question, legend: Legend | None, ignored: list[int]) -> Decision:
    """Read fractions from 0 to 1 as probabilities of the foreground."""
    masks, half = asked.masks, 127.5
    unsure = sum(masks.share(value) for value in masks.values if 64 <= value < 192)
    if unsure > 2 * BETWEEN:
        what = (f"masks hold fractions, {unsure:.0%} of which lie between 0.25 and 0.75. Are they "
                "the images themselves? Those of a mask are near 0 and 1.")  # fmt: skip
        raise DataError(Fault(asked.where, what))
    names = _two_names(legend)
    told = (f"masks hold fractions: above 0.5 is {names[1]} ({unsure:.1%} of the pixels lie "
            "between 0.25 and 0.75)")  # fmt: skip
    known = KnownMasks(
        names, (((0, 127),), ((128, 255),)), tuple(ignored), threshold=half, fractions=True
    )
    return Decision(known, [told])


def of_strays(masks: Survey, strays: list[int], ignored: list[int]) -> Decision:
    """Read masks of 0 and 255 with a few pixels of other values, told apart at the middle."""
    half, pixels = 127.5, sum(masks.pixels[value] for value in strays)
    told = (f"masks have 0 and 255 (the foreground, {masks.share(255):.1%} of the pixels); "
            f"{pixels:,} pixels have other values ({some(strays, False)}), as in "
            f"{listing(masks.files[strays[0]], 2)}: above {half} is {BINARY[1]}. If they are a "
            f"class, name it in {NAME_IT}")  # fmt: skip
    known = KnownMasks(BINARY, (((0, 127),), ((128, 255),)), tuple(ignored), threshold=half)
    return Decision(known, [told])


def two_clusters(
    asked: Question, legend: Legend | None, values: list[int], edges: list[int], ignored: list[int]
) -> Decision:
    """Read blurred masks: of two greys, which are told apart at the middle."""
    masks = asked.masks
    weight = {value: masks.flat[value] + masks.pixels[value] / 1e6 for value in values}
    first = max(values, key=lambda value: weight[value])
    far = [value for value in values if abs(value - first) > 2 * NEAR]
    second = max(far, key=lambda value: weight[value]) if far else None
    if second is None or max(values) > 255:
        raise DataError(Fault(asked.where, too_many(asked, values, edges, "values")))
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
        return too_many(asked, values, values if asked.masks.lossy else edges, "values")
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
