"""Which images a scenario sees: the check of their files, how large they are, what is skipped."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from toolkit.errors import Fault
from toolkit.plugin_types import RowInspection
from toolkit.utils.text import counted
from toolkit_plugins.vision import inspection
from toolkit_plugins.vision.images import Levels, require_pillow
from toolkit_plugins.vision.options import OnCorrupt


class ImageSettings(Protocol):
    """The options that are read here."""

    @property
    def image(self) -> str: ...
    @property
    def on_corrupt(self) -> OnCorrupt: ...


AnyOptions = TypeVar("AnyOptions", bound=ImageSettings)


class SeenImages(Generic[AnyOptions]):
    """Hooks of images that all scenarios of images share."""

    options: AnyOptions
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

    @property
    def given_levels(self) -> Levels | None:
        """The values of black and white in images of more than 8 bits, where options set them."""
        return None

    def _levels(self) -> Levels | None:
        """Return the values that are black and white; None without images of more than 8 bits."""
        return self._deep.levels(self.given_levels)

    def _notes_on_skipped(self) -> list[str]:
        """Return notes on skipped and tiny images."""
        found = [f"skipped: {fault}" for fault in self._unreadable]
        tiny = f"images have fewer than {inspection.TINY} pixels a side"
        found += [f"{split}: {counted(count, tiny)}"
                  for split, count in self._tiny.items() if count]  # fmt: skip
        return found

    def _notes_on_images(self) -> list[str]:
        """Return notes on skipped and tiny images, and on those of more than 8 bits."""
        return [*self._notes_on_skipped(), *self._deep.notes(self.given_levels)]

    @cached_property
    def _tiny(self) -> dict[str, int]:
        return {}

    @cached_property
    def _deep(self) -> inspection.DeepImages:
        return inspection.DeepImages()

    @cached_property
    def _unreadable(self) -> list[Fault]:
        return []
