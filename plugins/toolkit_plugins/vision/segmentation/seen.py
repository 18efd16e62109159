"""Which images a scenario sees: the check of their files, how large they are, what is skipped."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

from toolkit.errors import Fault
from toolkit.plugin_types import RowInspection
from toolkit.utils.text import counted
from toolkit_plugins.vision import inspection
from toolkit_plugins.vision.images import require_pillow
from toolkit_plugins.vision.segmentation.options import SegmentationOptions


class SeenImages:
    """Hooks of images that both kinds of segmentation share."""

    options: SegmentationOptions
    recipe: Any

    def inspect_rows(self, rows: Any, split: str) -> RowInspection:
        """Decode every image once: unreadable files are named, and duplicates found."""
        require_pillow()
        found = inspection.check(rows, self.options.image, split)
        self._tiny[split] = self._tiny.get(split, 0) + found.tiny
        if split != "predict":
            self._deep.add(found)
        alike = RowInspection(likeness=found.likeness, thumbnails=found.thumbnails)
        if self.options.on_corrupt == "error" and split != "predict":
            return replace(alike, fatal=inspection.capped(found.faults, split))
        self._unreadable.extend(found.faults[: inspection.NAMED])
        return replace(alike, unusable={"image cannot be read": found.broken})

    @property
    def from_scratch(self) -> bool:
        """Whether the model was made from a config."""
        return self.recipe is not None and self.recipe.model.id is None

    def _notes_on_images(self) -> list[str]:
        """Return notes on skipped and tiny images, and on those of more than 8 bits."""
        found = [f"skipped: {fault}" for fault in self._unreadable]
        tiny = f"images have fewer than {inspection.TINY} pixels a side"
        found += [f"{split}: {counted(count, tiny)}"
                  for split, count in self._tiny.items() if count]  # fmt: skip
        return [*found, *self._deep.notes(None)]

    @cached_property
    def _tiny(self) -> dict[str, int]:
        return {}

    @cached_property
    def _deep(self) -> inspection.DeepImages:
        return inspection.DeepImages()

    @cached_property
    def _unreadable(self) -> list[Fault]:
        return []
