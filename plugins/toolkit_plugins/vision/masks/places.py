"""What the names of files and folders say: an image or a mask, of which split, with which name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from toolkit.data.sources import split_named
from toolkit_plugins.vision.images import SUFFIXES
from toolkit_plugins.vision.masks.decoding import ARRAYS

Role = Literal["image", "mask", "other", ""]
MASK_SUFFIXES = (*SUFFIXES, *ARRAYS)
IMAGES = {
    "image", "images", "img", "imgs", "jpegimages", "rgb", "photo", "photos", "picture",
    "pictures", "input", "inputs", "leftimg8bit", "frames", "originals",
}  # fmt: skip
MASKS = {
    "mask", "masks", "label", "labels", "annotation", "annotations", "annot", "gt", "gts",
    "groundtruth", "seg", "segs", "segmentation", "segmentations", "segmentationclass",
    "segmentationclassraw", "gtfine", "target", "targets", "trimaps", "manual",
}  # fmt: skip
#: Folders of numbers of objects, or of colours to look at, beside the classes.
OTHERS = {
    "segmentationobject", "instance", "instances", "overlay", "overlays", "visualization",
    "segmentationclassvisualization",
}  # fmt: skip
GLUED = r"(train|val|valid|validation|test)(annot|masks?|labels?|images?)"
#: Ends and starts of the names of masks, and of images beside them; the longest first.
MASK_ENDS = (
    "_gtfine_labeltrainids", "_gtfine_labelids", "_segmentation", "_groundtruth", "_gt_mask",
    "_labelids", "_manual1", "_labels", "_label", "_masks", "_mask", "_matte", "_seg", "_gt",
    "_l", "_m", "_p",
)  # fmt: skip
MASK_STARTS = ("mask", "masks", "label", "gt", "seg")
IMAGE_STARTS = ("image", "img")
IMAGE_ENDS = ("_leftimg8bit", "_image", "_training", "_img", "_sat", "_rgb")
NO_MASKS = re.compile(r"_(color|colour|instanceids|instance|polygons|vis|overlay)$")


@dataclass(frozen=True)
class Place:
    """A file. rest: its folders without those that name a role or a split."""

    path: Path
    role: Role
    split: str | None
    rest: tuple[str, ...]

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return self.path.name.removesuffix(self.path.suffix)


def place_of(path: Path, root: Path) -> Place:
    """Return what a file's folders below a root say of it."""
    role: Role = ""
    split, rest = None, list[str]()
    for part in path.relative_to(root).parts[:-1]:
        own, left = _role(part)
        named = split_named(left) if left else None
        split = split or named
        if own and role != "mask":
            role = "other" if "other" in (role, own) else own
        if not own and not named:
            rest.append(part.lower())
    return Place(path, role, split, tuple(rest))


def _role(folder: str) -> tuple[Role, str]:
    """Return what a folder holds, and its name without the words for it."""
    whole = re.sub(r"ground[_ -]?truth", "groundtruth", folder, flags=re.IGNORECASE)
    match = re.fullmatch(GLUED, whole.lower())
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", whole).lower()
    words = list(match.groups()) if match else re.split(r"[^a-z0-9]+", parted)
    plain = " ".join(word for word in words if word not in IMAGES | MASKS | OTHERS)
    there = {*words, whole.lower()}
    if OTHERS & there:
        return "other", plain
    if MASKS & there or any(word.startswith("segmentationclass") for word in there):
        return "mask", plain
    return ("image" if IMAGES & there else ""), plain


def bare_mask(stem: str) -> str | None:
    """Return the name of the image that a mask's name tells, where it has a mark of masks.

    A second suffix is such a mark, too: 0.jpg.png is the mask of 0.jpg.
    """
    whole = _without_suffix(stem)
    marked = _without_mark(whole)
    if marked is not None:
        return _without_suffix(marked)
    return whole if whole != stem else None


def _without_suffix(stem: str) -> str:
    start, point, end = stem.rpartition(".")
    return start if start and f"{point}{end}".lower() in SUFFIXES else stem


def _without_mark(stem: str) -> str | None:
    low = stem.lower().replace("-", "_").replace(" ", "_").replace(".", "_")
    for end in MASK_ENDS:
        if low.endswith(end) and len(low) > len(end):
            return stem[: -len(end)]
    for start in MASK_STARTS:
        if low.startswith(f"{start}_") and len(low) > len(start) + 1:
            return stem[len(start) + 1 :]
    return None


def bare_image(stem: str) -> str:
    """Return the name of an image without an end that says that it is one."""
    low = stem.lower().replace("-", "_")
    for end in IMAGE_ENDS:
        if low.endswith(end) and len(low) > len(end):
            return stem[: -len(end)]
    return stem


def barest_image(stem: str) -> str:
    """Return the name of an image without a start or an end that says that it is one."""
    found = bare_image(stem)
    low = found.lower().replace("-", "_")
    for start in IMAGE_STARTS:
        if low.startswith(f"{start}_") and len(low) > len(start) + 1:
            return found[len(start) + 1 :]
    return found
