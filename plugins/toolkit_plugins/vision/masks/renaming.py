"""Canonical masks, made by the toolkit or painted from outlines, with the classes of the options.

Such masks come with the names of their classes; options rename and join these, or ignore some.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing, nearest
from toolkit_plugins.vision.masks import legends
from toolkit_plugins.vision.masks.canonical import IGNORED
from toolkit_plugins.vision.masks.known import KnownMasks
from toolkit_plugins.vision.masks.questions import BINARY, NAME_IT

Numbers = dict[str, list[int]]  # class -> its numbers in the masks
MAP = f"A map renames, --set '{NAME_IT}={{new: old}}'"


def by_options(
    names: Sequence[str], classes: legends.Classes | None, ignore: Sequence[int | str] | None
) -> tuple[KnownMasks, list[str]]:
    """Return how masks with these classes are read, and notes on what the options change.

    Raises:
        DataError: options name no class of the masks, one twice, or leave less than two.
    """
    numbers = _numbers(classes, names)
    gone = _ignored(ignore or (), numbers, names)
    left = {name: rest for name, own in numbers.items()
            if (rest := [number for number in own if number not in gone])}  # fmt: skip
    if len(left) < 2:
        what = f"leave {listing(left)} of the classes {listing(names)}: there is nothing to learn"
        raise DataError(Fault("options.ignore" if gone else NAME_IT, what))
    order = sorted(left, key=lambda name: min(left[name]))
    values = tuple(tuple((number, number) for number in left[name]) for name in order)
    known = KnownMasks(tuple(order), values, (IGNORED, *gone), canonical=True, source=tuple(names))
    notes = [f"the pixels of {listing(names[number] for number in gone)} are ignored"] * bool(gone)
    notes += [f"{name} joins {listing(names[number] for number in left[name])}"
              for name in order if len(left[name]) > 1]  # fmt: skip
    return known, notes


def require_same(names: Sequence[str], known: KnownMasks, where: str) -> None:
    """Raise DataError where masks have other classes than those that are known."""
    unnamed = known.canonical and not known.source and len(known.names) == len(names)
    if tuple(names) not in (known.names, known.source) and not unnamed:
        what = (
            f"masks have the classes {listing(names)}, not {listing(known.source or known.names)}"
        )
        raise DataError(Fault(where, what))


def _numbers(classes: legends.Classes | None, names: Sequence[str]) -> Numbers:
    if classes is None:
        return {name: [number] for number, name in enumerate(names)}
    if isinstance(classes, Mapping) and (found := _by_labels(classes, names)):
        return found
    legend = legends.of_option(classes)
    if legend is None or legend.is_ordered:
        given = list(legend.names) if legend else list(names)
        _check_list(given, names)
        return {name: [number] for number, name in enumerate(given)}
    there = range(len(names))
    numbers = {
        name: [number for first, last in ranges for number in there if first <= number <= last]
        for name, ranges in legend.numbers.items()
    }
    if sorted(n for own in numbers.values() for n in own) != list(there) or not all(
        numbers.values()
    ):
        what = (f"masks have the class numbers 0 to {len(names) - 1} ({listing(names)}): give each "
                f"to one class, or a list of {len(names)} names")  # fmt: skip
        raise DataError(Fault(NAME_IT, what))
    return numbers


def _check_list(given: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a list that has another order or other names than labels that people gave."""
    if list(given) == list(names):
        return
    if sorted(given) == sorted(names):
        what = f"the masks have these classes in the order {listing(names)}: give them in it"
    elif len(given) != len(names):
        what = f"names {len(given)} classes, but masks have {len(names)}: {listing(names)}"
    elif tuple(names) == BINARY or all(re.fullmatch(r"\d+|#[0-9a-f]{6}", name) for name in names):
        return  # names that only stand for values
    else:
        new = next(name for name in given if name not in names)
        what = f"{new!r} is no label.{nearest(new, names)} Known: {listing(names)}. {MAP}"
    raise DataError(Fault(NAME_IT, what))


def _by_labels(classes: Mapping[str, Any], names: Sequence[str]) -> Numbers | None:
    """Return the classes of a map of new names to labels; None for one to numbers or colours.

    Labels that it does not hold keep their names.
    """
    parts = {str(new): old if isinstance(old, list) else [old] for new, old in classes.items()}
    if not any(_is_label(part, names) for own in parts.values() for part in own):
        return None
    faults = [
        Fault(f"{NAME_IT}.{new}", f"{part!r} is no label.{nearest(str(part), names)} "
                                  f"Known: {listing(names)}")
        for new, own in parts.items() for part in own if part not in names
    ]  # fmt: skip
    used = [part for own in parts.values() for part in own]
    faults += [Fault(NAME_IT, f"gives {name!r} twice") for name in names if used.count(name) > 1]
    kept = [name for name in names if name not in used]
    faults += [Fault(f"{NAME_IT}.{name}", "is a label that keeps its name: add it to the list")
               for name in kept if name in parts]  # fmt: skip
    if faults:
        raise DataError(faults[:20])
    numbers = {new: [list(names).index(part) for part in own] for new, own in parts.items()}
    return {**numbers, **{name: [list(names).index(name)] for name in kept}}


def _is_label(part: Any, names: Sequence[str]) -> bool:
    if not isinstance(part, str):
        return False
    stands = re.fullmatch(r"\s*\d+\s*(-\s*\d+\s*)?", part) or legends.colour_of(part) is not None
    return part in names or not stands


def _ignored(ignore: Sequence[int | str], numbers: Numbers, names: Sequence[str]) -> list[int]:
    """Return the class numbers of the masks that the options ignore."""
    gone: set[int] = set()
    for item in ignore:
        text = str(item)
        if isinstance(item, str) and item in numbers:
            gone.update(numbers[item])
        elif isinstance(item, str) and item in names:
            gone.add(list(names).index(item))
        elif re.fullmatch(r"-?\d+", text) and (int(text) < len(names) or int(text) == IGNORED):
            gone.update({int(text)} & set(range(len(names))))  # 255 and below 0 are no class
        else:
            known = list(dict.fromkeys([*numbers, *names]))
            what = (f"{item!r} is no class and no class number (0 to {len(names) - 1})."
                    f"{nearest(text, known)} Known: {listing(known)}")  # fmt: skip
            raise DataError(Fault("options.ignore", what))
    return sorted(gone)
