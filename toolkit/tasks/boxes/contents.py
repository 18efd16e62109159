"""What the actual objects of a split are, for classes and notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit.utils.text import counted, listing

FEW = 10  # objects of a class in training, below which it is named
NAMED = 8  # classes in a line


@dataclass
class Contents:
    """Counts of a split: images, those without objects, and label -> objects, and crowds."""

    images: int = 0
    empty: int = 0
    objects: Counter[str] = field(default_factory=Counter)
    crowds: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, references: Iterable[Any]) -> Contents:
        """Count the objects of references."""
        found = cls()
        for reference in references:
            found.images += 1
            found.empty += not reference["objects"]
            for one in reference["objects"]:
                (found.crowds if one["crowd"] else found.objects)[one["label"]] += 1
        return found

    def in_words(self, split: str, known: Mapping[str, int], things: str = "objects") -> list[str]:
        """Return notes.

        Args:
            known: label -> objects of the training rows. things: what objects are called.
        """
        total = self.objects.total()
        empty = counted(self.empty, "images without any")
        lines = [f"{split}: {counted(total, things)} in {counted(self.images, 'images')} "
                 f"({total / max(self.images, 1):.1f} per image), {empty}"]  # fmt: skip
        if self.crowds:
            lines.append(
                f"{split}: "
                + counted(
                    self.crowds.total(),
                    "crowds are ignored: what is found in them is neither right nor wrong",
                )
            )
        if split == "train":
            few = [f"{label} ({count})" for label, count in sorted(self.objects.items())
                   if count < FEW]  # fmt: skip
            if few:
                lines.append(f"train: fewer than {FEW} {things} of {listing(few, NAMED)}")
            return lines
        new = [f"{label} ({count})" for label, count in sorted(self.objects.items())
               if label not in known]  # fmt: skip
        if new:
            lines.append(
                f"{split}: no training image has {listing(new, NAMED)}; these {things} count as "
                "missed"
            )
        return lines
