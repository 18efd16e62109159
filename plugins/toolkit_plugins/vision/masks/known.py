"""How the masks of a data set are read: which values are which class, as train decided it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from toolkit_plugins.vision.masks.canonical import IGNORED
from toolkit_plugins.vision.masks.decoding import RawMask
from toolkit_plugins.vision.masks.survey import numbered

Array = np.ndarray[Any, Any]
Range = tuple[int, int]  # first and last value
UNKNOWN = 256  # no class number, and not IGNORED


@dataclass(frozen=True)
class KnownMasks:
    """Which values of masks stand for which class.

    names: of the classes. values: for each class the ranges of values. ignored: values of pixels
    that count for nothing; negative ones are never a class. by_colour: values are 0xrrggbb.
    threshold: of blurred masks of two classes, the grey value above which the second one is.
    fractions: 0 to 1 is spread over 0 to 255.
    canonical: masks have numbers of classes already, and come with the names of these.
    source: those names, which the options may have changed.
    """

    names: tuple[str, ...]
    values: tuple[tuple[Range, ...], ...]
    ignored: tuple[int, ...] = ()
    by_colour: bool = False
    threshold: float | None = None
    fractions: bool = False
    canonical: bool = False
    source: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` takes: lists, texts and numbers."""
        return {
            "names": list(self.names),
            "values": [[list(part) for part in ranges] for ranges in self.values],
            "ignored": list(self.ignored),
            "by_colour": self.by_colour,
            "threshold": self.threshold,
            "fractions": self.fractions,
            "canonical": self.canonical,
            "source": list(self.source),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> KnownMasks:
        """Return what `to_json` was made of."""
        return cls(
            names=tuple(str(name) for name in found["names"]),
            values=tuple(
                tuple((int(first), int(last)) for first, last in ranges)
                for ranges in found["values"]
            ),
            ignored=tuple(int(value) for value in found["ignored"]),
            by_colour=bool(found["by_colour"]),
            threshold=found["threshold"],
            fractions=bool(found["fractions"]),
            canonical=bool(found["canonical"]),
            source=tuple(str(name) for name in found.get("source", ())),
        )

    @cached_property
    def _single(self) -> dict[int, int]:
        """Value -> class number, of classes that single values stand for."""
        return {first: number for number, ranges in enumerate(self.values)
                for first, last in ranges if first == last}  # fmt: skip

    def class_of(self, value: int) -> int:
        """Return the class number of a value, IGNORED, or UNKNOWN."""
        if value in self.ignored or value < 0:
            return IGNORED
        if self.threshold is not None and 0 <= value <= 255:
            return int(value > self.threshold)
        if value in self._single:
            return self._single[value]
        wide = ((number, first, last) for number, ranges in enumerate(self.values)
                for first, last in ranges if first < last)  # fmt: skip
        return next((number for number, first, last in wide if first <= value <= last), UNKNOWN)

    def unknown(self, values: Sequence[int]) -> list[int]:
        """Return those of the values that stand for no class and are not ignored."""
        return [value for value in values if self.class_of(value) == UNKNOWN]

    def read(self, raw: RawMask) -> Array:
        """Return the class numbers of a mask, uint8; unknown values are IGNORED."""
        found, numbers = numbered(raw.numbers(self.by_colour, self.fractions))
        classes = np.array([self.class_of(int(value)) for value in found])
        table = np.where(classes == UNKNOWN, IGNORED, classes).astype(np.uint8)
        return np.asarray(table[numbers])

    def shown(self, value: int) -> str:
        """Return a value as messages name it."""
        return shown(value, self.by_colour)

    def described(self) -> str:
        """Return the classes with their values, for a message."""
        parts = []
        for name, ranges in list(zip(self.names, self.values, strict=True))[:20]:
            values = [self.shown(a) if a == b else f"{self.shown(a)}-{self.shown(b)}"
                      for a, b in ranges[:3]]  # fmt: skip
            own = ", ".join(values)
            parts.append(name if own == name else f"{own} = {name}")
        more = len(self.names) - len(parts)
        return ", ".join(parts) + (f" and {more} more" if more else "")


def shown(value: int, by_colour: bool) -> str:
    """Return a value as messages name it: a number, or "#rrggbb"."""
    return f"#{value:06x}" if by_colour else str(value)
