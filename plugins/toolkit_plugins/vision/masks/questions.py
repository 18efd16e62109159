"""What is asked of the masks of a split, what is answered, and the words for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit.utils.text import listing
from toolkit_plugins.vision.masks.canonical import IGNORED, MOST_CLASSES
from toolkit_plugins.vision.masks.known import KnownMasks, shown
from toolkit_plugins.vision.masks.legends import Legend
from toolkit_plugins.vision.masks.survey import Survey

BINARY = ("background", "foreground")
NAME_IT = "options.classes"
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


def are_many(edges: Sequence[int], values: Sequence[int]) -> bool:
    """Return whether most values have no flat place: they lie on edges that were blurred."""
    return len(edges) >= 8 and len(edges) > 2 * (len(values) - len(edges))


def too_many(asked: Question, values: list[int], edges: list[int], what: str) -> str:
    """Return the message for masks with more values than classes can have."""
    same = " Are they the images themselves, or the wrong folder?"
    kind = "jpeg files, whose values are blurred" if asked.masks.lossy else "png"
    if len(edges) > 0.5 * len(values):
        says = f"look like photos, or were blurred by jpeg or resizing ({kind})"
        return f"masks have {len(values):,} {what} and {says}.{same} {PNG}"
    return (f"masks have {len(values):,} {what}, more than {MOST_CLASSES} classes. If they number "
            f"objects, join them: {joined(values)}")  # fmt: skip


def joined(values: Sequence[int]) -> str:
    """Return the setting that makes one class of all objects."""
    return f"--set 'options.classes={{background: 0, object: 1-{max(values)}}}'"


def told_ignored(masks: Survey, why: str) -> str:
    return (f"255 in masks is ignored ({masks.share(IGNORED):.1%} of the pixels), as {why}: "
            "options.ignore=[] makes it a class")  # fmt: skip


def some(values: Sequence[int], by_colour: bool) -> str:
    return listing([shown(value, by_colour) for value in values], 8)
