"""What is segmented: classes of pixels (semantic), objects (instance), or both (panoptic)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Options that some kinds do not read, with the values that are as good as none.
OF_CLASSES = ("classes", "ignore", "tiles", "loss", "class_weights", "positive", "output_stride",
              "mask")  # fmt: skip
UNREAD: dict[str, tuple[str, ...]] = {
    "semantic": ("objects", "max_detections", "threshold", "things"),
    "instance": (*OF_CLASSES, "things"),
    "panoptic": (*OF_CLASSES, "max_detections"),
}
MASK, OBJECTS = "mask", "objects"  # usual columns


def completed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the column that their kind predicts, and without the other one."""
    found = dict(given)
    if found.get("kind") in ("instance", "panoptic"):
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
    kind = options.kind
    objects = kind != "semantic"
    usual = {**usual, "mask": None}
    what = f"has no effect with kind: {kind}"
    found = [f"{name} {what}" for name in UNREAD[kind] if getattr(options, name) != usual[name]]
    if not objects and options.mask is None:
        found.append("mask is the column of the masks, which kind: semantic needs")
    if objects and options.augment is not None and options.augment.mosaic:
        found.append(f"augment.mosaic is not for kind: {kind}, which numbers the objects of each "
                     "image")  # fmt: skip
    return found
