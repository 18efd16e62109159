"""Where the images of panoptic annotations are, and their PNG files of segment ids."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from toolkit_plugins.vision.annotations.files import Images, Tree, parts_of


class Finder:
    """Finds images and their PNG files of ids, which may have the same names."""

    def __init__(self, path: Path, tree: Tree, split: str) -> None:
        self.path, self.tree, self.split = path, tree, split
        self.images = Images(path.parent, [tree.root])

    def pair(
        self, image: Any, png: Any, labelled: bool
    ) -> tuple[str, str | None] | None:  # fmt: skip
        """Return the paths of an image and its PNG file; None where one is not found."""
        if not isinstance(image, str) or (labelled and not isinstance(png, str)):
            return None
        of_ids = self._png(png, image) if isinstance(png, str) else None
        found = self.images.find(image, self.split, self.path.stem)
        if found is not None and of_ids is not None and os.path.samefile(found, of_ids):
            found = self._other(image, of_ids)
        if found is None or (labelled and of_ids is None):
            return None
        return str(found), None if of_ids is None else str(of_ids)

    def _png(self, name: str, image: str) -> Path | None:
        """Return the PNG file of a name: in the folder called as the json is, or the likeliest."""
        tail = Path(*(parts_of(name) or (".",)))
        near = self.path.parent
        for folder in (near / self.path.stem, near / self.path.stem.replace("_annotations", "")):
            if (folder / tail).is_file():
                return folder / tail
        given = self.tree.by_name.get(tail.name.lower(), [])
        if tail.name == Path(image).name and len(given) == 1:
            return None  # that is the image
        best = sorted(given, key=self._likely, reverse=True)
        if not best or (len(best) > 1 and self._likely(best[0]) == self._likely(best[1])):
            return None
        return best[0]

    def _likely(self, path: Path) -> tuple[bool, bool, bool]:
        folders = " ".join(path.relative_to(self.tree.root).parts[:-1]).lower()
        ids = "panoptic" in folders or "segment" in folders
        masks = any(word in folders for word in ("mask", "annotation", "label"))
        return self.tree.split_of(path) == self.split, ids, masks

    def _other(self, name: str, png: Path) -> Path | None:
        given = [path for path in self.tree.by_name.get(Path(name).name.lower(), [])
                 if not os.path.samefile(path, png)]  # fmt: skip
        own = [path for path in given if self.tree.split_of(path) == self.split] or given
        return own[0] if len(own) == 1 else None
