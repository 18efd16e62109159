"""What is segmented: classes of pixels (semantic), or objects, each by itself (instance)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Options that one of the two does not read, with the values that are as good as none.
OF_CLASSES = ("classes", "ignore", "tiles", "loss", "class_weights", "positive", "output_stride")
OF_OBJECTS = ("objects", "max_detections", "threshold")
MASK, OBJECTS = "mask", "objects"  # usual columns
PANOPTIC = (
    "panoptic segmentation is not supported, as neither its annotations (a PNG of segment ids with "
    "a json) nor its score (PQ) are: choose semantic (a class for each pixel) or instance (the "
    "mask of each object)"
)


def completed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the column that their kind predicts, and without the other one.

    Raises:
        ValueError: the kind is panoptic.
    """
    found = dict(given)
    if found.get("kind") == "panoptic":
        raise ValueError(PANOPTIC)
    if found.get("kind") == "instance":
        if found.get("objects") is None:
            found["objects"] = OBJECTS
        if found.get("mask") == MASK:  # as recipes of masks have it
            found["mask"] = None
        found.setdefault("mask", None)
    return found


def faults(options: Any, usual: Mapping[str, Any]) -> list[str]:
    """Return what of the options has no effect with their kind, or cannot be with it.

    Args:
        usual: option -> its default.
    """
    objects = options.kind == "instance"
    unread = (*OF_CLASSES, "mask") if objects else OF_OBJECTS
    usual = {**usual, "mask": None}
    what = f"has no effect with kind: {options.kind}"
    found = [f"{name} {what}" for name in unread if getattr(options, name) != usual[name]]
    if not objects and options.mask is None:
        found.append("mask is the column of the masks, which kind: semantic needs")
    if objects and options.augment is not None and options.augment.mosaic:
        found.append("augment.mosaic is not for kind: instance, which numbers the objects of each "
                     "image")  # fmt: skip
    return found
