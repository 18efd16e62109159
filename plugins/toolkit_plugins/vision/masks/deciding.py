"""From the values of all masks of a split to classes: how the masks are meant.

The order of the questions: which values are ignored by the options; what the classes are called, by
the options or a legend; else whether the values are ids, two greys (0 and 255), blurred greys,
colours, numbers of objects, or a photo.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing, nearest
from toolkit_plugins.vision.masks.canonical import IGNORED, MOST_CLASSES
from toolkit_plugins.vision.masks.greys import (
    NAME_IT,
    PNG,
    Decision,
    Question,
    of_colours,
    of_greys,
    some,
    told_ignored,
)
from toolkit_plugins.vision.masks.known import KnownMasks, Range, shown
from toolkit_plugins.vision.masks.legends import Legend, colour_of
from toolkit_plugins.vision.masks.survey import Survey

FEW = 0.001  # share of pixels with values that a legend does not name, which are ignored


def decide(asked: Question) -> Decision:
    """Return how the masks of a split are read.

    Raises:
        DataError: they look like photos, are blurred, are numbers of objects, or do not fit the
            classes that are named.
    """
    masks, legend = asked.masks, asked.legend
    if not masks.sets:
        raise DataError(Fault(asked.where, "no row has a mask that can be read"))
    ignored, gone = _ignored(asked)
    if legend is not None:
        if not asked.given:
            ignored += legend.ignored
        legend = legend.without(gone)
    values = [value for value in masks.values if value not in ignored and value >= 0]
    below = [value for value in masks.values if value < 0]
    told = [f"pixels of {listing(below, 5)} are ignored"] if below else []
    if ignored:
        share, named = sum(map(masks.share, ignored)), some(ignored, masks.by_colour)
        told.append(f"{share:.1%} of the pixels are ignored: {', '.join(gone) or named}")
    if legend is not None and not legend.is_ordered:
        if masks.by_colour or legend.numbers:
            found = _by_legend(asked, legend, values, ignored)
        else:
            found = _greys_by_colour(asked, legend, values, ignored)
    else:
        found = (of_colours if masks.by_colour else of_greys)(asked, legend, values, ignored)
    if len(found.known.names) > MOST_CLASSES:
        what = f"masks have {len(found.known.names):,} classes: at most {MOST_CLASSES} are possible"
        raise DataError(Fault(asked.where, what))
    here = {found.known.class_of(value) for value in values}
    if len(here) < 2:
        there = some(masks.values, masks.by_colour)
        what = f"all pixels of all masks are of one class ({there}): there is nothing to learn"
        raise DataError(Fault(asked.where, what))
    return Decision(found.known, [*found.notes, *told])


def _ignored(asked: Question) -> tuple[list[int], list[str]]:
    """Return the values that the options ignore, and the classes that they name."""
    found, gone = list[int](), list[str]()
    wanted = asked.ignore
    if wanted is None:
        wanted = asked.legend.nothing if asked.legend else ()
    for item in wanted:
        names = asked.legend.names if asked.legend else ()
        colour = colour_of(item)
        if isinstance(item, str) and item in names and asked.legend:
            gone.append(item)
            found += _values_of(asked.legend, item)
        elif colour is not None:
            found.append(colour)
        elif isinstance(item, int) or (isinstance(item, str) and item.lstrip("-").isdigit()):
            found.append(int(item))
        else:
            what = f"{item!r} is no number, no colour and no class.{nearest(str(item), names)}"
            raise DataError(Fault("options.ignore", what))
    return found, gone


def _values_of(legend: Legend, name: str) -> list[int]:
    if name in legend.colours:
        return [legend.colours[name]]
    if legend.is_ordered:
        return [list(legend.names).index(name)]
    return [v for first, last in legend.numbers[name] for v in range(first, last + 1)]


def _by_legend(asked: Question, legend: Legend, values: list[int], ignored: list[int]) -> Decision:
    """Read values as a legend's numbers or colours."""
    masks = asked.masks
    if legend.numbers and masks.by_colour:
        what = (f"gives numbers, but the masks have colours ({some(values, True)}): "
                "give name: '#rrggbb'")  # fmt: skip
        raise DataError(Fault(legend.where, what))
    parts: list[tuple[Range, ...]] = [
        tuple(legend.numbers[name]) if legend.numbers else ((legend.colours[name],) * 2,)
        for name in legend.names
    ]
    notes = [f"classes by {legend.where}"]
    known = KnownMasks(tuple(legend.names), tuple(parts), tuple(ignored), masks.by_colour)
    unknown = known.unknown(values)
    if IGNORED in unknown and not masks.by_colour and not asked.given:
        known = KnownMasks(known.names, known.values, (*ignored, IGNORED))
        notes.append(told_ignored(masks, "it is no class of the legend"))
        unknown.remove(IGNORED)
    return Decision(known, notes + lenient(masks, known, unknown, asked.where))


def lenient(masks: Survey, known: KnownMasks, unknown: Sequence[int], where: str) -> list[str]:
    """Return a note on unknown values that are few enough to be ignored.

    Raises:
        DataError: they are more.
    """
    if not unknown:
        return []
    share = sum(masks.pixels[value] for value in unknown) / max(masks.total, 1)
    named = some(unknown, known.by_colour)
    blurred = f" Are they blurred? {PNG}" if len(unknown) > 16 else ""
    if share < FEW:
        return [f"{share:.3%} of the pixels have a value of no class ({named}), and are ignored"]
    first = unknown[0]
    way = f"Name it in {NAME_IT}, or set options.ignore={shown(first, known.by_colour)}."
    what = (
        f"{share:.1%} of the pixels have a value that is no class: {named} (as in "
        f"{listing(masks.files[first], 2)}). Known: {known.described()}. {way}{blurred}"
    )
    raise DataError(Fault(where, what))


def _greys_by_colour(
    asked: Question, legend: Legend, values: list[int], ignored: list[int]
) -> Decision:
    """Read masks of one channel by a legend of colours: the colours of their palette, or greys."""
    from toolkit_plugins.vision.masks.decoding import GREY

    palette = {index: colour for one in asked.masks.seen if one for index, colour
               in one.palette.items()}  # fmt: skip
    names = {colour: name for name, colour in legend.colours.items()}
    colours = {value: palette.get(value, value * GREY) for value in values}
    order = list(legend.order or legend.names)
    numbers = {name: [(order.index(name),) * 2] for name in legend.names} if legend.order else {}
    ordered = Legend(legend.names, numbers, where=legend.where)
    if not all(colour in names for colour in colours.values()):
        return _by_order(asked, ordered, values, ignored, order)  # of colours to show ids in
    of = {names[colour]: value for value, colour in colours.items()}
    if all(order[value : value + 1] == [name] for name, value in of.items()):
        return _by_order(asked, ordered, values, ignored, order)
    used = [name for name in legend.names if name in of]
    known = KnownMasks(tuple(used), tuple(((of[n], of[n]),) for n in used), tuple(ignored))
    return Decision(known, [f"classes by {legend.where}"])


def _by_order(
    asked: Question, legend: Legend, values: list[int], ignored: list[int], order: Sequence[str]
) -> Decision:
    """Read ids by the order of a legend's lines, some of which may be no class."""
    if not legend.numbers:
        return of_greys(asked, legend, values, ignored)
    gone = [place for place, name in enumerate(order) if name not in legend.names]
    return _by_legend(asked, legend, [v for v in values if v not in gone], [*ignored, *gone])
